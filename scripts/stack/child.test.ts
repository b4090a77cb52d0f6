import assert from "node:assert/strict";
import { startChild } from "./child.ts";
import { isAlive } from "./processes.ts";

const base = { command: "/bin/sh", env: { PATH: Deno.env.get("PATH")! }, stopSignal: "SIGINT" as const };

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

Deno.test("a child's output arrives line by line, its exit code at the end", async () => {
  const lines: string[] = [];
  const child = startChild({
    ...base,
    args: ["-c", "echo one; echo two >&2; printf three; exit 7"],
    onLine: (line) => lines.push(line),
  });
  assert.equal((await child.ended).code, 7);
  assert.deepEqual(lines.sort(), ["one", "three", "two"]);
});

Deno.test("a child that ignores its stop signal is killed", async () => {
  const { promise: ready, resolve } = Promise.withResolvers<string>();
  const child = startChild({
    ...base,
    args: ["-c", "trap '' INT; echo ready; while true; do sleep 0.1; done"],
    onLine: resolve,
  });
  await ready;
  await child.stop(100);
  assert.equal((await child.ended).signal, "SIGKILL");
});

Deno.test("stopping a child that has ended already does nothing", async () => {
  const child = startChild({ ...base, args: ["-c", "true"], onLine: () => {} });
  await child.ended;
  await child.stop(100);
});

Deno.test("a child ends when its parent is killed and can do nothing about it", async () => {
  const source = `
    import { startChild } from ${JSON.stringify(new URL("./child.ts", import.meta.url).href)};
    const child = startChild({
      command: "/bin/sh",
      args: ["-c", "while true; do sleep 0.1; done"],
      env: { PATH: Deno.env.get("PATH") },
      stopSignal: "SIGINT",
      onLine: () => {},
    });
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const parent = new Deno.Command(Deno.execPath(), {
    args: ["eval", source],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = parent.stdout.getReader();
  const childPid = Number(new TextDecoder().decode((await reader.read()).value));
  assert.ok(isAlive(childPid));
  parent.kill("SIGKILL");
  await parent.status;
  await reader.cancel();
  await untilGone(childPid);
});
