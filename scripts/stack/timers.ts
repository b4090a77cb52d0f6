/**
 * Timers and calls from SQL to functions where PostgreSQL has neither pg_cron nor pg_net: the rows of `public.timers` are
 * run here, and what SQL announces on channel `invoke_function` is posted to the function.
 */
import { Cron } from "croner";
import type { Sql } from "postgres";

/**
 * Runs the enabled timers until stopped, and takes changes of the rows over at once. A timer that is still busy when it is
 * due again skips that turn.
 *
 * @param sql connection as role `postgres`, as pg_cron would run the commands
 * @param log receives failures, which are also noted beside the timer; like pg_cron, a timer that failed runs again at its
 *   next time
 */
export async function startTimers(sql: Sql, log: (line: string) => void): Promise<{ stop(): Promise<void> }> {
  const [present] =
    await sql`select to_regproc('private.start_timer') as timers, to_regproc('cron.schedule') as cron`;
  if (!present?.timers || present.cron) return { stop: async () => {} };
  // Nobody ran them before, so that nothing is late yet.
  await sql`select private.install_timers()`;

  const jobs = new Map<string, { schedule: string; job: Cron }>();
  async function load() {
    const timers = await sql<{ name: string; schedule: string }[]>`
      select name, schedule from public.timers where enabled`;
    const wanted = new Map(timers.map(({ name, schedule }) => [name, schedule]));
    for (const [name, { schedule, job }] of jobs) {
      if (wanted.get(name) === schedule) continue;
      job.stop();
      jobs.delete(name);
    }
    for (const [name, schedule] of wanted) {
      if (jobs.has(name)) continue;
      try {
        const options = { timezone: "UTC", protect: true };
        jobs.set(name, { schedule, job: new Cron(schedule, options, () => takeTurn(sql, name, log)) });
      } catch (error) {
        log(`[timer ${name}] ${error}`);
      }
    }
  }
  const reload = () => void load().catch((error) => log(`[timers] ${error}`));
  const { unlisten } = await sql.listen("timers", reload, reload);
  await load();
  return {
    async stop() {
      jobs.forEach(({ job }) => job.stop());
      await unlisten();
    },
  };
}

async function takeTurn(sql: Sql, name: string, log: (line: string) => void): Promise<void> {
  try {
    const [turn] = await sql<[{ command: string | null }]>`select private.start_timer(${name}) as command`;
    if (turn.command) await sql.unsafe(turn.command);
  } catch (error) {
    log(`[timer ${name}] ${error}`);
    await sql`select private.timer_failed(${name}, ${(error as Error).message})`
      .catch((unnoted) => log(`[timer ${name}] The failure was not noted: ${unnoted}`));
  }
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
