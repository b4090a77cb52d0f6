/** That splits sum exactly, whatever they are, and that a ledger event is allocated once, whoever is at it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 32, onnotice: () => {} });
Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

/** Shares are in units of 10^-12. */
interface Split {
  amount: bigint;
  parts: ({ fixed: bigint } | { share: bigint })[];
}

const ONE = 10n ** 12n;

/** The largest remainder method, by hand. */
function reference({ amount, parts }: Split): bigint[] {
  const whole = amount < 0n ? -amount : amount;
  const fixed = parts.reduce((sum, part) => sum + ("fixed" in part ? part.fixed : 0n), 0n);
  const rest = whole - fixed;
  const result = parts.map((part) => "fixed" in part ? part.fixed : rest * part.share / ONE);
  const byRemainder = parts.flatMap((part, place) =>
    "fixed" in part ? [] : [{ place, remainder: rest * part.share % ONE }]
  ).sort((a, b) => a.remainder === b.remainder ? a.place - b.place : a.remainder < b.remainder ? 1 : -1);
  const leftOver = whole - result.reduce((sum, part) => sum + part, 0n);
  for (const { place } of byRemainder.slice(0, Number(leftOver))) result[place]! += 1n;
  return result.map((part) => amount < 0n ? -part : part);
}

/** JSON by hand, as its numbers must be exact. */
const toJson = ({ parts }: Split) =>
  `[${
    parts.map((part, place) =>
      "fixed" in part
        ? `{"bucket": "b${place}", "amountMinor": ${part.fixed}}`
        : `{"bucket": "b${place}", "share": ${part.share / ONE}.${
          String(part.share % ONE).padStart(12, "0")
        }}`
    ).join()
  }]`;

/** Cuts a whole into pieces of at least 1 where the given numbers fall; nothing remains. */
function cut(whole: bigint, weights: bigint[]): bigint[] {
  const cuts = new Set(weights.map((weight) => weight % whole).filter((place) => place > 0n));
  const edges = [0n, ...[...cuts].sort((a, b) => a < b ? -1 : 1), whole];
  return edges.slice(1).map((edge, index) => edge - edges[index]!);
}

const limit = 2n ** 63n - 1n;
/** Shares that people write, equal ones, and any. */
const shares = fc.oneof(
  fc.constantFrom(
    [7n, 2n, 1n].map((n) => n * ONE / 10n),
    Array(8).fill(ONE / 8n),
    Array(100).fill(ONE / 100n),
    [ONE],
  ),
  fc.array(fc.bigInt(1n, ONE - 1n), { maxLength: 20 }).map((weights) => cut(ONE, weights)),
);
const split: fc.Arbitrary<Split> = fc.tuple(
  fc.oneof(fc.bigInt(0n, 10n), fc.bigInt(0n, 100_000n), fc.bigInt(0n, limit)),
  fc.array(fc.bigInt(0n, limit), { maxLength: 5 }),
  fc.option(shares),
  fc.boolean(),
).map(([whole, weights, shares, negative]) => {
  const pieces = whole === 0n ? [] : cut(whole, weights);
  // With shares, the last piece is what they share.
  const fixed = shares ? pieces.slice(0, -1) : pieces;
  return {
    amount: negative ? -whole : whole,
    parts: [...fixed.map((fixed) => ({ fixed })), ...(shares ?? []).map((share) => ({ share }))],
  };
}).filter(({ parts }) => parts.length > 0 && parts.length <= 100);

Deno.test("10,000 splits are those of the largest remainder method, to the last unit", async () => {
  const splits = fc.sample(split, { numRuns: 10_000, seed: 4 });
  const amounts = splits.map(({ amount }) => String(amount));
  const rows = await sql<{ problem: string | null; amounts: string[]; total: string }[]>`
    select private.allocation_problem(t.amount, t.allocations::jsonb) as problem, s.amounts, s.total::text
    from unnest(${amounts}::bigint[], ${
    splits.map(toJson)
  }::text[]) with ordinality t (amount, allocations, place)
    cross join lateral (
      select array_agg(s.amount_minor::text order by s.place) as amounts, sum(s.amount_minor) as total
      from private.split_amount(t.amount, t.allocations::jsonb) s) s
    order by t.place`;
  equal(rows.length, splits.length);
  rows.forEach((row, index) => {
    const split = splits[index]!;
    deepEqual({ ...row }, {
      problem: null,
      amounts: reference(split).map(String),
      total: String(split.amount),
    }, `${split.amount} by ${toJson(split)}`);
  });
});

const shared = (...shares: number[]) => shares.map((share, place) => ({ bucket: `b${place}`, share }));

async function ledgerEvent(amount: number): Promise<string> {
  const id = randomUUID();
  await sql`insert into ledger_events (id, event_type, account, amount_minor, currency) values (${id}, 'payment.received', 'ada', ${amount}, 'EUR')`;
  return id;
}

async function allocate(ledgerEventId: string, allocations: ReturnType<typeof shared>, ruleId: string) {
  const [row] = await sql`
    select allocate_ledger_event(${ledgerEventId}, ${
    sql.json(allocations)
  }, ${ruleId}, 'e1') -> 'allocations' as parts`;
  return row!.parts as { bucket: string; amountMinor: number }[];
}

Deno.test("32 workers that allocate one ledger event for the same rule and event write one set of rows", async () => {
  const id = await ledgerEvent(1_000);
  const answers = await Promise.all(
    Array.from(
      { length: 32 },
      () => allocate(id, shared(0.333333333333, 0.333333333333, 0.333333333334), "split"),
    ),
  );
  for (const parts of answers) deepEqual(parts.map(({ amountMinor }) => amountMinor), [333, 333, 334]);
  const [row] =
    await sql`select count(*)::int, sum(amount_minor)::int from ledger_allocations where ledger_event_id = ${id}`;
  deepEqual({ ...row }, { count: 3, sum: 1_000 });
});

Deno.test("of 32 rules that allocate one ledger event, each in its own way, one does", async () => {
  const id = await ledgerEvent(-999);
  const results = await Promise.allSettled(
    Array.from(
      { length: 32 },
      (_, n) => allocate(id, shared(...Array(2 ** (n % 4)).fill(1 / 2 ** (n % 4))), `rule-${n}`),
    ),
  );
  equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    ok(result.status === "fulfilled" || result.reason.hint === "allocation.exists", String(result));
  }
  const [row] = await sql`
    select count(distinct rule_id)::int as rules, sum(amount_minor)::int from ledger_allocations where ledger_event_id = ${id}`;
  deepEqual({ ...row }, { rules: 1, sum: -999 });
});

Deno.test("rows that people insert at the same time cannot sum to twice the amount", async () => {
  const id = await ledgerEvent(10);
  const results = await Promise.allSettled(
    Array.from(
      { length: 8 },
      (_, n) =>
        sql`insert into ledger_allocations (ledger_event_id, bucket, amount_minor, currency, rule_id, event_id)
        values (${id}, ${`b${n}`}, 10, 'EUR', 'by hand', 'e1')`,
    ),
  );
  equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});
