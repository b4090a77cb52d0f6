/** The step of the scheduled scan, as GitHub runs it, against a real stack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "./stack/ports.ts";
import { projectRoot } from "./stack/paths.ts";
import { failureReport, startHealing } from "./testing/healing.ts";

const workflow = await Deno.readTextFile(join(projectRoot, ".github/workflows/self-heal-scan.yml"));
const [, script] = /\n +run: \|\n([^]+)$/.exec(workflow)!;

async function runScan(env: Record<string, string>) {
  const summary = await Deno.makeTempFile();
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-e", "-c", script!],
    env: { PATH: Deno.env.get("PATH")!, GITHUB_STEP_SUMMARY: summary, ...env },
    clearEnv: true,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const written = await Deno.readTextFile(summary);
  await Deno.remove(summary);
  return { code, summary: written, output: text(stdout) + text(stderr) };
}

Deno.test("the scheduled scan writes its counts into the job's summary, and is seen to fail", async (t) => {
  const { stack, provider, stop } = await startHealing();
  const { url: SUPABASE_URL, secrets: { internalWebhookToken: INTERNAL_WEBHOOK_TOKEN } } = stack;
  try {
    await t.step("what nobody reported is processed and counted", async () => {
      const { service_name, error_message, http_status } = failureReport("unreported", provider.url);
      const event = { service_name, error_message, http_status, event_type: "call", status: "error" };
      await stack.sql`insert into integration_events ${stack.sql(event)}`;
      const { code, summary, output } = await runScan({
        SUPABASE_URL: `${SUPABASE_URL}/`,
        INTERNAL_WEBHOOK_TOKEN,
      });
      assert.deepEqual([code, output], [0, ""]);
      assert.equal(
        summary,
        "### Self-heal scan\n\n| failures | count |\n| --- | ---: |\n" +
          "| processed | 1 |\n| resolved | 0 |\n| pending | 1 |\n| disabled | 0 |\n",
      );
    });

    await t.step(
      "a wrong token, a missing secret and a project that is gone fail with their reason",
      async () => {
        const cases: [Record<string, string>, RegExp][] = [
          [{ SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN: "wrong" }, /^::error .*HTTP status 401: .*"code":"auth\./],
          [{ SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN: "" }, /Add the repository secret INTERNAL_WEBHOOK_TOKEN/],
          [
            { SUPABASE_URL: `http://127.0.0.1:${freePort()}`, INTERNAL_WEBHOOK_TOKEN },
            /^::error .*status 000/,
          ],
        ];
        for (const [env, expected] of cases) {
          const { code, summary, output } = await runScan(env);
          assert.notEqual(code, 0);
          assert.equal(summary, "");
          assert.match(output, expected);
        }
      },
    );
  } finally {
    await stop();
  }
});
