/**
 * Timers and calls from SQL to functions where PostgreSQL has neither pg_cron nor pg_net: the rows of `public.timers` are
 * run here, and what SQL announces on channel `invoke_function` is posted to the function.
 */
import { Cron } from "croner";
import type { Sql } from "postgres";

/**
 * Runs the enabled timers until stopped. A timer that is still busy when it is due again skips that turn.
 *
 * @param sql connection as role `postgres`, as pg_cron would run the commands
 * @param log receives failures; like pg_cron, a timer that failed runs again at its next time
 */
export async function startTimers(sql: Sql, log: (line: string) => void): Promise<{ stop(): Promise<void> }> {
  const [present] =
    await sql`select to_regclass('public.timers') as timers, to_regproc('cron.schedule') as cron`;
  if (!present?.timers || present.cron) return { stop: async () => {} };
  const rows = await sql<{ name: string; schedule: string; command: string }[]>`
    select name, schedule, command from public.timers where enabled`;
  const jobs = rows.map(({ name, schedule, command }) =>
    new Cron(
      schedule,
      { timezone: "UTC", protect: true, catch: (error) => log(`[timer ${name}] ${error}`) },
      async () => {
        await sql.unsafe(command);
      },
    )
  );
  // deno-lint-ignore require-await
  return { stop: async () => jobs.forEach((job) => job.stop()) };
}

/**
 * Delivers what SQL announces on channel `invoke_function`, `{"name": "...", "body": {...}}`, until stopped.
 *
 * @param url base address of the stack
 * @param internalToken sent as `X-Internal-Token`
 */
export async function startInvoker(
  sql: Sql,
  url: string,
  internalToken: string,
  log: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const { unlisten } = await sql.listen("invoke_function", async (payload) => {
    try {
      const { name, body } = JSON.parse(payload);
      const response = await fetch(`${url}/functions/v1/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-internal-token": internalToken },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (!response.ok) log(`[invoke_function] ${name} answered ${response.status}: ${text.slice(0, 500)}`);
    } catch (error) {
      log(`[invoke_function] ${(error as Error).message}`);
    }
  });
  return { stop: unlisten };
}
