/** The health score of a platform whose integrations made a million calls in the last hour. */
import type { Sql } from "postgres";
import { benchDatabase } from "./database.ts";
import { type Figure, median, requireEqual } from "./figure.ts";

const CALLS = 1_000_000;
const ROUNDS = 20;

/** Beside the error rate and p95 of all these calls. */
export async function benchHealth(): Promise<Figure[]> {
  const database = await benchDatabase();
  try {
    const { sql } = database;
    await makeCalls(sql);
    const ours = await medianTime(async () => {
      const [row] = await sql`select private.health(now()) #> '{components,latency,inputs,calls}' as calls`;
      requireEqual("calls that p95 was taken of", row!.calls, 10_000);
    });
    const peer = await medianTime(async () => {
      const [row] = await sql`
        select count(*)::int as calls, avg((status = 'error')::int), percentile_disc(0.95) within group (order by duration_ms)
        from public.integration_events where created_at > now() - interval '1 hour'`;
      requireEqual("calls of the last hour", row!.calls, CALLS);
    });
    return [{
      what: `health score, ${CALLS.toLocaleString("en")} calls in the last hour`,
      unit: "ms",
      ...{ ours, peer },
      peerIs: "error rate and p95 of all of them",
      better: "less",
      goal: 50,
    }];
  } finally {
    await database.stop();
  }
}

/** Over fifty minutes, so that none leaves the hour while it is measured. */
async function makeCalls(sql: Sql): Promise<void> {
  await sql`alter table public.integration_events disable trigger user`;
  await sql`
    insert into public.integration_events (service_name, status, duration_ms, created_at)
    select 'service-' || n % 100, case when n % 50 = 0 then 'error' else 'success' end, n % 1500,
      now() - (${CALLS} - n) * interval '3 milliseconds'
    from generate_series(1, ${CALLS}::int) n`;
  await sql`alter table public.integration_events enable trigger user`;
  await sql`vacuum analyze public.integration_events`;
}

async function medianTime(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
}
