import type { Sql } from "postgres";

/** Registers `service-0` to `service-99` with room for everything that is measured. */
export async function registerServices(sql: Sql): Promise<void> {
  await sql`
    insert into public.integrations_master (service_name, retry_budget_capacity, retry_tokens, max_concurrent_recoveries)
    select 'service-' || n, 1000000, 1000000, 1000000 from generate_series(0, 99) n`;
}
