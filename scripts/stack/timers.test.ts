import assert from "node:assert/strict";
import { functionSource, testProject } from "../testing/project.ts";
import { testStack } from "../testing/stack.ts";

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
  "migrations/20260101000000_timers.sql": `
    create table public.calls (body jsonb, trusted boolean);
    create table public.runs (name text, by_role text default current_user);
    grant select, insert on public.calls to service_role;
    create table public.timers (name text primary key, schedule text, command text, enabled boolean);
    insert into public.timers values
      ('every-second', '* * * * * *', 'insert into public.runs (name) values (''every-second'')', true),
      ('failing', '* * * * * *', 'select 1 / 0', true),
      ('disabled', '* * * * * *', 'insert into public.runs (name) values (''disabled'')', false);`,
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

Deno.test("a timer that fails is reported and stops no other", async () => {
  await until(async () =>
    await Promise.resolve(lines.some((line) => /\[timer failing\].*division by zero/.test(line)))
  );
  const [before] = await stack.sql`select count(*)::int from public.runs`;
  await until(async () => (await stack.sql`select count(*)::int from public.runs`)[0]!.count > before!.count);
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
