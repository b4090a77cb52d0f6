import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import config from "../deno.json" with { type: "json" };
import { freePort } from "./stack/ports.ts";
import { projectRoot } from "./stack/paths.ts";
import { commandLineOf, parentOf } from "./stack/processes.ts";

// A clone of the repository has data of its own, so these tests run beside a stack of the original.
const clone = await Deno.makeTempDir({ prefix: "start-test-" });
await new Deno.Command("cp", {
  args: [
    "-a",
    ...["scripts", "supabase", "deno.json", "deno.lock"].map((name) => join(projectRoot, name)),
    clone,
  ],
}).output();
await Deno.symlink(join(projectRoot, "node_modules"), join(clone, "node_modules"));
const { stackHome }: typeof import("./stack/paths.ts") = await import(
  `file://${clone}/scripts/stack/paths.ts`
);
// The gateway's and the database's.
const port = freePort(2);

interface Run {
  pid: number;
  output: () => string;
  status: Promise<Deno.CommandStatus>;
}

/** Runs a task of the clone in a process group of its own, as a terminal does. */
function task(...args: string[]): Run {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["task", ...args],
    cwd: clone,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) output += new TextDecoder().decode(chunk);
  };
  const reading = Promise.all([read(process.stdout), read(process.stderr)]);
  const status = process.status.then(async (result) => (await reading, result));
  return { pid: process.pid, output: () => output, status };
}

/** Starts the stack and resolves when it has printed `text`; fails when it ended without. */
async function start(
  text = "The stack is up",
  options = ["--no-demo"],
): Promise<Run & { databaseUrl: string }> {
  const run = task("start", ...options, `--port=${port}`);
  let ended = false;
  run.status.then(() => ended = true);
  while (!run.output().includes(text)) {
    assert.ok(!ended, run.output());
    await pause();
  }
  const databaseUrl = /postgresql:\/\/\S+\/postgres/.exec(run.output())![0];
  return { ...run, databaseUrl };
}

async function signalGroup(pid: number, signal: string): Promise<void> {
  await new Deno.Command("/bin/sh", { args: ["-c", `kill -s ${signal} -- -${pid}`] }).output();
}

/** The processes that belong to the clone's stack. */
async function processesOfStack(): Promise<string[]> {
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", Deno.build.os === "linux" ? "cd /proc && echo [0-9]*" : "ps -axo pid="],
  }).output();
  const pids = new TextDecoder().decode(stdout).split(/\s+/).filter(Boolean).map(Number);
  const found = await Promise.all(pids.map(async (pid) => ({ pid, line: await commandLineOf(pid) })));
  return found.filter(({ line }) => line.includes(stackHome()) || line.includes(clone)).map(({ pid, line }) =>
    `${pid} ${line}`
  );
}

async function untilNothingIsLeft(): Promise<void> {
  while ((await processesOfStack()).length > 0) await pause();
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function query(databaseUrl: string, statement: string) {
  const sql = postgres(databaseUrl, { max: 1 });
  try {
    return [...await sql.unsafe(statement)];
  } finally {
    await sql.end();
  }
}

Deno.test("the stack comes up, refuses a second one and a reset beside it, and Ctrl-C leaves no process", async () => {
  const stack = await start();
  assert.equal((await fetch(`http://127.0.0.1:${port}/rest/v1/`)).status, 401);
  await query(stack.databaseUrl, "create table public.kept as select 1 as it");

  for (const args of [["start", "--no-demo", `--port=${freePort()}`], ["reset"]]) {
    const refused = task(...args);
    assert.equal((await refused.status).code, 1);
    assert.match(refused.output(), /A stack is already running on this data: stop it with Ctrl-C first\.\n$/);
  }
  assert.ok((await processesOfStack()).length > 0);
  await signalGroup(stack.pid, "INT");
  assert.equal((await stack.status).code, 0);
  assert.deepEqual(await processesOfStack(), []);
});

Deno.test("every task answers arguments that it does not know with one line, and does nothing", async () => {
  for (const name of Object.keys(config.tasks)) {
    const run = task(name, "--wrong");
    assert.equal((await run.status).code, 2, name);
    assert.match(run.output(), /^[^\n]*Task [^\n]*\n[^\n]*--wrong[^\n]*\n$/, name);
  }
  for (const port of ["abc", "80", "65535"]) {
    const run = task("start", `--port=${port}`);
    assert.equal((await run.status).code, 2);
    assert.match(run.output(), /The port must be a number from 1024 to 65534, not \w+\. Usage: /);
  }
});

Deno.test("the file that start names gives a shell what it needs", async () => {
  const stack = await start();
  const [, file] = /For your shell +\. (.+)/.exec(stack.output())!;
  assert.equal((await Deno.stat(file!)).mode! & 0o777, 0o600);
  const script = `. "${file}" && curl -sS "$SUPABASE_URL/rest/v1/settings?select=name&limit=1" ` +
    `-H "apikey: $SUPABASE_SECRET_KEY"`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  assert.match(new TextDecoder().decode(stdout), /^\[\{"name":/);
  await signalGroup(stack.pid, "INT");
  await stack.status;
});

Deno.test("Ctrl-C in the middle of the demo ends it without another word", async () => {
  const stack = await start("The demo: ", []);
  const underWay = "select 1 from public.system_integrity_events where service_name = 'demo-payments'";
  while ((await query(stack.databaseUrl, underWay)).length === 0) await pause();
  const before = stack.output();
  await signalGroup(stack.pid, "INT");
  assert.equal((await stack.status).code, 0);
  assert.equal(stack.output(), before);
  assert.deepEqual(await processesOfStack(), []);
});

Deno.test("a second start keeps the data", async () => {
  const stack = await start();
  assert.deepEqual(await query(stack.databaseUrl, "select it from public.kept"), [{ it: 1 }]);
  await signalGroup(stack.pid, "TERM");
  await stack.status;
});

Deno.test("nothing stays behind when the launcher is killed, and the next start recovers", async () => {
  const stack = await start();
  Deno.kill(stack.pid, "SIGKILL");
  await untilNothingIsLeft();
  const next = await start();
  assert.deepEqual(await query(next.databaseUrl, "select it from public.kept"), [{ it: 1 }]);
  await signalGroup(next.pid, "KILL");
  await next.status;
  await untilNothingIsLeft();
});

Deno.test("when the database server dies, the stack says so and ends", async () => {
  const stack = await start();
  const [server] = (await processesOfStack()).filter((line) => line.includes("/bin/postgres -D"));
  const pid = Number(server!.split(" ")[0]);
  assert.notEqual(await parentOf(pid), 0);
  Deno.kill(pid, "SIGKILL");
  assert.equal((await stack.status).code, 1);
  assert.match(stack.output(), /The database ended by itself \(.*\): start the stack again\.\n$/);
  await untilNothingIsLeft();
});

Deno.test("a port in use is one clear sentence", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const run = task("start", "--no-demo", `--port=${port}`);
  const { code } = await run.status;
  listener.close();
  assert.equal(code, 1);
  assert.match(
    run.output(),
    new RegExp(`\nPort ${port}, which the gateway needs, is used by another program: [^\n]*\n$`),
  );
});

Deno.test("an edited migration is one clear sentence", async () => {
  const folder = join(clone, "supabase/migrations");
  const [first] = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  const original = await Deno.readTextFile(join(folder, first!));
  await Deno.writeTextFile(join(folder, first!), `${original}\n-- edited\n`);
  const run = task("start", "--no-demo", `--port=${port}`);
  const { code } = await run.status;
  await Deno.writeTextFile(join(folder, first!), original);
  assert.equal(code, 1);
  assert.match(run.output(), new RegExp(`Migration ${first} was edited or removed .* task reset\n$`));
});

Deno.test("data that no longer starts is one clear sentence, and a reset helps", async () => {
  await Deno.remove(join(stackHome(), "data/global/pg_control"));
  const run = task("start", "--no-demo", `--port=${port}`);
  assert.equal((await run.status).code, 1);
  assert.match(
    run.output(),
    /The database in .*data does not start \(.*pg_control.*\): replace it .* task reset\n$/,
  );

  assert.equal((await task("reset").status).code, 0);
  const stack = await start();
  assert.deepEqual(await query(stack.databaseUrl, "select to_regclass('public.kept') as kept"), [{
    kept: null,
  }]);
  await signalGroup(stack.pid, "INT");
  await stack.status;
});

Deno.test.afterAll(async () => {
  await Deno.remove(clone, { recursive: true });
  await Deno.remove(stackHome(), { recursive: true }).catch(() => {});
});
