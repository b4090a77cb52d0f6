import assert from "node:assert/strict";
import { functionSource, testProject } from "../testing/project.ts";
import { testStack } from "../testing/stack.ts";

const migrations = new URL("../../supabase/migrations/", import.meta.url);
const migration = (name: string) => Deno.readTextFile(new URL(name, migrations));
const project = await testProject({
  "config.toml": "[functions.record]\nverify_jwt = false\n",
  "functions/record/index.ts": `export default { async fetch(request: Request) {
    const url = Deno.env.get("SUPABASE_URL") + "/rest/v1/calls";
    const apikey = JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS")!).default;
    const trusted = request.headers.get("x-internal-token") === Deno.env.get("INTERNAL_WEBHOOK_TOKEN");
    const body = JSON.stringify({ body: await request.json(), trusted });
    return await fetch(url, { method: "POST", headers: { apikey, "content-type": "application/json" }, body });
  } };`,
  "functions/unused/index.ts": functionSource("1"),
  "migrations/20260101000000_foundation.sql": await migration("20261120000100_foundation.sql"),
  "migrations/20260101000001_timers.sql": await migration("20261120000300_timers.sql"),
  "migrations/20260101000002_every_second.sql": `
    create table public.calls (body jsonb, trusted boolean);
    create table public.runs (name text, by_role text default current_user);
    grant select, insert on public.calls to service_role;
    -- A sixth field, seconds, so that the test need not wait for a minute.
    alter table public.timers drop constraint timers_schedule_has_five_fields;
    insert into public.timers (name, schedule, command, enabled, description) values
      ('every-second', '* * * * * *', 'insert into public.runs (name) values (''every-second'')', true, ''),
      ('failing', '* * * * * *', 'insert into public.runs (name) values (''failing''); select 1 / 0', true, ''),
      ('unreadable', '* * * * 99', 'select 1', true, ''),
      ('disabled', '* * * * * *', 'insert into public.runs (name) values (''disabled'')', false, '');`,
});
const lines: string[] = [];
const token = { INTERNAL_WEBHOOK_TOKEN: "one of the user's own environment file" };
const stack = await testStack(token, {
  project: project.folder,
  timers: true,
  log: (line) => lines.push(line),
});

/** Resolves once the condition holds; the runner's own limit ends a test that waits in vain. */
async function until<T>(condition: () => Promise<T | false>): Promise<T> {
  while (true) {
    const result = await condition();
    if (result !== false) return result;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("enabled timers run again and again as role postgres, disabled ones never", async () => {
  const rows = await until(async () => {
    const found = await stack.sql`select name, by_role from public.runs`;
    return found.length >= 2 && found;
  });
  assert.deepEqual([...new Set(rows.map((row) => `${row.name} by ${row.by_role}`))], [
    "every-second by postgres",
  ]);
});

Deno.test("a timer that fails is reported, leaves nothing behind and stops no other", async () => {
  await until(async () =>
    await Promise.resolve(lines.some((line) => /\[timer failing\].*division by zero/.test(line)))
  );
  assert.ok(lines.some((line) => line.startsWith("[timer unreadable]")), lines.join("\n"));
  const [before] = await stack.sql`select count(*)::int from public.runs where name = 'every-second'`;
  await until(async () => {
    const [now] = await stack.sql`select count(*)::int from public.runs where name = 'every-second'`;
    return now!.count > before!.count;
  });
  assert.deepEqual([...await stack.sql`select from public.runs where name in ('failing', 'disabled')`], []);
});

Deno.test("it is noted when a timer began, when it succeeded, and why it failed", async () => {
  const [failing, succeeding] = await until(async () => {
    const rows = await stack.sql`select name, started_at, succeeded_at, last_error from public.timers
      where name in ('every-second', 'failing') order by name desc`;
    return rows[0]!.last_error !== null && rows[1]!.succeeded_at !== null && rows;
  });
  assert.equal(failing!.last_error, "division by zero");
  assert.equal(failing!.succeeded_at, null);
  assert.equal(succeeding!.last_error, null);
  assert.ok(succeeding!.started_at);
});

Deno.test("a row that changes is taken over at once", async () => {
  const names = async () => (await stack.sql`select distinct name from public.runs`).map(({ name }) => name);
  await stack.sql`update public.timers set enabled = true where name = 'disabled'`;
  await until(async () => (await names()).includes("disabled"));
  await stack
    .sql`update public.timers set command = 'insert into public.runs values (''changed'')' where name = 'disabled'`;
  await until(async () => (await names()).includes("changed"));
  await stack.sql`update public.timers set schedule = '0 0 1 1 *' where name = 'disabled'`;
  await stack.sql`delete from public.timers where name = 'every-second'`;
  await stack.sql`insert into public.timers (name, schedule, command, description)
    values ('added', '* * * * * *', 'insert into public.runs values (''added'')', '')`;
  await until(async () => (await names()).includes("added"));
});

Deno.test("timers go on when the database was restarted", async () => {
  await stack.restartPostgres();
  await stack.sql`insert into public.timers (name, schedule, command, description)
    values ('afterwards', '* * * * * *', 'insert into public.runs values (''afterwards'')', '')`;
  await until(async () => (await stack.sql`select from public.runs where name = 'afterwards'`).length > 0);
});

Deno.test("what SQL announces reaches the function with its internal token, also one of the user's own", async () => {
  await stack.sql`select pg_notify('invoke_function', '{"name": "record", "body": {"mode": "scan"}}')`;
  const calls = await until(async () => {
    const found = await stack.sql`select body, trusted from public.calls`;
    return found.length > 0 && found;
  });
  assert.deepEqual([...calls], [{ body: { mode: "scan" }, trusted: true }]);
});

Deno.test("announcements that make no sense are reported and harm nothing", async () => {
  await stack
    .sql`select pg_notify('invoke_function', 'not json'), pg_notify('invoke_function', '{"name": "nobody"}')`;
  await until(async () => await Promise.resolve(lines.some((line) => /nobody answered 404/.test(line))));
  assert.ok(lines.some((line) => /\[invoke_function\].*not valid JSON/.test(line)), lines.join("\n"));
});

Deno.test.afterAll(async () => {
  await stack.stop();
  await project.remove();
});
