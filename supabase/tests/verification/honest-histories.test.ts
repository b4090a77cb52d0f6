/**
 * Nothing that an honest application does looks like tampering: random histories of several connections, with values of
 * every type under all kinds of session settings, are sound whenever they are verified, under whatever settings.
 */
import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type ReservedSql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { columns, literal, settings } from "./values.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 6, onnotice: () => {} });
await sql.unsafe(`
  create type public.mood as enum ('good', 'so, so', 'bad "and" worse');
  create type public.pair as (a integer, b text);
  create domain public.short_text as text check (length(value) < 100);
  create table public.honest (
    id bigint unique, ${columns.map(({ name, type }) => `${name} ${type}`).join(", ")},
    doubled integer generated always as (an_integer / 2) stored
  );
  select private.make_immutable('public.honest');
  insert into public.honest (id) values (1);`).simple();
const writers = await Promise.all([sql.reserve(), sql.reserve(), sql.reserve()]);
const reader = await sql.reserve();

Deno.test.afterAll(async () => {
  for (const connection of [...writers, reader]) connection.release();
  await sql.end();
  await database.stop();
});

/** What a connection does next. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("insert" as const),
      rows: fc.array(fc.record(values()), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant("conflict" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("begin" as const),
      isolation: fc.constantFrom("read committed", "repeatable read", "serializable"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constantFrom("savepoint" as const, "rollback to" as const, "fail" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constantFrom("commit" as const, "rollback" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("set" as const), setting: fc.constantFrom(...settings) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant("seal" as const) }) },
);
const history = fc.array(fc.record({ writer: fc.nat(2), step }), { minLength: 5, maxLength: 20 });

function values() {
  return Object.fromEntries(columns.map(({ name, value }) => [name, fc.option(value, { freq: 6 })]));
}

interface Verdict {
  valid: boolean;
  size: number;
  rows: number;
  lastBlock: number;
}

async function verify(firstBlock: number): Promise<Verdict> {
  const [row] = await reader`select public.verify_audit_integrity('honest', ${firstBlock}) as verdict`;
  return row!.verdict;
}

/** No step may wait for another connection's transaction: the steps come one after the other. So 1 is committed above. */
let nextId = 2;
let verifications = 0;

/** A connection of the application: knows whether it is in a transaction, as an application does. */
class Writer {
  inTransaction = false;
  hasSavepoint = false;
  constructor(readonly db: ReservedSql) {}

  async does(step: typeof history extends fc.Arbitrary<{ step: infer S }[]> ? S : never): Promise<void> {
    switch (step.does) {
      case "insert":
        return await this.run(insert(step.rows.map((row) => ({ id: nextId++, ...row }))));
      case "conflict":
        return await this.run(
          `insert into public.honest (id) values (1), (${nextId++}) on conflict do nothing`,
        );
      case "begin":
        if (!this.inTransaction) await this.run(`begin isolation level ${step.isolation}`);
        this.inTransaction = true;
        return;
      case "savepoint":
      case "rollback to":
        if (!this.inTransaction || (step.does === "rollback to" && !this.hasSavepoint)) return;
        this.hasSavepoint = true;
        return await this.run(`${step.does} here`);
      case "fail":
        await this.db.unsafe(
          "insert into public.honest (id) select -n / (3 - n) from generate_series(1, 3) n",
        )
          .catch(() => {});
        return this.inTransaction ? await this.end("rollback") : undefined;
      case "commit":
      case "rollback":
        return await this.end(step.does);
      case "set":
        return await this.run(step.setting);
      case "seal":
        await sql`select public.seal_audit('honest')`;
    }
  }

  async end(how: "commit" | "rollback"): Promise<void> {
    // A serializable transaction may be refused: its rows are then as if they had never been.
    if (this.inTransaction) await this.db.unsafe(how).catch(() => this.db`rollback`);
    this.inTransaction = this.hasSavepoint = false;
  }

  private async run(text: string): Promise<void> {
    await this.db.unsafe(text).simple();
  }
}

function insert(rows: Record<string, string | number | null>[]): string {
  const names = Object.keys(rows[0]!);
  const tuples = rows.map((row) =>
    `(${names.map((name) => row[name] == null ? "null" : literal(row[name])).join(", ")})`
  );
  return `insert into public.honest (${names.join(", ")}) values ${tuples.join(", ")}`;
}

Deno.test("no honest history looks like damage, whoever writes, seals and verifies at the same time", async () => {
  let verifiedBlock = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.noShrink(history),
      fc.noShrink(fc.constantFrom(...settings)),
      async (past, setting) => {
        const team = writers.map((db) => new Writer(db));
        for (const { writer, step } of past) {
          await team[writer]!.does(step);
          if (step.does === "seal") {
            const verdict = await verify(verifiedBlock + 1);
            ok(verdict.valid, JSON.stringify(verdict));
            verifiedBlock = verdict.lastBlock;
            verifications++;
          }
        }
        for (const writer of team) await writer.end("commit");
        await reader.unsafe(setting).simple();
        const verdict = await verify(verifiedBlock + 1);
        ok(verdict.valid, JSON.stringify(verdict));
        verifications++;
      },
    ),
    { numRuns: 1000 },
  );
  await sql`select public.seal_audit('honest')`;
  await sql`select public.seal_audit('honest')`;
  const verdict = await verify(1);
  ok(verdict.valid, JSON.stringify(verdict));
  const [{ rows }] = await sql<[{ rows: number }]>`select count(*)::int as rows from public.honest`;
  deepEqual([verdict.size, verdict.rows], [rows, rows], "every row was sealed once");
  ok(verifications > 2000, `${verifications} verifications`);
});

Deno.test("columns that are added later, with and without defaults, leave the rows before them sound", async () => {
  await sql.unsafe(
    "create table public.growing (id integer); select private.make_immutable('public.growing')",
  ).simple();
  const isSound = async () => {
    const [row] = await reader`select public.verify_audit_integrity('growing') ->> 'valid' as valid`;
    return row!.valid === "true";
  };
  const types = [
    "integer",
    "integer default 7",
    `text default 'x, "y"'`,
    "timestamptz default now()",
    "uuid default gen_random_uuid()",
    "jsonb",
  ];
  for (const [index, type] of types.entries()) {
    await sql`insert into public.growing (id) values (1)`;
    if (index % 2) await sql`select public.seal_audit('growing')`;
    await sql`insert into public.growing (id) values (2)`;
    await sql.unsafe(`alter table public.growing add column later_${index} ${type}`);
    await sql`insert into public.growing (id) values (3)`;
    ok(await isSound(), `${type}, before it is sealed`);
  }
  await sql`select public.seal_audit('growing')`;
  ok(await isSound());
});
