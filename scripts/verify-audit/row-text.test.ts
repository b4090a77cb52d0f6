import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../testing/stack.ts";
import { AuditDatabase } from "./database.ts";
import { rowText } from "./row-text.ts";
import { verifyTable } from "./verify-table.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {}, prepare: false, fetch_types: false });
await sql.unsafe(`
  create type mood as enum ('', 'so so', '"great"');
  create type pair as (a text, b numeric);
  create domain code as text check (length(value) < 1000);`);

const digits = (count: number) => fc.stringMatching(new RegExp(`^-?[0-9]{1,${count}}$`));
const nasty = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."a\"\\(),'{} \t\n\v\f\r\b\u00a0\u0085\u2028é😀") }),
  fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "")),
  fc.constantFrom("", "NULL", "\\N", "\\x", '""'),
);
const time = fc.date({ min: new Date("0001-01-02Z"), max: new Date("9999-12-30Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
/** Columns, and texts that their types read. */
const types: Record<string, fc.Arbitrary<string>> = {
  text: nasty,
  "varchar(20)": nasty.map((text) => [...text].slice(0, 20).join("")),
  "char(5)": fc.constantFrom("", "a", "ab ", "a,b"),
  '"char"': fc.constantFrom("a", " ", ","),
  name: fc.constantFrom("a", "A b", ""),
  boolean: fc.constantFrom("true", "false"),
  smallint: digits(4),
  bigint: digits(18),
  numeric: fc.oneof(
    digits(60),
    digits(9).map((n) => `${n}.10`),
    fc.constantFrom("NaN", "Infinity", "-0.00", "1e-30"),
  ),
  real: fc.oneof(fc.float({ noNaN: true }).map(String), fc.constantFrom("NaN", "-Infinity", "-0")),
  "double precision": fc.oneof(
    fc.double({ noNaN: true }).map(String),
    fc.constantFrom("NaN", "Infinity", "-0"),
  ),
  money: digits(8).map((n) => `${n}.05`),
  timestamptz: fc.oneof(time, fc.constantFrom("infinity", "-infinity", "0044-03-15 12:00:00+00 BC")),
  timestamp: time,
  date: fc.oneof(time.map((time) => time.slice(0, 10)), fc.constantFrom("infinity", "4713-01-01 BC")),
  timetz: fc.constantFrom("12:34:56.789+05:30", "00:00:00-12"),
  interval: fc.constantFrom("1 year -2 mons 3 days -04:05:06.789", "0", "-1 day", "1000000 hours"),
  bytea: fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`),
  uuid: fc.uuid(),
  json: fc.jsonValue().map((value) => JSON.stringify(value, null, 1)),
  jsonb: fc.jsonValue().map((value) => JSON.stringify(value)),
  xml: fc.constantFrom("<a b='c'>d</a>", "text"),
  inet: fc.constantFrom("192.0.2.1", "192.0.2.0/24", "::1"),
  cidr: fc.constantFrom("192.0.2.0/24"),
  point: fc.constantFrom("(1.1,-2)"),
  int8multirange: fc.constantFrom("{}", "{[1,5),[7,9)}"),
  tstzrange: fc.constantFrom("empty", "[2020-01-01 00:00+02,)"),
  "bit varying": fc.constantFrom("", "101"),
  tsvector: fc.constantFrom("'a b':1 c:2,3A"),
  regclass: fc.constantFrom("pg_class", "public.audit_log"),
  mood: fc.constantFrom("", "so so", '"great"'),
  code: nasty,
  pair: fc.constantFrom('("a ""b"",",1.10)', "(,)", '("",)'),
  "integer[]": fc.constantFrom("{}", "{1,NULL,3}", "[0:1]={1,2}", "{{1,2},{3,4}}"),
  "bytea[]": fc.constantFrom('{"\\\\x00ff",NULL}'),
  "pair[]": fc.constantFrom('{"(\\"a b\\",1.10)","(,)"}'),
};
const value = (arbitrary: fc.Arbitrary<string>) =>
  fc.option(arbitrary.map((text) => text.toWellFormed()), { freq: 6 });
const rows = fc.array(fc.tuple(...Object.values(types).map(value)), { minLength: 10, maxLength: 30 });

const columns = Object.keys(types).map((type, i) => `"c,${i}" ${type}`).join(", ");
const placeholders = Object.keys(types).map((type, i) => `$${i + 1}::text::${type}`).join(", ");

async function insert(sql: postgres.ISql, table: string, values: (string | null)[][]): Promise<void> {
  const names = Object.keys(types).map((_, i) => `"c,${i}"`).join(", ");
  for (const row of values) {
    await sql.unsafe(`insert into public.${table} (${names}) values (${placeholders})`, row);
  }
}

Deno.test("the leaf text is PostgreSQL's own text of the row, for every type and value", async () => {
  await sql.unsafe(`create table public.samples (
    ${columns}, immutable_seq bigint generated always as identity, leaf_hash bytea)`);
  await fc.assert(
    fc.asyncProperty(rows, async (values) => {
      await sql.begin(async (transaction) => {
        await insert(transaction, "samples", values);
        const reader = await AuditDatabase.in(transaction);
        const columns = (await reader.columns("samples"))!;
        const texts: string[] = [];
        for await (const page of reader.rows("samples", columns, { from: 1 })) {
          texts.push(...page.map(({ fields }) => rowText(fields)));
        }
        const expected =
          await transaction`select s::text as text from public.samples s order by immutable_seq`;
        assert.deepEqual(texts, expected.map(({ text }) => text));
        assert.equal(texts.length, values.length);
        await transaction`truncate public.samples`;
      });
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

Deno.test("honest rows are sound, whatever their types and the writer's session", async () => {
  await sql.unsafe(`create table public.honest (
    id integer generated always as identity, ${columns}, doubled integer generated always as (id * 2) stored);
    select private.make_immutable('public.honest')`);
  const sessions = [
    ["TimeZone", "Asia/Kolkata"],
    ["DateStyle", "German, dmy"],
    ["IntervalStyle", "postgres_verbose"],
    ["extra_float_digits", "-15"],
    ["bytea_output", "escape"],
    ["lc_monetary", "POSIX"],
    ["search_path", "pg_catalog, public"],
  ];
  let expected = 0;
  await fc.assert(
    fc.asyncProperty(rows, fc.subarray(sessions), async (values, session) => {
      await sql.begin(async (transaction) => {
        for (const [name, value] of session) await transaction`select set_config(${name!}, ${value!}, true)`;
        await transaction.unsafe("set local search_path = public, pg_catalog");
        await insert(transaction, "honest", values);
      });
      expected += values.length;
      await sql`select public.seal_audit('honest')`;
    }),
    { numRuns: 40, endOnFailure: true },
  );
  const verdict = await sql.begin(async (transaction) =>
    verifyTable(await AuditDatabase.in(transaction), "honest", true, [])
  );
  assert.deepEqual([verdict.damage, verdict.rows], [[], expected]);
});

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});
