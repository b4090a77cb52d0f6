/** A database of its own for a test of rules under many connections, and what workers do there. */
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

/** What the database answers about one match. */
export interface Firing {
  rule_id: string;
  event_id: string;
  outcome: "fired" | "suppressed";
  reason: string | null;
  runs: { id: string; position: number }[];
}

export interface Claim {
  epoch: number;
  events: { id: string; event: Record<string, unknown> }[];
}

/** @param connections of the pool that `sql` is */
export async function rulesDatabase(connections: number) {
  const database = await testDatabase(true);
  const sql = connect(database.url, connections);
  return {
    url: database.url,
    sql,
    async stop() {
      await sql.end({ timeout: 1 });
      await database.stop();
    },
  };
}

/** Warnings and notices are left out. */
export function connect(url: string, max: number): Sql {
  return postgres(url, { max, onnotice: () => {} });
}

/** Calls a function of the database and returns its one value. */
export async function call<T>(db: Sql, name: string, ...args: unknown[]): Promise<T> {
  const text = `select ${name}(${args.map((_, index) => `$${index + 1}`).join(", ")}) as value`;
  const [row] = await db.unsafe(text, args as never[]);
  return row!.value as T;
}

/** Creates rules that match every event. */
export async function createRules(db: Sql, ids: string[], more: Record<string, unknown> = {}): Promise<void> {
  for (const id of ids) await call(db, "tests.rule", id, more);
}

/** Version 1 of a rule matches an event. */
export function match(ruleId: string, eventId: string) {
  return { rule_id: ruleId, rule_version: 1, event_id: eventId };
}

/** What `POST /rules/evaluate` does: stores an event, and fires the rules that match it. */
export function evaluate(db: Sql, eventId: string, ruleIds: string[]): Promise<Firing[]> {
  const matches = ruleIds.map((ruleId) => match(ruleId, eventId));
  return call(db, "evaluate_events", [{ id: eventId, data: {} }], matches);
}

/** Claims a batch; the way to find that the rule matches every event of it, and to finish: the events if that was accepted. */
export async function claim(
  db: Sql,
  ruleId: string,
  limit: number,
): Promise<(() => Promise<string[]>) | null> {
  const claimed = await call<Claim | null>(db, "claim_events", limit, 30);
  if (!claimed) return null;
  const ids = claimed.events.map(({ id }) => id);
  const matches = ids.map((id) => match(ruleId, id));
  return async () => await call<boolean>(db, "finish_events", claimed.epoch, ids, matches) ? ids : [];
}

/** Claims a batch and finishes it at once. */
export async function work(db: Sql, ruleId: string, limit: number): Promise<string[] | null> {
  const finish = await claim(db, ruleId, limit);
  return finish && await finish();
}

/** Runs that are in the outbox more or less than once, or twice for one event and rule; there must be none. */
export async function contradictions(db: Sql): Promise<unknown[]> {
  return [
    ...await db`
    select m.rule_id, m.event_id, m.outcome, count(distinct a.id)::int as runs, count(o.id)::int as messages
    from rule_matches m left join action_runs a using (rule_id, event_id) left join outbox o on o.dedup_key = 'action:' || a.id
    group by 1, 2, 3 having count(distinct a.id) <> (m.outcome = 'fired')::int or count(o.id) <> (m.outcome = 'fired')::int
    union all
    select 'none', o.dedup_key, 'fired', 0, 1 from outbox o
    where o.kind = 'action' and not exists (select from action_runs a where 'action:' || a.id = o.dedup_key)`,
  ];
}

/** Waits for something that another connection or process brings about. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Ends one server process as a crash does, which makes the server restart all of them; resolves when it is back. */
export async function killBackend(url: string, pid: number): Promise<void> {
  Deno.kill(pid, "SIGKILL");
  await until(async () => {
    const db = connect(url, 1);
    try {
      return (await db`select from pg_stat_activity where pid = ${pid}`).length === 0;
    } catch {
      return false;
    } finally {
      await db.end({ timeout: 0 });
    }
  });
}
