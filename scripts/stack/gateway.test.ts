import { createClient } from "@supabase/supabase-js";
import assert from "node:assert/strict";
import { functionSource, testProject } from "../testing/project.ts";
import { testStack } from "../testing/stack.ts";

const project = await testProject({
  "config.toml": "[functions.open]\nverify_jwt = false\n",
  "functions/open/index.ts": functionSource(`{
    method: request.method,
    path: new URL(request.url).pathname + new URL(request.url).search,
    body: await request.text(),
    client: request.headers.get("x-forwarded-for"),
    apikey: request.headers.get("apikey"),
  }`),
  "functions/guarded/index.ts": functionSource(`"reached"`),
  "functions/never/index.ts": "export default { fetch: () => new Promise(() => {}) };",
  "functions/moved/index.ts":
    `export default { fetch: () => Response.redirect("http://127.0.0.1:1/", 307) };`,
  "migrations/20260101000000_notes.sql": `
    create table public.notes (id int primary key, note text);
    alter table public.notes enable row level security;
    grant select, insert on public.notes to service_role;
    create table public.news (id int primary key);
    alter table public.news enable row level security;
    create policy "everybody reads" on public.news for select using (true);
    grant select on public.news to anon;
    create function public.whoami(p_claims jsonb) returns jsonb language sql as $$
      select jsonb_build_object('role', current_user, 'type', jsonb_typeof(p_claims), 'uid', auth.uid())
    $$;`,
});
const stack = await testStack({}, { project: project.folder, timeLimitMs: 2_000 });
const { publishableKey, secretKey, anonKey, serviceRoleKey } = stack.secrets;

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(stack.url + path, { redirect: "manual", ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

Deno.test("a function sees its own path, the method, the body, the client and the key", async () => {
  const { status, body } = await call("/functions/v1/open/items/7?full=1", {
    method: "PUT",
    body: "hello",
    headers: { apikey: secretKey },
  });
  assert.equal(status, 200);
  assert.deepEqual(body, {
    method: "PUT",
    path: "/open/items/7?full=1",
    body: "hello",
    client: "127.0.0.1",
    apikey: secretKey,
  });
});

Deno.test("a function that is not configured requires a signed token", async () => {
  const withToken = (token: string) =>
    call("/functions/v1/guarded", { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await call("/functions/v1/guarded")).status, 401);
  assert.equal((await withToken(secretKey)).status, 401);
  assert.equal((await withToken(anonKey.slice(0, -2) + "xx")).status, 401);
  assert.deepEqual((await withToken(anonKey)).body, "reached");
});

Deno.test("a preflight request reaches a function without any token", async () => {
  assert.equal((await call("/functions/v1/guarded", { method: "OPTIONS" })).body, "reached");
});

Deno.test("an unknown function is 404 in JSON, whatever its name looks like", async () => {
  for (const name of ["nobody", "_shared", "..%2f..%2fetc", "open.ts"]) {
    const { status, body } = await call(`/functions/v1/${name}`);
    assert.deepEqual([status, body.code], [404, "NOT_FOUND"], name);
  }
  assert.equal((await call("/nowhere")).status, 404);
});

Deno.test("a function that does not answer in time is 504", async () => {
  const { status, body } = await call("/functions/v1/never", {
    headers: { authorization: `Bearer ${anonKey}` },
  });
  assert.deepEqual([status, body.code], [504, "IDLE_TIMEOUT"]);
});

Deno.test("a function's redirect goes to the client and is not followed", async () => {
  const response = await call("/functions/v1/moved", { headers: { authorization: `Bearer ${anonKey}` } });
  assert.deepEqual([response.status, response.headers.get("location")], [307, "http://127.0.0.1:1/"]);
});

Deno.test("the Data API wants a key, and each key has its role", async () => {
  const whoami = async (headers: Record<string, string>) =>
    await call("/rest/v1/rpc/whoami", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: `{"p_claims": {"a": 1}}`,
    });
  assert.equal((await whoami({})).status, 401);
  assert.equal((await whoami({ apikey: "sb_secret_guessed" })).status, 401);
  for (
    const [role, keys] of Object.entries({
      anon: [publishableKey, anonKey],
      service_role: [secretKey, serviceRoleKey],
    })
  ) {
    for (const key of keys) {
      assert.deepEqual((await whoami({ apikey: key })).body, { role, type: "object", uid: null });
      // What supabase-js sends.
      assert.equal((await whoami({ apikey: key, authorization: `Bearer ${key}` })).body.role, role);
    }
  }
});

Deno.test("the Data API grants nothing that the migrations did not grant", async () => {
  const read = (table: string, key: string) => call(`/rest/v1/${table}`, { headers: { apikey: key } });
  assert.deepEqual((await read("notes", secretKey)).body, []);
  assert.deepEqual((await read("news", publishableKey)).body, []);
  assert.equal((await read("notes", publishableKey)).status, 401);
  assert.equal((await read("news", secretKey)).status, 403);
});

Deno.test("a person who signs up acts as authenticated, with an id of their own", async () => {
  const headers = { apikey: publishableKey, "content-type": "application/json" };
  const { body: session } = await call("/auth/v1/signup", {
    method: "POST",
    headers,
    body: JSON.stringify({ email: "person@example.com", password: "correct horse battery" }),
  });
  const { body } = await call("/rest/v1/rpc/whoami", {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${session.access_token}` },
    body: `{"p_claims": {}}`,
  });
  assert.deepEqual(body, { role: "authenticated", type: "object", uid: session.user.id });
});

Deno.test("supabase-js keeps objects in a private bucket, which only the secret key opens", async () => {
  const storage = (key: string) => createClient(stack.url, key).storage;
  const bucket = storage(secretKey).from("notes");
  await storage(secretKey).createBucket("notes", { public: false });
  const upload = (text: string) => bucket.upload("a/b c.txt", text, { contentType: "text/plain" });
  assert.equal((await upload("kept")).error, null);
  assert.match((await upload("other")).error!.message, /already exists/);
  for (const key of [secretKey, serviceRoleKey]) {
    assert.equal(await (await storage(key).from("notes").download("a/b c.txt")).data!.text(), "kept");
  }
  assert.ok((await storage(publishableKey).from("notes").download("a/b c.txt")).error);
  await bucket.copy("a/b c.txt", "copy.txt");
  await bucket.remove(["a/b c.txt"]);
  assert.ok((await bucket.download("a/b c.txt")).error);
  assert.equal(await (await bucket.download("copy.txt")).data!.text(), "kept");
});

Deno.test("the APIs answer a browser's preflight request", async () => {
  const { status, headers } = await call("/rest/v1/notes", {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example.com",
      "access-control-request-method": "POST",
      "access-control-request-headers": "apikey, content-type",
    },
  });
  assert.equal(status, 204);
  assert.equal(headers.get("access-control-allow-origin"), "*");
  assert.equal(headers.get("access-control-allow-headers"), "apikey, content-type");
});

Deno.test("the API answers again after the database crashed, and nothing that was acknowledged is lost", async () => {
  const headers = { apikey: secretKey, "content-type": "application/json" };
  const stored = await call("/rest/v1/notes", { method: "POST", headers, body: `{"id": 1, "note": "kept"}` });
  assert.equal(stored.status, 201);
  await stack.restartPostgres();
  assert.deepEqual((await call("/rest/v1/notes", { headers })).body, [{ id: 1, note: "kept" }]);
  assert.deepEqual([...await stack.sql`select note from public.notes`], [{ note: "kept" }]);
});

Deno.test.afterAll(async () => {
  await stack.stop();
  await project.remove();
});
