/** Tables of receipts: the product's immutable one, a plain one, hash chains, and one that is large. */
import type { Sql } from "postgres";
import { requireEqual } from "./figure.ts";

const columns = "id, created_at, payer, amount_minor, currency, reference, payload";
const payload = `'{"channel": "web", "items": [{"sku": "A-1", "quantity": 2}]}'::jsonb`;

/** One receipt, or several by one statement. */
export const insertReceipts = (table: string, rows: number) =>
  `
  insert into public.${table} (payer, amount_minor, currency, reference, payload)
  select 'customer-4711', 129900, 'EUR', 'invoice-2026-000123', ${payload}` +
  (rows > 1 ? ` from generate_series(1, ${rows})` : "");

/** `plain_receipts`: what `receipts` was before it was made immutable. */
export async function makePlainReceipts(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table public.plain_receipts (like public.receipts including all);
    alter table public.plain_receipts drop column immutable_seq, drop column leaf_hash`);
}

/**
 * Two hash chains, each row hashed with the hash of the row before it. In `chained_receipts` a row of another table
 * holds the head and is locked; in `queued_receipts` the newest row is the head, and writers queue for an advisory lock.
 */
export async function makeChains(sql: Sql): Promise<void> {
  for (const table of ["chained_receipts", "queued_receipts"]) {
    await sql.unsafe(`
      create table public.${table} (like public.plain_receipts including all);
      alter table public.${table} add seq bigint unique, add prev_hash bytea, add row_hash bytea`);
  }
  await sql.unsafe(`
    create table public.chain_head (seq bigint, hash bytea) with (fillfactor = 10);
    insert into public.chain_head values (0, '');

    create function public.chain_by_head() returns trigger language plpgsql as $$
    begin
      select h.seq + 1, h.hash into new.seq, new.prev_hash from public.chain_head h for update;
      new.row_hash := sha256(new.prev_hash || convert_to(new::text, 'UTF8'));
      update public.chain_head set seq = new.seq, hash = new.row_hash;
      return new;
    end $$;
    create trigger chain before insert on public.chained_receipts for each row execute function public.chain_by_head();

    create function public.chain_by_queue() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(1);
      select t.seq, t.row_hash into new.seq, new.prev_hash from public.queued_receipts t order by t.seq desc limit 1;
      new.seq := coalesce(new.seq, 0) + 1;
      new.row_hash := sha256(coalesce(new.prev_hash, '') || convert_to(new::text, 'UTF8'));
      return new;
    end $$;
    create trigger chain before insert on public.queued_receipts for each row execute function public.chain_by_queue()`);
}

/** @throws BrokenRun unless each row of a chain is linked to the one before it */
export async function requireWholeChain(sql: Sql, table: string): Promise<void> {
  const [row] = await sql.unsafe(`
    select count(*)::integer as rows, count(*) filter (where t.seq = 1 or t.prev_hash = b.row_hash)::integer as linked
    from public.${table} t left join public.${table} b on b.seq = t.seq - 1`);
  requireEqual(`links of ${table}`, row!.linked, row!.rows);
}

/**
 * `many_receipts`, immutable: numbered and hashed by the inserting statements, not by the trigger, on two connections
 * in chunks, and not sealed.
 */
export async function makeManyReceipts(sql: Sql, rows: number): Promise<void> {
  await sql.unsafe(`
    create table public.many_receipts (like public.plain_receipts including all);
    select private.make_immutable('public.many_receipts');
    alter table public.many_receipts disable trigger zz_immutable_leaf`);
  const [{ leaf }] = await sql`select private.leaf_expression('public.many_receipts') as leaf` as [
    { leaf: string },
  ];
  const chunk = 250_000;
  const starts = Array.from({ length: rows / chunk }, (_, index) => index * chunk + 1);
  await Promise.all([1, 2].map(async () => {
    for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
      await sql.unsafe(`
        insert into public.many_receipts (${columns}, immutable_seq, leaf_hash)
        select ${columns}, immutable_seq, sha256('\\x0001'::bytea || convert_to(${leaf}, 'UTF8'))
        from (
          select lpad(to_hex(n), 32, '0')::uuid as id, timestamptz '2026-01-01Z' + n * interval '1 second' as created_at,
            'customer-' || n % 10000 as payer, n as amount_minor, 'EUR' as currency, 'invoice-' || n as reference,
            '{}'::jsonb as payload, n as immutable_seq
          from generate_series(${start}::bigint, ${start + chunk - 1}) n
        ) t`);
    }
  }));
  await sql`alter table public.many_receipts enable always trigger zz_immutable_leaf`;
  await sql`select setval('public.many_receipts_immutable_seq', ${rows})`;
  await sql`vacuum analyze public.many_receipts`;
}
