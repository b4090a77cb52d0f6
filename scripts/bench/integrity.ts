/** Invariants of a shop of a million sales: in full beside what changed; and what watching and guarding cost its writes. */
import type { Sql } from "postgres";
import { rowsPerSecond } from "./commits.ts";
import { type BenchDatabase, benchDatabase } from "./database.ts";
import { BrokenRun, type Figure, median, requireEqual } from "./figure.ts";

const SALES = 1_000_000;
const CHANGED = 1_000;
const ROUNDS = 4;
const SECONDS = 2;
const WATCHING = /^entity_changes_/;
const GUARDING = /^aa_safe_mode$/;

export async function benchIntegrity(): Promise<Figure[]> {
  // The shop fits into memory, as that of a project of this size would.
  const database = await benchDatabase({ shared_buffers: "1GB" });
  try {
    await openShop(database.sql);
    const figures = await benchRuns(database.sql);
    figures.push(
      await benchWrites(database, "watched", WATCHING, 1, 1),
      await benchWrites(database, "watched", WATCHING, 1, 1_000),
    );
    for (const connections of [1, 8, 32]) {
      figures.push(await benchWrites(database, "guarded", GUARDING, connections, 1));
    }
    return figures;
  } finally {
    await database.stop();
  }
}

/** Four items, a payment, an invoice and a movement for each sale; nothing is wrong. */
async function openShop(sql: Sql): Promise<void> {
  await sql.unsafe(`
    alter table public."StockLedger" disable trigger stock_is_moved;
    insert into public.products (sku, name, price_minor, stock) select n, 'Tea', 100, ${
    SALES / 10_000
  } from generate_series(1, 10000) n;
    insert into public.customers (name, credit_limit_minor) select n, 100 from generate_series(1, ${
    SALES / 10
  }) n;
    insert into public.sales (customer_id, status, total_minor, currency)
      select 1 + n % ${SALES / 10}, 'paid', 1000, 'EUR' from generate_series(1, ${SALES}) n;
    insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor)
      select n, 1 + (n + i) % 10000, i, 100 from generate_series(1, ${SALES}) n, generate_series(1, 4) i;
    insert into public.payments (sale_id, customer_id, amount_minor)
      select n, 1 + n % ${SALES / 10}, 1000 from generate_series(1, ${SALES}) n;
    insert into public.invoices (number, sale_id, amount_minor) select 'R-' || n, n, 1000 from generate_series(1, ${SALES}) n;
    insert into public."StockLedger" (id, product_id, kind, quantity, balance_after)
      select nextval('public."StockLedger_id_seq"'), 1 + n % 10000, 'receipt', 1, 1 + n / 10000 from generate_series(0, ${SALES} - 1) n;
    alter table public."StockLedger" enable trigger stock_is_moved`);
  await sql`vacuum analyze`;
}

async function benchRuns(sql: Sql): Promise<Figure[]> {
  const names = (await sql`select name from public.invariants order by priority, name`).map(({ name }) =>
    name as string
  );
  const times = new Map(names.map((name) => [name, { full: [] as number[], incremental: [] as number[] }]));
  const run = async (name: string, mode: "full" | "incremental") => {
    const start = performance.now();
    const [row] = await sql`select public.run_invariant(${name}, ${mode}) as answer`;
    times.get(name)![mode].push(performance.now() - start);
    const { answer } = row!;
    if (answer.mode !== mode || answer.error) {
      throw new BrokenRun(`${name}, ${mode}: ${JSON.stringify(answer)}`);
    }
    requireEqual(`violations of ${name}`, answer.open_violations, 0);
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) await run(name, "full");
    await changeSales(sql, round);
    for (const name of names) await run(name, "incremental");
  }
  const middle = (name: string, mode: "full" | "incremental") => median(times.get(name)![mode]);
  const sum = (mode: "full" | "incremental") => names.reduce((sum, name) => sum + middle(name, mode), 0);
  const figure = { unit: "ms", better: "less", peerIs: "in full" } as const;
  return [
    ...names.map((name) => ({
      ...figure,
      what: `${name}, ${CHANGED.toLocaleString("en")} sales changed`,
      ...{ ours: middle(name, "incremental"), peer: middle(name, "full") },
    })),
    { ...figure, what: "all seven", ours: sum("incremental"), peer: sum("full"), aim: 400 },
  ];
}

/** Scattered over all sales, each with one of its items, its payment, its invoice and a movement. */
async function changeSales(sql: Sql, round: number): Promise<void> {
  const first = `n * ${SALES / CHANGED} + ${round}`;
  const ids = `select ${first} from generate_series(1, ${CHANGED - 1}) n`;
  await sql.unsafe(`
    update public.sales set total_minor = total_minor where id in (${ids});
    update public.sale_items set quantity = quantity where id in (
      select min(i.id) from public.sale_items i where i.sale_id in (${ids}) group by i.sale_id);
    update public.payments set amount_minor = amount_minor where sale_id in (${ids});
    update public.invoices set amount_minor = amount_minor where sale_id in (${ids});
    insert into public."StockLedger" (product_id, kind, quantity) select 1 + n % 10000, 'receipt', 1 from generate_series(1, ${CHANGED}) n`);
}

/** Inserts with the matching triggers, and without: in turns, so that what else the machine does hits both. */
async function benchWrites(
  database: BenchDatabase,
  what: string,
  triggers: RegExp,
  connections: number,
  rowsPerCommit: number,
): Promise<Figure> {
  const statement = `insert into public.sale_items (sale_id, product_id, quantity, unit_price_minor)
    select 1 + n, 1 + n, 1, 100 from generate_series(1, ${rowsPerCommit}) n`;
  const rates = { on: [] as number[], off: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    // The first of two has the smaller table.
    for (const state of round % 2 ? ["off", "on"] as const : ["on", "off"] as const) {
      await switchTriggers(database.sql, triggers, state);
      rates[state].push(
        await rowsPerSecond(database, {
          connections,
          seconds: SECONDS,
          statement,
          table: "sale_items",
          rowsPerCommit,
        }),
      );
    }
  }
  await switchTriggers(database.sql, triggers, "on");
  return {
    what: `insert into a ${what} table, ${connections} connection${connections > 1 ? "s" : ""}` +
      (rowsPerCommit > 1 ? `, ${rowsPerCommit.toLocaleString("en")} rows a statement` : ""),
    unit: rowsPerCommit > 1 ? "rows/s" : "commits/s",
    ...{ ours: median(rates.on), peer: median(rates.off), peerIs: `same table, not ${what}` },
    better: "more",
    aim: 0.9,
  };
}

async function switchTriggers(sql: Sql, triggers: RegExp, state: "on" | "off"): Promise<void> {
  const rows = await sql`
    select tgname from pg_trigger where tgrelid = 'public.sale_items'::regclass and tgname ~ ${triggers.source}`;
  for (const { tgname } of rows) {
    await sql`alter table public.sale_items ${state === "on" ? sql`enable always` : sql`disable`} trigger ${
      sql(tgname)
    }`;
  }
}
