import assert from "node:assert/strict";
import { functionSource, testProject } from "../testing/project.ts";
import { testStack } from "../testing/stack.ts";

const names = ["hello", "fragile", "broken", "nosy", "peer"];
const project = await testProject({
  "config.toml": names.map((name) => `[functions.${name}]\nverify_jwt = false\n`).join(""),
  "functions/hello/index.ts": functionSource(
    `{ pid: Deno.pid, mood: Deno.env.get("MOOD"), got: await request.text() }`,
  ),
  "functions/fragile/index.ts": `export default { fetch(request: Request) {
    if (request.method === "GET") return Response.json(Deno.pid);
    setTimeout(() => { throw new Error("fell over"); }, 1);
    return new Promise(() => {});
  } };`,
  "functions/broken/index.ts": `throw new Error("cannot load");`,
  "functions/nosy/index.ts": functionSource(`Object.fromEntries(await Promise.all(Object.entries({
    home: () => Deno.readTextFile("/etc/passwd"),
    run: async () => await new Deno.Command("id").output(),
    write: () => Deno.writeTextFile("/tmp/written-by-a-function", ""),
  }).map(async ([name, act]) => [name, await act().then(() => "allowed", (error) => error.name)])))`),
  "functions/peer/index.ts": functionSource(`Object.keys(Deno.env.toObject())`),
});
const lines: string[] = [];
const stack = await testStack({ MOOD: "calm" }, { project: project.folder, log: (line) => lines.push(line) });

async function call(name: string, init?: RequestInit) {
  const response = await fetch(`${stack.url}/functions/v1/${name}`, init);
  return { status: response.status, body: await response.json() };
}

Deno.test("a crash costs the request in flight a 500, the next request meets a new process", async () => {
  const before = await call("fragile");
  const crash = await call("fragile", { method: "POST" });
  const after = await call("fragile");
  assert.deepEqual([crash.status, crash.body.code], [500, "WORKER_ERROR"]);
  assert.equal(after.status, 200);
  assert.notEqual(after.body, before.body);
  assert.ok(
    lines.some((line) => line.startsWith("[fragile] ") && line.includes("fell over")),
    lines.join("\n"),
  );
});

Deno.test("a crash leaves other functions alone", async () => {
  const { body: before } = await call("hello");
  await call("fragile", { method: "POST" });
  assert.equal((await call("hello")).body.pid, before.pid);
});

Deno.test("a killed function is replaced", async () => {
  const { body: before } = await call("hello");
  await stack.killFunction("hello");
  const { status, body: after } = await call("hello");
  assert.equal(status, 200);
  assert.notEqual(after.pid, before.pid);
});

Deno.test("many first requests at once start one process", async () => {
  await stack.killFunction("hello");
  const answers = await Promise.all(Array.from({ length: 20 }, () => call("hello")));
  assert.equal(new Set(answers.map(({ body }) => body.pid)).size, 1);
});

Deno.test("a function that cannot load is 503 and says why", async () => {
  const { status, body } = await call("broken");
  assert.deepEqual([status, body.code], [503, "BOOT_ERROR"]);
  assert.match(body.message, /^Function failed to start: exit code 1, .*cannot load$/);
  assert.ok(lines.some((line) => line.includes("cannot load")));
});

Deno.test("a function can neither read the machine's files, nor write, nor start programs", async () => {
  const { body } = await call("nosy");
  assert.deepEqual(body, { home: "NotCapable", run: "NotCapable", write: "NotCapable" });
});

Deno.test("a function gets the platform's variables and nothing of the environment around the stack", async () => {
  Deno.env.set("SECRET_OF_THE_SHELL", "x");
  await stack.killFunction("peer");
  const { body } = await call("peer");
  for (
    const name of [
      "SUPABASE_URL",
      "SUPABASE_DB_URL",
      "SUPABASE_ANON_KEY",
      "SUPABASE_SERVICE_ROLE_KEY",
      "SUPABASE_PUBLISHABLE_KEYS",
      "SUPABASE_SECRET_KEYS",
    ]
  ) assert.ok(body.includes(name), name);
  assert.ok(!body.includes("SECRET_OF_THE_SHELL"));
});

Deno.test("changed variables reach functions that were running", async () => {
  assert.equal((await call("hello")).body.mood, "calm");
  await stack.setEnv({ MOOD: "excited" });
  assert.equal((await call("hello")).body.mood, "excited");
});

Deno.test.afterAll(async () => {
  await stack.stop();
  await project.remove();
});
