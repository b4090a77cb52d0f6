import { deepEqual, equal, match, ok } from "node:assert/strict";
import { z } from "zod";
import type { PluginOutcome } from "../_shared/ports.ts";
import { onEvent, type Plugin, type PluginContext } from "../_shared/rules/plugins/plugin.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { runPlugin } from "./run-plugin.ts";

/** A plugin whose event `go` does what the test says. */
async function run(
  handle: (payload: { n: number }, context: PluginContext) => unknown,
  { pluginId = "test", eventType = "go", payload = { n: 1 } as unknown, timeLimitMs = 5_000 } = {},
) {
  let calls = 0;
  const plugin: Plugin = {
    id: "test",
    description: "Does what the test says.",
    events: {
      go: onEvent(z.strictObject({ n: z.number() }), (payload, context) => {
        calls++;
        return handle(payload, context);
      }),
    },
  };
  const logger = recordingLogger();
  const outcome = await runPlugin([plugin], { pluginId, eventType, payload, runId: "run-1" }, {
    logger,
    timeLimitMs,
  });
  return { outcome, calls, logger };
}

const errorOf = (outcome: PluginOutcome) => "error" in outcome ? outcome.error : "";

Deno.test("a plugin gets its payload and its run's id, and what it returns is the result", async () => {
  for (const wrap of [(value: unknown) => value, (value: unknown) => Promise.resolve(value)]) {
    const { outcome } = await run(({ n }, { runId, signal }) => wrap({ n, runId, aborted: signal.aborted }));
    deepEqual(outcome, { state: "handled", result: { n: 1, runId: "run-1", aborted: false } });
  }
  deepEqual((await run(() => undefined)).outcome, { state: "handled", result: null });
});

Deno.test("what a plugin throws is recorded without secrets, and logged", async () => {
  const token = `sb_secret_${"a1B2c3D4".repeat(4)}`;
  const throwers: [() => unknown, RegExp][] = [
    [() => {
      throw new RangeError("out of range");
    }, /^plugin\.threw: RangeError: out of range$/],
    [() => Promise.reject(new Error(`denied for ${token}`)), /^plugin\.threw: Error: denied for /],
    [() => Promise.reject("just text"), /^plugin\.threw: just text$/],
    [() => Promise.reject(Object.create(null)), /^plugin\.threw: it threw no Error$/],
    [() => Promise.reject(undefined), /^plugin\.threw: it threw no Error$/],
    [() => Promise.reject(new Error("x".repeat(100_000))), /^plugin\.threw: Error: x{400,}$/],
  ];
  for (const [thrower, error] of throwers) {
    const { outcome, logger } = await run(thrower);
    equal(outcome.state, "failed");
    match(errorOf(outcome), error);
    ok(!errorOf(outcome).includes(token));
    ok(errorOf(outcome).length < 600);
    deepEqual(logger.lines.map(({ event }) => event), ["plugin.threw"]);
  }
});

Deno.test("a plugin that takes too long is told to stop, and nobody knows what it did", async () => {
  let told = false;
  const waiting = ({ signal }: PluginContext) =>
    new Promise((_, reject) =>
      signal.addEventListener("abort", () => {
        told = true;
        reject(signal.reason);
      })
    );
  for (const handle of [waiting, () => new Promise(() => {})]) {
    const { outcome } = await run((_, context) => handle(context), { timeLimitMs: 10 });
    equal(outcome.state, "unreachable");
    match(errorOf(outcome), /^plugin\.timeout: test did not handle the event within 10 ms/);
  }
  ok(told);
});

Deno.test("a plugin is not called with what it does not take", async () => {
  const cases: [options: Parameters<typeof run>[1], code: string][] = [
    [{ pluginId: "nobody" }, "plugin.unknown"],
    [{ eventType: "toString" }, "plugin.event_unknown"],
    [{ payload: { n: "1" } }, "plugin.payload_invalid"],
    [{ payload: { n: 1, more: true } }, "plugin.payload_invalid"],
  ];
  for (const [options, code] of cases) {
    const { outcome, calls } = await run(() => "called", options);
    equal(outcome.state, "failed");
    equal(errorOf(outcome).split(":")[0], code);
    equal(calls, 0);
  }
});

Deno.test("a result that is no JSON, or too much of it, is refused", async () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const result of [cycle, 1n, "x".repeat(16 * 1024 - 1)]) {
    const { outcome } = await run(() => result);
    equal(outcome.state, "failed");
    match(errorOf(outcome), /^plugin\.result_invalid: /);
  }
  equal((await run(() => "word ".repeat(3_000))).outcome.state, "handled");
});

Deno.test("secrets in a result are hidden", async () => {
  const { outcome } = await run(() => ({ password: "hunter2-hunter2", sent: true }));
  deepEqual(outcome, { state: "handled", result: { password: "[redacted]", sent: true } });
});
