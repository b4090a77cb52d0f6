/** The steps of the scheduled scan, as GitHub runs them, against a real stack. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "./stack/ports.ts";
import { projectRoot } from "./stack/paths.ts";
import { failureReport, startHealing } from "./testing/healing.ts";

const workflow = await Deno.readTextFile(join(projectRoot, ".github/workflows/self-heal-scan.yml"));
/** The script of each step, by the step's name. */
const scripts = Object.fromEntries(
  workflow.split("      - name: ").slice(1).map((step) => {
    const [, name, script] = /^(.+)[^]*?\n +run: \|\n([^]+)$/.exec(step)!;
    return [name!, script!];
  }),
);

async function runStep(name: "Scan" | "Watch the timers", env: Record<string, string>) {
  const summary = await Deno.makeTempFile();
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-e", "-c", scripts[name]!],
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
      const { code, summary, output } = await runStep("Scan", {
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
          const { code, summary, output } = await runStep("Scan", env);
          assert.notEqual(code, 0);
          assert.equal(summary, "");
          assert.match(output, expected);
        }
      },
    );

    await t.step("timers that are on time are no news, and GitHub is known to watch", async () => {
      const { code, output } = await runStep("Watch the timers", { SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN });
      assert.deepEqual([code, output], [0, ""]);
      const [github] = await stack.sql`select seen_at from schedulers where name = 'github'`;
      assert.ok(github!.seen_at);
    });

    await t.step("timers that are late fail the job with their names", async () => {
      await stack.sql`update timers set installed_at = now() - interval '1 year', succeeded_at = null
        where name in ('health', 'incidents')`;
      const { code, output } = await runStep("Watch the timers", { SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN });
      assert.equal(code, 1);
      assert.match(output, /^::error title=Timers are late::health, incidents\. /);
    });

    await t.step("timers that cannot be watched fail the job with the reason", async () => {
      for (
        const [env, expected] of [
          [{ SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN: "wrong" }, /^::error .*HTTP status 401: .*"code":"auth\./],
          [
            { SUPABASE_URL: `http://127.0.0.1:${freePort()}`, INTERNAL_WEBHOOK_TOKEN },
            /^::error .*status 000/,
          ],
          [{ SUPABASE_URL, INTERNAL_WEBHOOK_TOKEN: "" }, /Add the repository secret INTERNAL_WEBHOOK_TOKEN/],
        ] as [Record<string, string>, RegExp][]
      ) {
        const { code, output } = await runStep("Watch the timers", env);
        assert.notEqual(code, 0);
        assert.match(output, expected);
      }
    });
  } finally {
    await stop();
  }
});
