/** Proofs that the database gives, held against a tree as simple as RFC 6962 writes it and the product's own verifier. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import {
  type ConsistencyProof,
  type InclusionProof,
  verifyConsistency,
  verifyInclusion,
} from "../../functions/_shared/core/audit/proof.ts";
import {
  base64,
  consistencyProof,
  inclusionProof,
  spoil,
} from "../../functions/_shared/testing/naive-tree.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 4, onnotice: () => {} });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

let tables = 0;

/** An immutable table without rows, of its own for each test. */
async function createLog(): Promise<string> {
  const name = `log_${++tables}`;
  await sql`create table ${sql(name)} (text text)`;
  await sql`select private.make_immutable(${name})`;
  return name;
}

/** Inserts rows, with numbers among them that are rolled back, and seals them as one block. */
async function sealBlock(log: string, rows: number, lost: number): Promise<void> {
  const insert = (db: postgres.ISql, count: number) =>
    db`insert into ${db(log)} (text) select 'row ' || i from generate_series(1, ${count}) i`;
  const some = Math.floor(rows / 2);
  await insert(sql, some);
  const undone = new Error("rolled back");
  await sql.begin(async (transaction) => {
    await insert(transaction, lost);
    throw undone;
  }).catch((error) => assert.equal(error, undone));
  await insert(sql, rows - some);
  await sql`select seal_audit(${log})`;
}

/** The leaf hashes of a log's rows in order, with their numbers. */
async function readRows(log: string): Promise<{ seqs: number[]; leaves: Buffer[] }> {
  const rows = await sql`select immutable_seq, leaf_hash from ${sql(log)} order by immutable_seq`;
  return { seqs: rows.map((row) => Number(row.immutable_seq)), leaves: rows.map((row) => row.leaf_hash) };
}

type Included = InclusionProof & { table: string; seq: number };
type Consistent = ConsistencyProof & { table: string };

async function askInclusion(log: string, seq: number, size: number | null = null): Promise<Included> {
  const [row] = await sql`select audit_inclusion_proof(${log}, ${seq}, ${size}) as proof`;
  return row!.proof;
}

async function askConsistency(
  log: string,
  oldSize: number,
  newSize: number | null = null,
): Promise<Consistent> {
  const [row] = await sql`select audit_consistency_proof(${log}, ${oldSize}, ${newSize}) as proof`;
  return row!.proof;
}

const blocks = fc.array(
  fc.record({ rows: fc.integer({ min: 0, max: 14 }), lost: fc.nat(3) }),
  { minLength: 1, maxLength: 5 },
);

Deno.test("every row is proved in every tree that the log ever had, whatever its blocks and lost numbers", async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.nat(), fc.nat(255), async (sizes, which, bit) => {
      const log = await createLog();
      for (const { rows, lost } of sizes) await sealBlock(log, rows, lost);
      const { seqs, leaves } = await readRows(log);
      const proofs: Included[] = await sql`
        select p.proof from generate_series(1, ${leaves.length}) size, unnest(${seqs}::bigint[]) with ordinality s (seq, place),
          audit_inclusion_proof(${log}, s.seq, size) p (proof)
        where place <= size order by size, place`.then((rows) => rows.map((row) => row.proof));
      for (const proof of proofs) {
        const { position, size } = proof;
        assert.deepEqual(proof, {
          table: log,
          seq: seqs[position],
          ...inclusionProof(position, leaves.slice(0, size)),
        });
        assert.ok(await verifyInclusion(proof));
        assert.equal(await verifyInclusion(spoil(proof, ["root", "leafHash"], which, bit)), false);
      }
      assert.equal(proofs.length, leaves.length * (leaves.length + 1) / 2);
    }),
    { numRuns: 5, examples: [[Array(5).fill({ rows: 14, lost: 1 }), 0, 0]] },
  );
});

Deno.test("every two trees that the log ever had are proved consistent", async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.nat(), fc.nat(255), async (sizes, which, bit) => {
      const log = await createLog();
      for (const { rows, lost } of sizes) await sealBlock(log, rows, lost);
      const { leaves } = await readRows(log);
      const proofs: Consistent[] = await sql`
        select p.proof from generate_series(0, ${leaves.length}) new_size, generate_series(0, new_size) old_size,
          audit_consistency_proof(${log}, old_size, new_size) p (proof)`.then((rows) =>
        rows.map((row) => row.proof)
      );
      for (const proof of proofs) {
        assert.deepEqual(proof, {
          table: log,
          ...consistencyProof(proof.oldSize, leaves.slice(0, proof.newSize)),
        });
        assert.ok(await verifyConsistency(proof));
        if (proof.oldSize > 0) {
          assert.equal(await verifyConsistency(spoil(proof, ["oldRoot", "newRoot"], which, bit)), false);
        }
      }
      assert.equal(proofs.length, (leaves.length + 1) * (leaves.length + 2) / 2);
    }),
    { numRuns: 5, examples: [[Array(5).fill({ rows: 14, lost: 1 }), 0, 0]] },
  );
});

Deno.test("a log of thousands of rows is proved by the stored subtrees, and so it is once its rows are gone", async () => {
  const log = await createLog();
  for (const rows of [1000, 24, 1, 2047, 3000, 70_000, 1500]) await sealBlock(log, rows, rows % 7);
  const { seqs, leaves } = await readRows(log);
  await sql`alter table ${sql(log)} disable trigger user`;
  await sql`delete from ${sql(log)}`;

  const size = fc.oneof(
    fc.constantFrom(1, 1023, 1024, 1025, 2048, 3072, 4096, 65_536, 65_537, leaves.length),
    fc.integer({ min: 1, max: leaves.length }),
  );
  const asked: (Included | Consistent)[] = [];
  await fc.assert(
    fc.asyncProperty(size, fc.nat(), async (size, some) => {
      const included = await askInclusion(log, seqs[some % size]!, size);
      const consistent = await askConsistency(log, 1 + some % size, size);
      assert.ok(await verifyInclusion(included) && await verifyConsistency(consistent));
      assert.equal(included.leafHash, base64(leaves[included.position]!));
      asked.push(included, consistent);
    }),
    { numRuns: 100 },
  );
  // The slow tree once, for the whole log: the others are consistent with it.
  const all = inclusionProof(5_000, leaves);
  assert.deepEqual(await askInclusion(log, seqs[5_000]!), { table: log, seq: seqs[5_000], ...all });
  for (const proof of asked) {
    const [size, root] = "size" in proof ? [proof.size, proof.root] : [proof.newSize, proof.newRoot];
    const whole = await askConsistency(log, size);
    assert.deepEqual([whole.oldRoot, whole.newRoot], [root, all.root]);
    assert.ok(await verifyConsistency(whole));
  }
});

Deno.test("without a size a proof is of all sealed rows, and its roots are those of the blocks", async () => {
  const log = await createLog();
  assert.deepEqual(await askConsistency(log, 0), {
    table: log,
    ...consistencyProof(0, []),
  });
  for (const rows of [3, 0, 5]) await sealBlock(log, rows, 1);
  for (
    const block of await sql`select size, root from audit_blocks where table_name = ${log} order by number`
  ) {
    const proof = await askConsistency(log, Number(block.size));
    assert.equal(proof.oldRoot, base64(block.root));
    assert.equal(proof.newSize, 8);
  }
  assert.equal((await askInclusion(`public.${log}`, 1)).size, 8);
});

async function assertRefused(asked: Promise<unknown>, sqlstate: string, code: string): Promise<void> {
  await assert.rejects(asked, (error: postgres.PostgresError) => {
    assert.deepEqual([error.code, error.hint], [sqlstate, code], error.message);
    return true;
  });
}

Deno.test("what cannot be proved is refused with what is wrong", async () => {
  const log = await createLog();
  await sql`insert into ${sql(log)} (text) values ('not sealed')`;
  await assertRefused(askInclusion(log, 1), "PT409", "audit.not_sealed");
  await sealBlock(log, 4, 2);
  await sql`insert into ${sql(log)} (text) values ('not sealed')`;

  await assertRefused(askInclusion(log, 8), "PT409", "audit.not_sealed");
  for (const seq of [-1, 0, 4, 5, 9, 2 ** 40]) {
    await assertRefused(askInclusion(log, seq), "PT404", "audit.row_unknown");
  }
  await assertRefused(askInclusion(log, null as unknown as number), "PT404", "audit.row_unknown");
  for (const size of [-1, 0, 3, 6, 2 ** 40]) {
    await assertRefused(askInclusion(log, 6, size), "PT422", "audit.range_invalid");
  }
  for (const [oldSize, newSize] of [[-1, 5], [3, 2], [6, null], [1, 6], [0, -1], [null, 5]]) {
    await assertRefused(askConsistency(log, oldSize!, newSize), "PT422", "audit.range_invalid");
  }
  for (const ask of [askInclusion, askConsistency]) {
    await assertRefused(ask("nothing_of_the_kind", 1), "PT404", "audit.table_unknown");
    await assertRefused(ask("settings", 1), "PT422", "audit.not_immutable");
  }
});

Deno.test("with a part of the tree missing nothing is proved", async () => {
  const log = await createLog();
  await sealBlock(log, 2050, 0);
  await sql.begin(async (owner) => {
    await owner`alter table audit_nodes disable trigger audit_nodes_guard`;
    await owner`delete from audit_nodes where table_name = ${log} and level = 10 and index = 0`;
    await owner`alter table audit_nodes enable always trigger audit_nodes_guard`;
  });
  await assertRefused(askInclusion(log, 2000), "PT409", "audit.damaged");
  await assertRefused(askConsistency(log, 1024), "PT409", "audit.damaged");
});
