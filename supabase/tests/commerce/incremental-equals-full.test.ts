/**
 * That looking at what changed finds what looking at everything finds: 10,000 random mutations by eight writers at once,
 * while the invariants run, with transactions that are rolled back and some that commit long after others.
 */
import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type TransactionSql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const { seed } = fc.readConfigureGlobal();
const WRITERS = 8;
const ROUNDS = 5;
const MUTATIONS = 10_000;
const SALES = 200;

const database = await testDatabase();
const sql = postgres(database.url, {
  max: 3 * WRITERS,
  onnotice: () => {},
  // A run that waits for a transaction fails instead of waiting for ever.
  connection: { statement_timeout: 30_000 },
});
Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

/** Own rows are those of the writer's own sales, customers and products, so that writers seldom wait for each other. */
type Mutation = (own: number) => string;

const number = (max: number) => fc.integer({ min: 1, max });
const amount = fc.constantFrom(0, 100, 200, 300);
const status = fc.constantFrom("open", "paid", "cancelled");
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(amount, status, number(20)).map(([total, status, customer]) => (own: number) =>
    `insert into sales (id, customer_id, total_minor, status, currency) overriding system value
     values (${own}, ${customer}, ${total}, '${status}', 'EUR')
     on conflict (id) do update set total_minor = excluded.total_minor, customer_id = excluded.customer_id`
  ),
  status.map((status) => (own: number) => `update sales set status = '${status}' where id = ${own}`),
  number(3).map((more) => (own: number) =>
    `update sales set total_minor = total_minor + 100 * ${more} where id % ${WRITERS} = ${
      own % WRITERS
    } and id < 50`
  ),
  fc.constant((own: number) =>
    `delete from sales s where id = ${own} and not exists (select from payments where sale_id = s.id)
     and not exists (select from invoices where sale_id = s.id)`
  ),
  fc.tuple(number(SALES), number(3), number(20)).map(([sale, quantity, product]) => () =>
    `insert into sale_items (sale_id, product_id, quantity, unit_price_minor) values (${sale}, ${product}, ${quantity}, 100)`
  ),
  number(SALES).map((sale) => (own: number) =>
    `update sale_items set sale_id = ${sale} where sale_id = ${own}`
  ),
  fc.constant((own: number) => `delete from sale_items where sale_id = ${own}`),
  fc.tuple(number(SALES), fc.constantFrom(100, 200, -100), number(20)).map(([sale, paid, customer]) => () =>
    `insert into payments (sale_id, customer_id, amount_minor) select id, ${customer}, ${paid} from sales where id = ${sale}`
  ),
  fc.constant((own: number) => `delete from payments where sale_id = ${own}`),
  fc.tuple(number(SALES), number(60)).map(([sale, invoice]) => () =>
    `insert into invoices (number, sale_id, amount_minor) select 'R-${invoice}', id, 1 from sales where id = ${sale}`
  ),
  number(60).map((invoice) => (own: number) =>
    `update invoices set number = 'R-${invoice}' where sale_id = ${own}`
  ),
  fc.constant((own: number) => `delete from invoices where sale_id = ${own}`),
  fc.option(number(2_000)).map((limit) => (own: number) =>
    `update customers set credit_limit_minor = ${limit} where id = ${own % 20 + 1} and id % ${WRITERS} = ${
      own % WRITERS
    }`
  ),
  // Its own trigger is off, or no stock could ever be wrong.
  fc.tuple(number(20), fc.constantFrom(2, 1, -1, -2)).map(([product, quantity]) => () =>
    `insert into "StockLedger" (id, product_id, kind, quantity, balance_after)
     values (nextval('"StockLedger_id_seq"'), ${product}, 'adjustment', ${quantity}, 0)`
  ),
  number(4).map((stock) => (own: number) =>
    `update products set stock = ${stock} where id = ${own % 20 + 1} and id % ${WRITERS} = ${own % WRITERS}`
  ),
);
const transaction = fc.record({
  mutations: fc.array(fc.tuple(mutation, number(SALES / WRITERS - 1)), { minLength: 1, maxLength: 20 }),
  ends: fc.constantFrom("commit", "commit", "commit", "rollback"),
});
type Transaction = typeof transaction extends fc.Arbitrary<infer T> ? T : never;

/** @returns whether it was committed */
async function run(
  writer: number,
  { mutations, ends }: Transaction,
  beforeEnd?: Promise<void>,
): Promise<boolean> {
  try {
    await sql.begin(async (db: TransactionSql) => {
      // Whoever meets a transaction that commits late gives up.
      await db`set local lock_timeout = '100ms'`;
      for (const [mutation, n] of mutations) await db.unsafe(mutation(n * WRITERS + writer));
      await beforeEnd;
      if (ends === "rollback") await db.unsafe("select 1 / 0");
    });
    return true;
  } catch (error) {
    const expected = ["22012", "55P03", "40P01", "23503"];
    ok(error instanceof postgres.PostgresError && expected.includes(error.code), String(error));
    return false;
  }
}

interface Run {
  mode: string;
  error: unknown;
  opened: number;
  cleared: number;
}

/** Runs every invariant once, each in a transaction of its own. */
async function runInvariants(): Promise<Run[]> {
  const runs: Run[] = [];
  for (const { name } of await sql`select name from invariants order by name`) {
    const [row] = await sql`select run_invariant(${name}, 'incremental') as run`;
    deepEqual(row!.run.error, null, name);
    runs.push(row!.run);
  }
  return runs;
}

async function requireEqualToFull(round: number): Promise<void> {
  for (
    const { name, check_function } of await sql`select name, check_function from invariants order by name`
  ) {
    const full = await sql.unsafe(`select entity, expected, actual from ${check_function}() order by entity`);
    const kept = await sql`
      select entity, expected, actual from invariant_violations
      where invariant = ${name} and cleared_at is null order by entity`;
    deepEqual([...kept], [...full], `${name} in round ${round}, seed ${seed}`);
  }
}

Deno.test("what changed tells as much as everything, whatever commits late or is rolled back", async () => {
  console.log(`seed ${seed}`);
  await sql.unsafe(`
    alter table "StockLedger" disable trigger stock_is_moved;
    insert into products (sku, name, price_minor) select n, 'Tea', 100 from generate_series(1, 20) n;
    insert into customers (name, credit_limit_minor) select n, 1000 from generate_series(1, 20) n`);
  const transactions = takeMutations(fc.sample(transaction, { numRuns: MUTATIONS / 5, seed }));
  const runs = await runInvariants();
  const counts = { committed: 0, rolledBack: 0, late: 0 };
  const count = (committed: boolean) => counts[committed ? "committed" : "rolledBack"]++;

  for (let round = 0; round < ROUNDS; round++) {
    const compared = Promise.withResolvers<void>();
    const late: Promise<boolean>[] = [];
    const mine = (writer: number) =>
      transactions.filter((_, n) => n % ROUNDS === round && (n / ROUNDS | 0) % WRITERS === writer);
    let writing = WRITERS;
    const writers = Promise.all(Array.from({ length: WRITERS }, async (_, writer) => {
      const [first, ...others] = mine(writer);
      late.push(run(writer, first!, compared.promise));
      for (const next of others) count(await run(writer, next));
      writing--;
    }));
    while (writing > 0) runs.push(...await runInvariants());
    await writers;
    runs.push(...await runInvariants());
    await requireEqualToFull(round);
    compared.resolve();
    counts.late += (await Promise.all(late)).filter(Boolean).length;
  }
  runs.push(...await runInvariants());
  await requireEqualToFull(ROUNDS);

  const incremental = runs.filter(({ mode }) => mode === "incremental");
  const found = await sql`select distinct invariant from invariant_violations`;
  console.log(counts, `${incremental.length} of ${runs.length} runs incremental`);
  deepEqual(found.length, 7, "every invariant was violated at some time");
  deepEqual(runs.length - incremental.length, 7, "only the first runs looked at everything");
  ok(incremental.some(({ cleared }) => cleared > 0) && incremental.some(({ opened }) => opened > 0));
  ok(counts.committed > 100 && counts.rolledBack > 100 && counts.late > 0, JSON.stringify(counts));
});

/** The first transactions, of {@link MUTATIONS} mutations in all. */
function takeMutations(transactions: Transaction[]): Transaction[] {
  let left = MUTATIONS;
  return transactions.filter(({ mutations }) => (left -= mutations.length) > -mutations.length);
}
