/** Values of every type that a table may have, as PostgreSQL reads them, and settings that change how it writes them. */
import fc from "fast-check";

/** A value as an SQL literal. */
export function literal(value: string | number): string {
  return typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`;
}

/** Text that is hard to quote; PostgreSQL has no zero character. */
const text = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "null",
    "NULL",
    '"',
    '""',
    "\\",
    "\\\\",
    "(",
    ")",
    ",",
    "\t\n\v\f\r",
    "'",
    "{}",
    "ä€😀",
    "\u00a0",
  ),
  fc.string({ unit: fc.constantFrom(...'ab ,"\\(){}\n\t'.split(""), "é", "語"), maxLength: 12 }),
);
const element = (value: string) => `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
const array = (values: fc.Arbitrary<string>) =>
  fc.array(values, { maxLength: 3 }).map((list) => `{${list.map(element).join(",")}}`);
const integer = fc.integer().map(String);
const day = fc.integer({ min: 1, max: 28 }).map((n) => `2024-03-${String(n).padStart(2, "0")}`);
const time = fc.integer({ min: 0, max: 86_399_999_999 }).map((n) =>
  `${String(Math.floor(n / 3_600_000_000)).padStart(2, "0")}:30:15.${String(n % 1_000_000).padStart(6, "0")}`
);
const float = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc.constantFrom("NaN", "Infinity", "-Infinity", "-0", "1e-300", "0.1"),
);

/** The columns, each with values it can hold. */
export const columns: { name: string; type: string; value: fc.Arbitrary<string> }[] = [
  { name: "a_text", type: "text", value: text },
  { name: "a_domain", type: "public.short_text", value: text },
  { name: "a_char", type: "char(5)", value: fc.constantFrom("", "a", "a b", "äö") },
  { name: "an_integer", type: "integer", value: integer },
  { name: "a_smallint", type: "smallint", value: fc.integer({ min: -32768, max: 32767 }).map(String) },
  {
    name: "a_numeric",
    type: "numeric",
    value: fc.constantFrom("NaN", "Infinity", "-Infinity", "0", "0.00", "-1.50", "1e100", "1e-100"),
  },
  {
    name: "a_price",
    type: "numeric(12, 2)",
    value: fc.integer({ min: -1e9, max: 1e9 }).map((n) => String(n / 100)),
  },
  { name: "a_double", type: "double precision", value: float },
  { name: "a_real", type: "real", value: fc.constantFrom("0.1", "3.4e38", "1e-45", "NaN", "-Infinity") },
  { name: "some_money", type: "money", value: fc.constantFrom("12.34", "-5", "1000000") },
  { name: "a_boolean", type: "boolean", value: fc.constantFrom("true", "false") },
  {
    name: "an_instant",
    type: "timestamptz",
    value: fc.oneof(
      fc.tuple(day, time).map(([d, t]) => `${d} ${t}+05:30`),
      fc.constantFrom("infinity", "-infinity", "0044-03-15 12:00:00 BC"),
    ),
  },
  { name: "a_date", type: "date", value: fc.oneof(day, fc.constantFrom("infinity", "-infinity")) },
  { name: "a_time", type: "time", value: time },
  { name: "a_zoned_time", type: "timetz", value: time.map((t) => `${t}-03:30`) },
  {
    name: "an_interval",
    type: "interval",
    value: fc.constantFrom("1 year -2 days", "00:00:00", "P1Y2M3DT4H5M6.789S", "-1 mon 3.000001 s"),
  },
  {
    name: "some_bytes",
    type: "bytea",
    value: fc.uint8Array({ maxLength: 8 }).map((b) =>
      `\\x${[...b].map((n) => n.toString(16).padStart(2, "0")).join("")}`
    ),
  },
  {
    name: "a_document",
    type: "jsonb",
    value: fc.json(),
  },
  { name: "a_json", type: "json", value: fc.constantFrom('{"b" : 1,  "a": [1, null]}', '" "', "null") },
  { name: "some_texts", type: "text[]", value: array(text) },
  {
    name: "some_numbers",
    type: "integer[]",
    value: fc.constantFrom("{}", "{1,NULL}", "{{1,2},{3,4}}", "[2:3]={5,6}"),
  },
  { name: "a_mood", type: "public.mood", value: fc.constantFrom("good", "so, so", 'bad "and" worse') },
  { name: "some_moods", type: "public.mood[]", value: fc.constant('{good,"so, so"}') },
  { name: "a_pair", type: "public.pair", value: fc.constantFrom("(1,)", '(,"a, \\"b\\"")', "(,)") },
  { name: "an_id", type: "uuid", value: fc.uuid() },
  { name: "an_address", type: "inet", value: fc.constantFrom("127.0.0.1", "10.0.0.0/8", "::1") },
  {
    name: "a_range",
    type: "tstzrange",
    value: fc.constantFrom("empty", "[2024-03-01 00:00:00+00,)", "(,infinity]"),
  },
  { name: "a_point", type: "point", value: fc.constantFrom("(0.1,-2)", "(1e-300,1e300)") },
  { name: "some_bits", type: "bit varying", value: fc.constantFrom("", "0101") },
  { name: "some_words", type: "tsvector", value: fc.constantFrom("a fat cat", "'it''s':1A") },
];

/** Statements that change how a session reads and writes values. */
export const settings = [
  "set timezone = 'Asia/Kathmandu'",
  "set timezone = 'America/St_Johns'",
  "set datestyle = 'German, DMY'",
  "set datestyle = 'SQL, MDY'",
  "set intervalstyle = 'postgres_verbose'",
  "set intervalstyle = 'sql_standard'",
  "set extra_float_digits = -15",
  "set extra_float_digits = 3",
  "set bytea_output = 'escape'",
  "set client_encoding = 'LATIN1'",
  "set client_encoding = 'UTF8'",
  "set search_path = 'pg_catalog'",
  "set quote_all_identifiers = on",
  "set standard_conforming_strings = on",
  "reset all",
];
