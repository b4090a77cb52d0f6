/** The ready queries for the SQL editor run as they are printed, on a project with a life behind it. */
import { deepEqual, match } from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../../scripts/testing/stack.ts";

const folder = new URL("../snippets/", import.meta.url);
const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
await sql`insert into integrations_master (service_name) values ('slack')`;
await sql`select tests.fail(1, 'slack', 'data', '{"plan": {"step": "tell", "action_taken": "Tell people"}}')`;
await sql`select reject_outbox('{teams}')`;
await sql`select tests.rule('lane-latency-alert')`;
await sql`select save_rule(read_rules('lane-latency-alert') || '{"name": "Renamed"}', 'ada', 1)`;
await sql`insert into incidents (dedup_key, priority, status, source, title, details, snapshot, checked_at, opened_at)
  values ('scan', 'P2', 'AUTO_HEALING', 'scan', 'The scan is late', '{}', '{}', now(), now())`;

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

for (const name of names) {
  Deno.test(`the snippet ${name} says in its first line what it is for, and runs`, async () => {
    const text = await Deno.readTextFile(new URL(name, folder));
    match(text, /^-- [A-Z][^\n]+\.\n[^-]/);
    await sql.unsafe(`begin; set local search_path = public; ${text}; rollback`);
  });
}

Deno.test("the snippets that change something find what they change", async () => {
  await sql`begin`;
  for (
    const name of [
      "disable-integration",
      "enable-integration",
      "resolve-failure",
      "deliver-dead-letters-again",
      "roll-a-rule-back",
      "pause-a-rule",
      "acknowledge-incident",
      "announce-maintenance",
      "enter-safe-mode",
      "set-override-token",
      "leave-safe-mode",
    ]
  ) {
    await sql.unsafe(await Deno.readTextFile(new URL(`${name}.sql`, folder)));
  }
  const [state] = await sql`
    select (select enabled from integrations_master where service_name = 'slack') as enabled,
      (select count(*)::int from active_failures) as open, (select count(*)::int from outbox where failed_at is not null) as dead,
      (select name || ' ' || status from rules) as rule,
      (select status || ' by ' || acknowledged_by from incidents) as incident,
      (select dedup_pattern from maintenance_windows) as maintenance, (select mode from system_mode) as mode,
      (select count(*)::int from audit_log where action in ('integration.disabled', 'integration.enabled', 'failure.resolved')) as decisions`;
  await sql`rollback`;
  deepEqual({ ...state }, {
    enabled: true,
    open: 0,
    dead: 0,
    rule: "Rule lane-latency-alert paused",
    incident: "ACKNOWLEDGED by ops@example.com",
    maintenance: "integration:%",
    mode: "normal",
    decisions: 3,
  });
});
