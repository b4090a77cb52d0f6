import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../testing/stack.ts";
import { type Block, hashBlock } from "./block.ts";
import type { Checkpoint } from "./checkpoints.ts";
import { AuditDatabase } from "./database.ts";
import { Tree } from "./merkle.ts";
import { RowHasher } from "./row-hasher.ts";
import type { Verdict } from "./verdict.ts";
import { verifyTable } from "./verify-table.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {}, prepare: false });

// Five blocks of ten rows. The numbers 11, 22, 33, 44 and 55 are void; two rows more are not sealed.
await sql`create table public.log (id integer, note text)`;
await sql`select private.make_immutable('log')`;
const insert = (count: number) =>
  sql`insert into public.log (id, note) select n, gen_random_uuid() from generate_series(1, ${count}::integer) n`;
for (let i = 0; i < 5; i++) {
  await insert(10);
  await sql.begin(async (transaction) => {
    await transaction`insert into public.log (id) values (0)`;
    throw new Error("rolled back");
  }).catch(() => {});
  await sql`select public.seal_audit('log')`;
}
await insert(2);
const seqs = Array.from({ length: 54 }, (_, i) => i + 1).filter((seq) => seq % 11 !== 0);
const published: Checkpoint[] =
  (await sql`select size::integer, root from audit_blocks where table_name = 'log'`)
    .map(({ size, root }) => ({ table: "log", size, root, source: `of size ${size}` }));

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

type Tamper = (sql: postgres.TransactionSql) => Promise<unknown>;

/** What is found after the table's owner did something with triggers off; it is undone then. */
async function verdictAfter(tamper: Tamper, checkpoints = published): Promise<Verdict> {
  let verdict: Verdict | undefined;
  const undo = new Error("undo");
  await sql.begin(async (transaction) => {
    await transaction`alter table public.log disable trigger user`;
    await transaction`alter table public.audit_blocks disable trigger user`;
    await tamper(transaction);
    verdict = await verifyTable(await AuditDatabase.in(transaction), "log", true, checkpoints);
    throw undo;
  }).catch((error) => {
    if (error !== undo) throw error;
  });
  return verdict!;
}

/** Damage as text: kind, unit and range. */
async function damageAfter(tamper: Tamper, checkpoints = published): Promise<string[]> {
  const { damage } = await verdictAfter(tamper, checkpoints);
  return damage.map(({ kind, unit, first, last }) => `${kind} ${unit} ${first}-${last}`);
}

const seq = fc.constantFrom(...seqs);
const twoSeqs = fc.uniqueArray(seq, { minLength: 2, maxLength: 2 }).map((pair) =>
  pair.toSorted((a, b) => a - b) as [number, number]
);

Deno.test("an honest log is sound, and agrees with every checkpoint", async () => {
  const verdict = await verdictAfter(() => Promise.resolve());
  assert.deepEqual(verdict, {
    table: "log",
    blocks: 5,
    rows: 50,
    voids: verdict.voids,
    lastSeq: verdict.lastSeq,
    unsealed: 2,
    notLookedAt: 0,
    notes: [],
    checkpoints: { agreeing: 5, newestSize: 50 },
    damage: [],
    more: 0,
  });
});

Deno.test("an edited row is found, whatever was edited", async () => {
  const edits: ((seq: number) => Tamper)[] = [
    (seq) => (sql) => sql`update log set note = note || ' ' where immutable_seq = ${seq}`,
    (seq) => (sql) => sql`update log set note = null where immutable_seq = ${seq}`,
    (seq) => (sql) => sql`update log set leaf_hash = sha256('') where immutable_seq = ${seq}`,
    (seq) => async (sql) => {
      await sql`alter table log alter leaf_hash drop not null`;
      await sql`update log set leaf_hash = null where immutable_seq = ${seq}`;
    },
    (seq) => async (sql) => {
      await sql`update log set id = id + 1 where immutable_seq = ${seq}`;
      await refreshLeafHashes(sql);
    },
  ];
  await fc.assert(
    fc.asyncProperty(seq, fc.constantFrom(...edits), async (seq, edit) => {
      assert.deepEqual(await damageAfter(edit(seq)), [`edited number ${seq}-${seq}`]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("deleted rows are found, in the middle and at the end", async () => {
  await fc.assert(
    fc.asyncProperty(twoSeqs, async ([first, last]) => {
      const kind = last === seqs.at(-1) ? "tail_cut" : "deleted";
      const found = await damageAfter((sql) =>
        sql`delete from log where immutable_seq between ${first} and ${last}`
      );
      assert.deepEqual(found, [`${kind} number ${first}-${last}`]);
    }),
    { numRuns: 60 },
  );
  assert.deepEqual(await damageAfter((sql) => sql`truncate log`), ["tail_cut number 1-54"]);
});

Deno.test("rows that changed places are found", async () => {
  await fc.assert(
    fc.asyncProperty(twoSeqs, fc.boolean(), async ([first, second], withHashes) => {
      const found = await damageAfter(async (sql) => {
        await sql`update log set immutable_seq = -1 where immutable_seq = ${first}`;
        await sql`update log set immutable_seq = ${first} where immutable_seq = ${second}`;
        await sql`update log set immutable_seq = ${second} where immutable_seq = -1`;
        if (withHashes) await refreshLeafHashes(sql);
      });
      const adjacent = seqs.indexOf(second) === seqs.indexOf(first) + 1;
      const expected = adjacent
        ? [`reordered number ${first}-${second}`]
        : [`reordered number ${first}-${first}`, `reordered number ${second}-${second}`];
      assert.deepEqual(found, expected);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a row under a number that was void, twice there, zero or null was inserted later", async () => {
  for (const seq of [11, 22, 33, 44]) {
    const found = await damageAfter(async (sql) => {
      await sql`insert into log (id, note, immutable_seq, leaf_hash) values (1, 'x', ${seq}, sha256(''))`;
      await refreshLeafHashes(sql);
    });
    assert.deepEqual(found, [`inserted_later number ${seq}-${seq}`]);
  }
  const copy = async (sql: postgres.TransactionSql, seq: number | null) => {
    await sql`create table copy as select * from log`;
    await sql`drop table log`;
    await sql`alter table copy rename to log`;
    await sql`insert into log select id, note, ${seq}::bigint, leaf_hash from log where immutable_seq = 5`;
  };
  assert.deepEqual(await damageAfter((sql) => copy(sql, 5)), ["inserted_later number 5-5"]);
  assert.deepEqual(await damageAfter((sql) => copy(sql, 0)), ["inserted_later number 0-0"]);
  assert.deepEqual(await damageAfter((sql) => copy(sql, null)), ["inserted_later number 0-0"]);
});

Deno.test("a row that is not sealed yet is compared with its own leaf hash", async () => {
  const found = await damageAfter((sql) =>
    sql`update log set note = 'x' where immutable_seq = (select max(immutable_seq) from log)`
  );
  assert.match(found.join(), /^edited number 5\d-5\d$/);
});

/** What somebody does who knows the format: the leaf hashes fit the rows again. */
async function refreshLeafHashes(sql: postgres.TransactionSql): Promise<void> {
  const reader = await AuditDatabase.in(sql);
  const columns = (await reader.columns("log"))!;
  const hasher = new RowHasher(columns.length, columns.length, 2);
  const hashes: [number, Uint8Array][] = [];
  for await (const page of reader.rows("log", columns, { from: 0 })) {
    for (const row of page) hashes.push([row.seq, hasher.hash({ ...row, storedHex: null })]);
  }
  for (const [seq, hash] of hashes) {
    await sql`update public.log set leaf_hash = ${hash} where immutable_seq = ${seq}`;
  }
}

/** ... and so do the blocks and their chain. */
async function resealBlocks(sql: postgres.TransactionSql): Promise<void> {
  const blocks = [];
  for await (const block of (await AuditDatabase.in(sql)).blocks("log")) blocks.push(block);
  const tree = new Tree();
  let prevHash: Buffer = Buffer.alloc(32);
  for (const block of blocks) {
    const rows = await sql<{ leaf_hash: Buffer }[]>`select leaf_hash from public.log
      where immutable_seq between ${block.firstSeq} and ${block.lastSeq} order by immutable_seq`;
    const leaves = rows.map(({ leaf_hash }) => Buffer.from(leaf_hash));
    leaves.forEach((leaf) => tree.append(leaf));
    const changed: Block = { ...block, root: tree.root(), prevHash };
    const rowHash = hashBlock("log", changed);
    await sql`update public.audit_blocks set leaves = ${Buffer.concat(leaves)}, root = ${changed.root},
      frontier = ${Buffer.concat(tree.frontier)}, prev_hash = ${prevHash}, row_hash = ${rowHash}
      where table_name = 'log' and number = ${block.number}`;
    prevHash = rowHash;
  }
}

Deno.test("a rewrite of everything with fresh hashes is seen by the checkpoints, and by nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(seq, async (seq) => {
      const rewrite = async (sql: postgres.TransactionSql) => {
        await sql`update log set note = 'x' where immutable_seq = ${seq}`;
        await refreshLeafHashes(sql);
        await resealBlocks(sql);
      };
      const position = seqs.indexOf(seq);
      const first = position - position % 10;
      assert.deepEqual(await damageAfter(rewrite), [`rewritten position ${first}-${first + 9}`]);
      assert.deepEqual(await damageAfter(rewrite, []), []);
    }),
    { numRuns: 15 },
  );
});

Deno.test("an old backup is seen by the checkpoints, whether the log has grown again or not", async () => {
  const restore = async (sql: postgres.TransactionSql, blocks: number) => {
    await sql`delete from audit_blocks where table_name = 'log' and number > ${blocks}`;
    await sql`delete from log where immutable_seq > ${blocks * 11}`;
  };
  for (const blocks of [0, 1, 4]) {
    assert.deepEqual(await damageAfter((sql) => restore(sql, blocks)), [
      `tail_cut position ${10 * blocks}-49`,
    ]);
  }
  assert.deepEqual(await damageAfter((sql) => restore(sql, 1), []), []);
});

Deno.test("a record of a block that was changed, took another's place or is gone is found", async () => {
  const change = (what: string): Tamper => (sql) =>
    sql.unsafe(`update audit_blocks set ${what} where table_name = 'log' and number = 3`);
  const changes = [
    "root = sha256('')",
    "frontier = sha256('')",
    "leaves = sha256('') || substr(leaves, 33)",
    "prev_hash = sha256('')",
    "row_hash = sha256('')",
    "sealed_at = sealed_at + interval '1 microsecond'",
    "sealed_at = 'infinity'",
    "columns = array['id integer']",
    "voids = '{}'",
    "voids = '{(,)}'",
    "last_seq = last_seq + 1",
    "size = size + 1, rows = rows + 1",
  ];
  for (const what of changes) {
    const found = await damageAfter(async (sql) => {
      const constraints = await sql`select conname from pg_constraint
        where conrelid = 'audit_blocks'::regclass and contype = 'c'`;
      for (const { conname } of constraints) {
        await sql`alter table audit_blocks drop constraint ${sql(conname)}`;
      }
      await change(what)(sql);
    });
    assert.ok(
      found.length > 0 && found.every((damage) => damage.includes("rewritten block")),
      `${what}: ${found}`,
    );
    assert.match(found[0]!, /rewritten block 3-/, what);
  }
  const gone = (numbers: number[]): Tamper => (sql) =>
    sql`delete from audit_blocks where table_name = 'log' and number = any (${numbers})`;
  assert.deepEqual(await damageAfter(gone([1])), ["deleted block 1-1"]);
  assert.deepEqual(await damageAfter(gone([2, 3])), ["deleted block 2-3"]);
  assert.deepEqual(await damageAfter(gone([5])), ["tail_cut position 40-49"]);
});

Deno.test("columns that were added later are no damage; dropped ones and a dropped table are", async () => {
  const add = (sql: postgres.TransactionSql) => sql`alter table log add column added text default 'x'`;
  assert.deepEqual(await damageAfter(add), []);
  assert.deepEqual(
    await damageAfter(async (sql) => {
      await add(sql);
      await sql`update log set note = 'x' where immutable_seq = 7`;
    }),
    ["edited number 7-7"],
  );
  assert.match(
    (await damageAfter((sql) => sql`alter table log drop column note`)).join(),
    /^edited number 1-54/,
  );
  assert.match((await damageAfter((sql) => sql`drop table log`)).join(), /^tail_cut number 1-5\d$/);
});

Deno.test("much damage is told in few lines", async () => {
  const { damage } = await verdictAfter((sql) => sql`update log set note = 'x' where immutable_seq % 2 = 0`);
  assert.equal(damage.reduce((rows, damage) => rows + (damage.rows ?? 0), 0), 26);
  assert.ok(damage.every(({ kind }) => kind === "edited"));
});
