/** The circuit breaker and the retry budget of the database, each compared with a model over random histories. */
import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type TransactionSql } from "postgres";
import { testDatabase } from "../../scripts/testing/stack.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

/** A breaker with its times in seconds since the start. */
interface Breaker {
  state: "closed" | "open" | "half_open";
  failures: number;
  trips: number;
  until: number;
}

interface BreakerEvent {
  name: "success" | "failure" | "probe" | "disable" | "none";
  count: number;
  /** Seconds since the event before. */
  after: number;
}

const cooldown = (trips: number) => Math.min(30 * 2 ** (trips - 1), 900);

function open(trips: number, at: number): Breaker {
  return { state: "open", failures: 0, trips, until: at + cooldown(trips) };
}

function step(breaker: Breaker, { name, count }: BreakerEvent, at: number): Breaker {
  if (name === "success") return { state: "closed", failures: 0, trips: 0, until: 0 };
  if (name === "disable") return open(6, at);
  if (name === "probe" && breaker.state !== "closed" && breaker.until <= at) {
    return { ...breaker, state: "half_open", until: at + 60 };
  }
  if (name !== "failure" || breaker.state === "open") return breaker;
  const failures = breaker.failures + count;
  if (breaker.state === "closed" && failures < 5) return { ...breaker, failures };
  return open(breaker.trips + 1, at);
}

const breakerEvents = fc.array(
  fc.record({
    name: fc.constantFrom<BreakerEvent["name"][]>(
      "success",
      "failure",
      "failure",
      "probe",
      "probe",
      "disable",
      "none",
    ),
    count: fc.integer({ min: 1, max: 6 }),
    after: fc.integer({ min: 0, max: 1000 }),
  }),
  { maxLength: 40 },
);

Deno.test("the breaker of the database takes the steps of its model", async () => {
  await sql`
    create function pg_temp.states(p_events jsonb) returns jsonb language plpgsql as $$
    declare
      v_event record;
      v_at timestamptz := 'epoch';
      v_breaker private.breaker := ('closed', 0, 0, null);
      v_states jsonb := '[]';
    begin
      for v_event in select * from jsonb_to_recordset(p_events) e (name text, count integer, after integer) loop
        v_at := v_at + make_interval(secs => v_event.after);
        v_breaker := private.breaker_step(v_breaker, v_event.name, v_event.count, v_at);
        v_states := v_states || jsonb_build_object('state', v_breaker.state, 'failures', v_breaker.failures,
          'trips', v_breaker.trips, 'until', coalesce(extract(epoch from v_breaker.until), 0)::integer);
      end loop;
      return v_states;
    end $$`;
  await fc.assert(
    fc.asyncProperty(breakerEvents, async (events) => {
      let at = 0;
      let breaker: Breaker = { state: "closed", failures: 0, trips: 0, until: 0 };
      const expected = events.map((event) => breaker = step(breaker, event, at += event.after));
      const [row] = await sql`select pg_temp.states(${sql.json(events as never)}) = ${
        sql.json(expected as never)
      } as same`;
      equal(row!.same, true);
    }),
    { numRuns: 300 },
  );
});

type BudgetStep =
  | { kind: "calls"; number: number; succeed: boolean }
  | { kind: "minutes"; number: number }
  | { kind: "failures"; number: number; attempts: number }
  | { kind: "scan" };

const budgetSteps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("calls" as const),
      number: fc.integer({ min: 1, max: 15 }),
      succeed: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("minutes" as const), number: fc.integer({ min: 0, max: 12 }) }),
    fc.record({
      kind: fc.constant("failures" as const),
      number: fc.integer({ min: 1, max: 6 }),
      attempts: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({ kind: fc.constant("scan" as const) }),
  ),
  { maxLength: 15 },
);

const rolledBack = Symbol("rolled back");

Deno.test("failed retries never exceed the capacity, one a minute, and a tenth of the calls", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 12 }), budgetSteps, async (capacity, steps) => {
      await sql.begin(async (db) => {
        await db`update recovery_thresholds set max_consecutive = null`;
        await db`insert into integrations_master (service_name, retry_budget_capacity, retry_tokens)
          values ('acme', ${capacity}, ${capacity})`;
        const used = { retries: 0, calls: 0, minutes: 0 };
        for (const budgetStep of steps) {
          await take(db, budgetStep, used);
          const most = capacity + used.minutes + 0.1 * used.calls;
          ok(used.retries <= most + 1e-9, `${used.retries} retries where ${most} are allowed`);
        }
        throw rolledBack;
      }).catch((error) => {
        if (error !== rolledBack) throw error;
      });
    }),
    { numRuns: 60 },
  );
});

/** Plays one step; every retry that is allowed is made, and fails. */
async function take(
  db: TransactionSql,
  budgetStep: BudgetStep,
  used: { retries: number; calls: number; minutes: number },
): Promise<void> {
  if (budgetStep.kind === "calls") {
    used.calls += budgetStep.number;
    await db`insert into integration_events (service_name, status)
      select 'acme', ${
      budgetStep.succeed ? "success" : "error"
    } from generate_series(1, ${budgetStep.number})`;
  } else if (budgetStep.kind === "minutes") {
    used.minutes += budgetStep.number;
    await db`update integrations_master set retry_tokens_at = retry_tokens_at - make_interval(mins => ${budgetStep.number})`;
  } else {
    const claimed = budgetStep.kind === "scan" ? db`select claim_recoveries(100) as work` : db`
      select jsonb_path_query_array(
        report_failures((select jsonb_agg(tests.report(0, 'acme', 'unknown', jsonb_build_object('event_id', gen_random_uuid(),
          'plan', jsonb_build_object('step', 'recover', 'action_taken', 'x', 'attempts', ${budgetStep.attempts}::int))))
          from generate_series(1, ${budgetStep.number}))),
        '$[*].work ? (@ != null)') as work`;
    if (budgetStep.kind === "failures") used.calls += budgetStep.number;
    const [row] = await claimed;
    const results = (row!.work as { recovery_id: string; epoch: number; attempts_allowed: number }[]).map((
      { recovery_id, epoch, attempts_allowed },
    ) => ({
      recovery_id,
      epoch,
      outcome: "failed",
      action_taken: "x",
      attempts: attempts_allowed,
      delay_seconds: -1,
      reached_provider: true,
    }));
    used.retries += results.reduce((sum, { attempts }) => sum + attempts, 0);
    await db`select finish_recoveries(${db.json(results)})`;
  }
}
