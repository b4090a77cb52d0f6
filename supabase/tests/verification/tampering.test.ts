/**
 * Whoever owns the tables can turn their triggers off and change anything. In thousands of random cases, on random logs,
 * each kind of change is found and called by its name, with the numbers of the rows it touched.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type TransactionSql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { type Attack, attacks, type Log, type Place } from "./attacks.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

interface Verdict {
  valid: boolean;
  gaps: number[];
  damage: { kind: string; firstSeq: number; lastSeq: number; rows: number; block: number | null }[];
}

/** A history: rows inserted and rolled back, then sealed as one block, several times; `unsealed` rows come last. */
const history = fc.record({
  blocks: fc.array(
    fc.array(fc.record({ rows: fc.integer({ min: 0, max: 6 }), kept: fc.boolean() }), { maxLength: 4 }),
    { minLength: 1, maxLength: 5 },
  ),
  unsealed: fc.integer({ min: 0, max: 4 }),
});

/** Builds a log by a history; what it then consists of. */
async function build(
  db: TransactionSql,
  { blocks, unsealed }: typeof history extends fc.Arbitrary<infer T> ? T : never,
) {
  await db.unsafe(`
    create table public.log (id uuid primary key default gen_random_uuid(), name text not null default md5(random()::text), amount bigint,
      details jsonb not null default '{"a": 1}', at timestamptz not null default clock_timestamp());
    select private.make_immutable('public.log');`).simple();
  for (const [index, steps] of blocks.entries()) {
    for (const { rows, kept } of [...steps, { rows: index === 0 ? 1 : 0, kept: true }]) {
      await db.unsafe(
        `savepoint step; insert into public.log (amount) select n from generate_series(1, ${rows}) n;
        ${kept ? "release" : "rollback to"} savepoint step`,
      ).simple();
    }
    await db`select public.seal_audit('log')`;
  }
  await db.unsafe(`insert into public.log (amount) select n from generate_series(1, ${unsealed}) n`);
  const [state] = await db<[Log]>`
    select array(select immutable_seq::int from public.log order by 1) as rows,
      (select max(last_seq)::int from public.audit_blocks where table_name = 'log') as "sealedSeq",
      array(select n::int from public.audit_blocks b, unnest(b.voids) v, generate_series(lower(v), upper(v) - 1) n where b.table_name = 'log' order by 1) as voids,
      (select jsonb_agg(jsonb_build_object('number', b.number, 'firstSeq', b.first_seq, 'lastSeq', b.last_seq, 'size', b.size) order by b.number)
       from public.audit_blocks b where b.table_name = 'log') as blocks,
      private.leaf_expression('public.log') as "leafExpression", public.audit_head('log') as head, (select last_value::int from public.log_immutable_seq) as "lastNumber"`;
  return state;
}

async function verify(db: TransactionSql, checkpoint: Log["head"] | null): Promise<Verdict> {
  const [row] = await db`select public.verify_audit_integrity('log', p_checkpoint => ${
    checkpoint && db.json(checkpoint as never)
  }) as verdict`;
  return row!.verdict;
}

/** The findings as `kind first-last`, in order. */
function named({ damage }: Verdict): string[] {
  return damage.map(({ kind, firstSeq, lastSeq }) => `${kind} ${firstSeq}-${lastSeq}`).sort();
}

function expected({ damage }: Attack): string[] {
  return damage.map(({ kind, first, last }) => `${kind} ${first}-${last}`).sort();
}

const counts = new Map<string, number>();

async function attackOnce(db: TransactionSql, log: Log, name: string, places: Place[]): Promise<void> {
  const attack = attacks[name]!(log, places);
  if (!attack) return;
  await db`savepoint attack`;
  await db.unsafe(attack.sql).simple();
  const verdict = await verify(db, attack.needsCheckpoint ? log.head : null);
  const context = `${name}: ${attack.sql}\n${JSON.stringify({ log, verdict })}`;
  equal(verdict.valid, false, `not found: ${context}`);
  deepEqual(named(verdict), expected(attack), context);
  if (attack.gaps) deepEqual(verdict.gaps, attack.gaps, context);
  // A rollback does not reach sequences.
  await db`rollback to savepoint attack`;
  await db`select setval('public.log_immutable_seq', ${log.lastNumber})`;
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

Deno.test("every kind of tampering is found and called by its name, whatever the log looks like", async () => {
  const names = Object.keys(attacks);
  const place = fc.record({ at: fc.nat(), what: fc.nat() });
  const cases = fc.array(
    fc.record({ name: fc.constantFrom(...names), places: fc.array(place, { minLength: 3, maxLength: 3 }) }),
    {
      minLength: 20,
      maxLength: 20,
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.noShrink(history), fc.noShrink(cases), async (past, attempts) => {
      const rolledBack = new Error("The log was needed for these attacks only.");
      await sql.begin(async (db) => {
        const log = await build(db, past);
        ok((await verify(db, log.head)).valid, "the log is sound before");
        await db.unsafe(
          "alter table public.log disable trigger user; alter table public.audit_blocks disable trigger user",
        ).simple();
        for (const { name, places } of attempts) await attackOnce(db, log, name, places);
        ok((await verify(db, log.head)).valid, "the log is sound when everything was taken back");
        throw rolledBack;
      }).catch((error) => {
        if (error !== rolledBack) throw error;
      });
    }),
    { numRuns: 200 },
  );
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  ok(total > 3000, `${total} cases`);
  deepEqual([...counts.keys()].sort(), names.sort(), "every kind was tried");
});
