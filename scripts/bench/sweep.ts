/** A backlog of due failures, each claimed, recovered by doing nothing, finished and audited, against a job queue. */
import { type JobHelpers, Logger, runOnce, type Task, type WorkerSharedOptions } from "graphile-worker";
import type {
  RecoveryResult,
  WorkItem,
} from "../../supabase/functions/integration-self-heal/recovery-store.ts";
import { type BenchDatabase, benchDatabase, directDatabase } from "./database.ts";
import { type Figure, requireEqual } from "./figure.ts";
import { registerServices } from "./services.ts";

const JOBS = 100_000;
const BATCH = 1_000;
const WORKERS = 2;

/** The settings that its documentation measures with, and larger local queues. */
const batchedSettings: Partial<WorkerSharedOptions & { concurrency: number }>[] = [500, 2_000].map((
  size,
) => ({
  concurrency: 24,
  maxPoolSize: 25,
  preset: { worker: { localQueue: { size }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
}));

export async function benchSweep(): Promise<Figure[]> {
  const database = await benchDatabase();
  try {
    await database.sql`create table public.outcomes (like public.audit_log including all)`;
    await database.sql`select private.make_immutable('public.outcomes')`;
    const ours = await recoveriesPerSecond(database);
    const byDefault = await jobsPerSecond(database, {}, doNothing);
    const batched: number[] = [];
    for (const settings of batchedSettings) {
      batched.push(await jobsPerSecond(database, settings, doNothing));
    }
    const audited = await jobsPerSecond(database, batchedSettings[0]!, recordOutcome);
    const figure = {
      what: `sweep of ${JOBS.toLocaleString("en")} due failures`,
      unit: "jobs/s",
      ours,
    } as const;
    return [
      { ...figure, peer: byDefault, peerIs: "graphile-worker, default", better: "more" },
      { ...figure, peer: Math.max(...batched), peerIs: "graphile-worker, batched", better: "more", aim: 2 },
      { ...figure, peer: audited, peerIs: "graphile-worker, batched, each task audits", better: "more" },
    ];
  } finally {
    await database.stop();
  }
}

async function recoveriesPerSecond({ sql }: BenchDatabase): Promise<number> {
  await registerServices(sql);
  await sql`
    with event as (
      insert into public.integration_events (service_name, event_type, status, error_code, error_message, http_status)
      select 'service-' || n % 100, 'call.failed', 'error', 'service_unavailable', 'Service temporarily unavailable', 503
      from generate_series(1, ${JOBS}::integer) n returning id, service_name
    ), failures as (
      insert into public.failure_groups (service_name, failure_category, fingerprint)
      select 'service-' || n, 'network', 'fingerprint' from generate_series(0, 99) n returning id, service_name
    )
    insert into public.system_integrity_events (event_id, service_name, failure_reason, failure_category, action_taken,
      analyzer_signals, group_id, confidence, fingerprint, next_retry_at)
    select event.id, event.service_name, 'Service temporarily unavailable', 'network', 'Scheduled',
      '{"signals":["HTTP 503"],"owner":"provider"}', failures.id, 0.95, 'fingerprint', now() - interval '1 minute'
    from event join failures using (service_name)`;
  await sql`vacuum analyze`;

  const database = directDatabase(sql);
  let finished = 0;
  const start = performance.now();
  await Promise.all(Array.from({ length: WORKERS }, async () => {
    while (true) {
      const claimed = await database.rpc<WorkItem[]>("claim_recoveries", {
        p_limit: BATCH,
        p_lease_seconds: 30,
      });
      if (claimed.length === 0) return;
      const results = claimed.map(({ recovery_id, epoch, attempts_allowed }) => ({
        ...{ recovery_id, epoch, attempts_allowed },
        ...nothingToDo,
      }));
      const answers = await database.rpc<{ accepted: boolean }[]>("finish_recoveries", {
        p_results: results,
      });
      finished += answers.filter(({ accepted }) => accepted).length;
    }
  }));
  const seconds = (performance.now() - start) / 1_000;

  requireEqual("recoveries finished", finished, JOBS);
  const [row] = await sql`
    select (select count(*)::integer from public.system_integrity_events where status = 'resolved') as resolved,
      (select count(*)::integer from public.audit_log where action = 'recovery.attempted') as audited`;
  requireEqual("failures resolved", row!.resolved, JOBS);
  requireEqual("recoveries audited", row!.audited, JOBS);
  return JOBS / seconds;
}

const nothingToDo: RecoveryResult = {
  outcome: "resolved",
  action_taken: "Repeated the call",
  attempts: 1,
  reached_provider: true,
};

const doNothing: Task = () => {};

/** What a sweep leaves behind in any case: one audited outcome for each job. */
const recordOutcome: Task = async (_payload, { job, query }) => {
  await query(
    `insert into public.outcomes (subsystem, actor, action, resource, result)
    values ('self-heal', 'system', 'recovery.attempted', 'recovery:' || $1, 'resolved')`,
    [job.id],
  );
};

async function jobsPerSecond(
  { url, sql }: BenchDatabase,
  settings: Partial<WorkerSharedOptions & { concurrency: number }>,
  task: Task,
): Promise<number> {
  let done = 0;
  const options = {
    connectionString: url,
    logger: new Logger(() => () => {}),
    taskList: {
      recover: async (payload: unknown, helpers: JobHelpers) => {
        await task(payload, helpers);
        done++;
      },
    },
    ...settings,
  };
  // Creates its tables.
  await runOnce(options);
  await sql`
    select count(*) from graphile_worker.add_jobs(array(
      select row('recover', '{}'::json, null, now(), null, null, null, null)::graphile_worker.job_spec
      from generate_series(1, ${JOBS}::integer)))`;
  await sql`vacuum analyze`;
  const start = performance.now();
  await runOnce(options);
  const seconds = (performance.now() - start) / 1_000;
  requireEqual("jobs done", done, JOBS);
  return JOBS / seconds;
}
