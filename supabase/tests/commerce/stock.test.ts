/** That what is not there cannot be sold, however many sell it at once. */
import { deepEqual, equal, ok } from "node:assert/strict";
import postgres, { type ISql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const CONNECTIONS = 32;
const database = await testDatabase();
const sql = postgres(database.url, { max: CONNECTIONS, onnotice: () => {} });
Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

async function product(stock: number): Promise<string> {
  const [row] = await sql`
    insert into products (sku, name, price_minor) values (gen_random_uuid(), 'Tea', 100) returning id`;
  await sql`insert into "StockLedger" (product_id, kind, quantity) values (${row!.id}, 'receipt', ${stock})`;
  return row!.id;
}

/** Sells one by one on all connections; how many were sold. */
async function sell(id: string, timesEach: number, isolation: string): Promise<number> {
  let sold = 0;
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    const db = await sql.reserve();
    await db.unsafe(`set session characteristics as transaction isolation level ${isolation}`);
    for (let n = 0; n < timesEach; n++) {
      try {
        await db`insert into "StockLedger" (product_id, kind, quantity) values (${id}, 'sale', -1)`;
        sold++;
      } catch (error) {
        ok(error instanceof postgres.PostgresError, String(error));
        // Postgres refuses what it cannot put in order; the seller may try again.
        ok(error.hint === "stock.negative" || error.code === "40001", String(error));
      }
    }
    await db.unsafe("set session characteristics as transaction isolation level read committed");
    db.release();
  }));
  return sold;
}

Deno.test("32 connections that sell 320 of 100 pieces sell 100", async () => {
  const id = await product(100);
  equal(await sell(id, 10, "read committed"), 100);
  const [row] = await sql`
    select p.stock::int, (select array_agg(m.balance_after::int order by m.id) from "StockLedger" m where m.product_id = p.id) as balances
    from products p where p.id = ${id}`;
  deepEqual({ ...row }, { stock: 0, balances: Array.from({ length: 101 }, (_, sold) => 100 - sold) });
});

for (const isolation of ["repeatable read", "serializable"]) {
  Deno.test(`in ${isolation} no more than there is is sold, and the stock stays that of the movements`, async () => {
    const id = await product(20);
    const sold = await sell(id, 5, isolation);
    ok(sold > 0 && sold <= 20, `${sold} sold`);
    const [row] = await sql`select stock::int from products where id = ${id}`;
    equal(row!.stock, 20 - sold);
    for (const name of ["NO_NEGATIVE_STOCK", "STOCK_MOVEMENT_BALANCE"]) {
      const [run] = await sql`select run_invariant(${name}, 'full') ->> 'open_violations' as open`;
      equal(run!.open, "0");
    }
  });
}

Deno.test("a sale that is rolled back leaves the last piece to the next", async () => {
  const id = await product(1);
  const insert = (db: ISql) =>
    db`insert into "StockLedger" (product_id, kind, quantity) values (${id}, 'sale', -1)`;
  let waiting: Promise<unknown> | undefined;
  await sql.begin(async (db) => {
    await insert(db);
    waiting = insert(sql).execute();
    throw new Error("the till lost its mind");
  }).catch(({ message }) => equal(message, "the till lost its mind"));
  await waiting;
  const [row] = await sql`select stock::int from products where id = ${id}`;
  equal(row!.stock, 0);
});
