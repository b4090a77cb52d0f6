/** Sealing beside writers, other sealers and those who interrupt it; each with a connection of its own. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { pipeline } from "node:stream/promises";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { createLog, naiveRoot, problemsOf, seal } from "./sealed-log.ts";

const database = await testDatabase();
const connect = () => postgres(database.url, { max: 1, onnotice: () => {} });
const sql = postgres(database.url, { max: 20, onnotice: () => {} });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

/** Waits for something that another connection brings about. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A connection of its own, closed when it goes out of scope. */
async function session(): Promise<Sql & AsyncDisposable> {
  const connection = connect();
  await connection`select 1`;
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.end({ timeout: 1 }) });
}

/** Retries of one statement after another that fail halfway, as an application has them. */
async function failHalfway(table: string, round: number): Promise<void> {
  const insert = `insert into ${table} (key) values (${round})`;
  if (round % 4 === 0) {
    await sql.begin(async (tx) => {
      await tx.unsafe(insert);
      throw new Error("changed its mind");
    }).catch(() => {});
  } else if (round % 4 === 1) {
    await sql.begin(async (tx) => {
      await tx.savepoint(async (savepoint) => {
        await savepoint.unsafe(insert);
        throw new Error("changed its mind");
      }).catch(() => {});
    });
  } else if (round % 4 === 2) {
    await sql.unsafe(`insert into ${table} (key) values (0) on conflict do nothing`);
  } else {
    await sql.unsafe(`insert into ${table} (key) values (${round}), (-1)`).catch(() => {});
  }
}

Deno.test("a thousand inserts that were rolled back, skipped or refused are no damage", async () => {
  await createLog(sql, "unlucky");
  await sql`insert into unlucky values (0)`;
  const rounds = Array.from({ length: 1000 }, (_, index) => index + 1);
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(async () => {
    for (let round = rounds.pop(); round; round = rounds.pop()) {
      await failHalfway("unlucky", round);
      if (round % 100 === 0) await seal(sql, "unlucky");
    }
  }));
  await sql`insert into unlucky values (2000)`;
  const { size, waiting } = await seal(sql, "unlucky");
  deepEqual([size, waiting], [2, 0]);
  const [{ lost }] = await sql<
    [{ lost: number }]
  >`select sum(upper(v) - lower(v))::int as lost from audit_blocks, unnest(voids) v where table_name = 'unlucky'`;
  equal(lost > 1000, true);
  deepEqual(await problemsOf(sql, "unlucky"), []);
});

Deno.test("200,000 rows of one transaction are sealed in one go, under the tree of all of them", async () => {
  await createLog(sql, "large");
  await sql.begin(async (tx) => {
    await tx`insert into large select n from generate_series(1, 50000) n`;
    await tx.savepoint(async (savepoint) => {
      await savepoint`insert into large select n from generate_series(100001, 130000) n`;
      throw new Error("changed its mind");
    }).catch(() => {});
    await tx`insert into large select n from generate_series(200001, 350000) n`;
  });
  deepEqual(await seal(sql, "large").then(({ sealed, voids }) => [sealed, voids]), [200_000, 30_000]);
  deepEqual(await problemsOf(sql, "large"), []);

  const rows = await sql<
    { leaf: string }[]
  >`select encode(leaf_hash, 'hex') as leaf from large order by immutable_seq`;
  const leaves = rows.map(({ leaf }) => leaf);
  const nodes = await sql<{ level: number; index: string; hash: string }[]>`
    select level, index, encode(hash, 'hex') as hash from audit_nodes where table_name = 'large' order by level, index`;
  const expected = [];
  for (let level = 10; 2 ** level <= leaves.length; level++) {
    for (let index = 0; (index + 1) * 2 ** level <= leaves.length; index++) {
      const hash = naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
      expected.push({ level, index: String(index), hash });
    }
  }
  deepEqual([...nodes], expected);
});

Deno.test("several sealers at once, beside writers, seal each row once", async () => {
  await createLog(sql, "crowded");
  let key = 0;
  let writing = true;
  const writers = [1, 2, 3, 4, 5, 6, 7, 8].map(async () => {
    for (let i = 0; i < 150; i++) {
      await sql.begin(async (tx) => {
        await tx`insert into crowded values (${++key})`;
        await tx`insert into crowded values (${++key})`;
        if (i % 5 === 0) throw new Error("changed its mind");
      }).catch(() => {});
    }
  });
  const sealers = [1, 2, 3, 4].map(async () => {
    while (writing) await seal(sql, "crowded");
  });
  await Promise.all(writers);
  writing = false;
  await Promise.all(sealers);
  deepEqual(await seal(sql, "crowded").then(({ size, waiting }) => [size, waiting]), [8 * 120 * 2, 0]);
  deepEqual(await problemsOf(sql, "crowded"), []);
});

Deno.test("sealing that is interrupted leaves nothing behind, and is made up for", async () => {
  await createLog(sql, "interrupted");
  await sql`insert into interrupted select n from generate_series(1, 70000) n`;
  await using blocker = await session();
  await using sealer = await session();
  const [{ pid }] = await sealer<[{ pid: number }]>`select pg_backend_pid() as pid`;
  await blocker`begin`;
  await blocker`lock table audit_nodes in exclusive mode`;
  const sealing = rejects(seal(sealer, "interrupted"));
  await until(async () => (await sql`select from pg_locks where pid = ${pid} and not granted`).length > 0);
  await sql`select pg_terminate_backend(${pid})`;
  await sealing;
  await blocker`rollback`;
  equal((await sql`select from audit_blocks where table_name = 'interrupted'`).length, 0);
  equal((await seal(sql, "interrupted")).sealed, 70_000);
  deepEqual(await problemsOf(sql, "interrupted"), []);
});

Deno.test("who writes does not wait for sealing, nor sealing for who writes", async () => {
  await createLog(sql, "unhindered");
  await sql`insert into unhindered values (1)`;
  await using sealer = await session();
  await using writer = await session();
  await sealer`begin`;
  equal((await seal(sealer, "unhindered")).sealed, 1);
  await writer`set lock_timeout = '5s'`;
  await writer`begin`;
  await writer`insert into unhindered values (2)`;
  await sealer`commit`;
  await sealer`set lock_timeout = '5s'`;
  deepEqual(await seal(sealer, "unhindered").then(({ sealed, waiting }) => [sealed, waiting]), [0, 1]);
  await writer`commit`;
  equal((await seal(sealer, "unhindered")).sealed, 1);
  deepEqual(await problemsOf(sql, "unhindered"), []);
});

Deno.test("sealing needs a transaction that sees what was committed until now", async () => {
  await createLog(sql, "isolated");
  for (const level of ["repeatable read", "serializable"]) {
    const refused = sql.begin(`isolation level ${level}`, (tx) => tx`select seal_audit('isolated')`);
    await rejects(refused, { code: "PT422", hint: "audit.isolation" });
  }
});

Deno.test("a table that cannot be sealed does not keep the others from it, and says why", async () => {
  for (const name of ["a_dropped", "b_set_back", "c_sound"]) {
    await createLog(sql, name);
    await sql.unsafe(`insert into ${name} values (1), (2)`);
    await seal(sql, name);
    await sql.unsafe(`insert into ${name} values (3)`);
  }
  await sql`drop table a_dropped`;
  await sql`select setval('b_set_back_immutable_seq', 1)`;
  const [{ sealed }] = await sql<
    [{ sealed: Record<string, unknown>[] }]
  >`select jsonb_path_query_array(seal_audit(), '$[*] ? (@.table like_regex "^[abc]_")') as sealed`;
  deepEqual(sealed.map(({ table, sealed, error }) => [table, sealed ?? error]), [
    [
      "a_dropped",
      "Table a_dropped is gone, so nothing of it can be sealed. Give it its name back, or restore it.",
    ],
    [
      "b_set_back",
      "Sequence public.b_set_back_immutable_seq was set back, or no longer gives its numbers one by one, so rows of b_set_back could take " +
      "numbers that are sealed. Call private.make_immutable('b_set_back'), which mends it.",
    ],
    ["c_sound", 1],
  ]);
  await sql`select private.make_immutable('b_set_back')`;
  equal((await seal(sql, "b_set_back")).size, 3);
  deepEqual(await problemsOf(sql, "b_set_back"), []);
});

Deno.test("no session keeps numbers in advance, to use them after they were sealed as void", async () => {
  await createLog(sql, "hoarded");
  await using hoarder = await session();
  await sql`alter sequence hoarded_immutable_seq cache 50`;
  await hoarder`insert into hoarded values (1)`;
  await sql`insert into hoarded values (2)`;
  await rejects(seal(sql, "hoarded"), { code: "PT409", hint: "audit.sequence_unsuitable" });
  await sql`select private.make_immutable('hoarded')`;
  equal((await seal(sql, "hoarded")).sealed, 2);
  await hoarder`insert into hoarded values (3)`;
  equal((await seal(sql, "hoarded")).sealed, 1);
  deepEqual(await problemsOf(sql, "hoarded"), []);
});

Deno.test("a number that was taken by hand is void, whenever it was taken", async () => {
  await createLog(sql, "by_hand");
  await using person = await session();
  await person`begin isolation level repeatable read`;
  await person`select count(*) from by_hand`;
  const [{ number }] = await person<
    [{ number: string }]
  >`select nextval('by_hand_immutable_seq') as number`;
  equal((await seal(sql, "by_hand")).voids, 1);
  const refused = person`insert into by_hand (key, immutable_seq) values (1, ${number})`;
  await rejects(refused, { code: "PT422", hint: "audit.number_given" });
  await person`rollback`;
  deepEqual(await problemsOf(sql, "by_hand"), []);
});

Deno.test("rows that are copied in are numbered, hashed and sealed", async () => {
  await createLog(sql, "copied");
  await sql.begin(async (tx) => {
    await pipeline(["1\n2\n3\n"], await tx`copy copied (key) from stdin`.writable());
  });
  deepEqual(await seal(sql, "copied").then(({ sealed, waiting }) => [sealed, waiting]), [3, 0]);
  deepEqual(await problemsOf(sql, "copied"), []);
});

Deno.test("a gap of millions of numbers is sealed over several calls", async () => {
  await createLog(sql, "jumped");
  await sql`insert into jumped values (1)`;
  await sql`select setval('jumped_immutable_seq', 20000000)`;
  await sql`insert into jumped values (2)`;
  const first = await seal(sql, "jumped");
  deepEqual([first.size, first.waiting], [1, 20_000_001 - 256 * 65_536]);
  const second = await seal(sql, "jumped");
  deepEqual([second.size, second.waiting], [2, 0]);
  const [{ verdict }] = await sql<
    [{ verdict: { valid: boolean } }]
  >`select verify_audit_integrity('jumped') as verdict`;
  equal(verdict.valid, true);
});

Deno.test("an empty table has the root of an empty tree, and sealing nothing makes no block", async () => {
  await createLog(sql, "empty");
  const { size, root } = await seal(sql, "empty");
  deepEqual([size, root], [0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]);
  await sql`insert into empty values (1)`;
  await seal(sql, "empty");
  await seal(sql, "empty");
  equal((await sql`select from audit_blocks where table_name = 'empty'`).length, 1);
});

Deno.test("a table that is unknown, or not immutable, is not sealed", async () => {
  await rejects(seal(sql, "nothing"), { code: "PT404", hint: "audit.table_unknown" });
  await rejects(seal(sql, "integrations_master"), { code: "PT422", hint: "audit.not_immutable" });
});
