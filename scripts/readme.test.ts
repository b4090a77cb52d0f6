/** The README and the guides are run: their SQL against the database, the README's commands against the stack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { shellEnvironment } from "./stack/environment.ts";
import { projectRoot } from "./stack/paths.ts";
import type { Stack } from "./stack/stack.ts";
import { testStack } from "./testing/stack.ts";

const readme = await Deno.readTextFile(join(projectRoot, "README.md"));
const guides = await Promise.all(
  ["RULES.md", "INTEGRITY.md"].map((name) => Deno.readTextFile(join(projectRoot, ".github", name))),
);

function blocks(language: string, text = readme): string[] {
  const fenced = new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, "gm");
  return [...text.matchAll(fenced)].map(([, indent, text]) => text!.replaceAll(`\n${indent}`, "\n").trim());
}

async function run(command: string, env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", command],
    cwd: projectRoot,
    env,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const commands = blocks("sh");

/** Has a table's checkpoint published. */
async function publish(stack: Stack, table: string): Promise<void> {
  await stack.sql`update public.notification_channels set enabled = true where name = 'store'`;
  await stack.sql`select private.publish(${table})`;
  const response = await fetch(`${stack.url}/functions/v1/publish-checkpoints`, {
    method: "POST",
    headers: { apikey: stack.secrets.secretKey },
    body: "{}",
  });
  assert.deepEqual([response.status, (await response.json()).held_count], [200, 0]);
}

Deno.test("every task that the README and the guides name exists", async () => {
  const contributing = await Deno.readTextFile(join(projectRoot, ".github/CONTRIBUTING.md"));
  const named = [...(readme + guides + contributing).matchAll(/deno@[\d.]+ task ([a-z-]+)/g)].map((
    [, task],
  ) => task!);
  assert.ok(named.length > 4);
  assert.deepEqual(named.filter((task) => !(task in config.tasks)), []);
});

Deno.test("the README's SQL and commands do what they promise on a fresh project", async (t) => {
  const stack = await testStack();
  try {
    const queries = [readme, ...guides].flatMap((text) => blocks("sql", text));
    assert.ok(queries.length >= 5);
    for (const sql of queries) {
      await t.step(`runs: ${sql.split("\n")[0]}`, async () => {
        await stack.sql.unsafe(sql);
      });
    }
    const checkpoints = await Deno.makeTempDir();
    await publish(stack, "receipts");
    const runnable = commands.filter((command) =>
      /^curl|task (connect|fetch-checkpoints|evaluate|verify)\b/.test(command)
    );
    assert.equal(runnable.length, 8);
    for (const command of runnable) {
      await t.step(`runs: ${command.split("\n")[0]}`, async () => {
        const written = command.replaceAll(".stack/checkpoints", checkpoints);
        const { code, stdout, stderr } = await run(written, shellEnvironment(stack.env));
        assert.equal(code, 0, stderr);
        if (command.includes("X-Force-Failure")) assert.match(stdout, /Token expired/);
        else if (command.includes("/rules/evaluate")) assert.match(stdout, /"dryRun":true/);
        else if (command.includes("/system-health")) assert.equal(typeof JSON.parse(stdout).score, "number");
        else if (command.includes("task verify ")) assert.match(stdout, /ORDER_TOTAL_MATCHES_LINES/);
        else if (command.includes("task evaluate")) assert.equal(stdout, '["lane-latency-alert"]\n');
        else if (command.startsWith("curl")) {
          const [promised] = blocks("json");
          const { recovery_id, ...answer } = JSON.parse(stdout);
          assert.deepEqual({ ...answer, recovery_id: "0c4a…" }, JSON.parse(promised!), recovery_id);
        } else if (command.includes("verify-audit")) assert.match(stdout, /receipts/);
        else assert.equal((await stack.sql`select from user_integrations`).length, 1);
      });
    }
  } finally {
    await stack.stop();
  }
});

Deno.test("the README names every variable that functions read, and no other", async () => {
  const source = await Deno.readTextFile(join(projectRoot, "supabase/functions/_shared/adapters/env.ts"));
  const read = new Set([...source.matchAll(/\b([A-Z][A-Z_]+): /g)].map(([, name]) => name!));
  const [table] = /\n\| variable [^]+?\n\n/.exec(readme)!;
  const named = new Set(
    [...table.matchAll(/^\| .*?\|/gm)].flatMap(([cell]) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!)
    ),
  );
  assert.deepEqual([...named].sort(), [...read, "ENVIRONMENT"].sort());
});

Deno.test("the Supabase CLI knows every command and flag that the README and the workflows use", async (t) => {
  const deploy = await Deno.readTextFile(join(projectRoot, ".github/workflows/deploy.yml"));
  const calls = [
    ...(readme + deploy).matchAll(/npx -y (supabase@[\d.]+) ([a-z]+(?: [a-z]+)?)((?: --[a-z-]+)*)/g),
  ];
  assert.ok(calls.length >= 5);
  for (const [, cli, subcommand, flags] of calls) {
    await t.step(`knows: ${subcommand}${flags}`, async () => {
      const { code, stdout } = await run(`npx -y ${cli} ${subcommand} --help`, {});
      assert.equal(code, 0);
      // The hosted project is the one that is meant here.
      if (stdout.includes("Local by default")) assert.ok(flags!.includes(" --remote"), subcommand);
      for (const flag of flags!.trim().split(" ").filter(Boolean)) assert.ok(stdout.includes(flag), flag);
    });
  }
});
