/** The SQL function that takes reports, against bare one-row commits in the same cluster. */
import { prepareReport } from "../../supabase/functions/_shared/core/recovery/report.ts";
import { rowsPerSecond } from "./commits.ts";
import { benchDatabase } from "./database.ts";
import type { Figure } from "./figure.ts";
import { rateLimited } from "./samples.ts";
import { registerServices } from "./services.ts";

const SECONDS = 5;
const BATCH = 100;

export async function benchSql(): Promise<Figure[]> {
  const database = await benchDatabase();
  try {
    await registerServices(database.sql);
    await database.sql`create table public.bare_commits (id uuid primary key, report jsonb)`;
    const figures: Figure[] = [];
    for (const connections of [1, 8, 32]) {
      const load = { connections, seconds: SECONDS };
      const peer = await rowsPerSecond(database, {
        ...load,
        ...{ statement: bareCommit, table: "bare_commits", rowsPerCommit: 1 },
      });
      for (const reports of [1, BATCH]) {
        const ours = await rowsPerSecond(database, {
          ...load,
          ...{ statement: reportFailures(reports), table: "system_integrity_events", rowsPerCommit: reports },
        });
        figures.push({
          what: `report_failures, ${reports} a call, ${connections} connection${connections > 1 ? "s" : ""}`,
          unit: "reports/s",
          ...{ ours, peer, peerIs: "bare one-row commits" },
          better: "more",
          aim: 0.6,
        });
      }
    }
    return figures;
  } finally {
    await database.stop();
  }
}

// pgbench takes a colon before a letter or digit for a variable, even inside a literal.
const report = JSON.stringify(
  prepareReport(
    { event_id: "00000000-0000-4000-8000-000000000000", ...rateLimited(0) },
    { now: new Date(0), random: 0.5 },
  ),
).replaceAll(":", ": ").replaceAll("'", "''");

const bareCommit = `insert into public.bare_commits values (gen_random_uuid(), '${report}')`;

const reportFailures = (reports: number) => `
  select public.report_failures((
    select jsonb_agg('${report}'::jsonb || jsonb_build_object(
      'event_id', gen_random_uuid(), 'service_name', 'service-' || floor(random() * 100)))
    from generate_series(1, ${reports})))`;
