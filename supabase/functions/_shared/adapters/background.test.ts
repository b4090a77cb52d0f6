import assert from "node:assert/strict";
import type { Logger } from "../ports.ts";
import { createBackground } from "./background.ts";

function recordingLogger() {
  const errors: unknown[] = [];
  const logger: Logger = {
    info: () => {},
    warn: () => {},
    error: (_event, fields) => void errors.push(fields?.error),
  };
  return { logger, errors };
}

Deno.test("the hosted runtime is told to wait for the work", async () => {
  const { logger, errors } = recordingLogger();
  const kept: Promise<unknown>[] = [];
  const waitUntil = <T>(promise: Promise<T>) => (kept.push(promise), promise);
  const runtime = { EdgeRuntime: { waitUntil } };
  createBackground({ logger, runtime })(Promise.resolve("done"));
  assert.equal(await kept[0], "done");
  assert.deepEqual(errors, []);
});

Deno.test("work that fails is logged and brings nothing down, on any runtime", async () => {
  for (const runtime of [{}, { EdgeRuntime: { waitUntil: <T>(promise: Promise<T>) => promise } }]) {
    const { logger, errors } = recordingLogger();
    const failure = new Error("failed");
    const work = Promise.reject(failure);
    createBackground({ logger, runtime })(work);
    await work.catch(() => {});
    await Promise.resolve();
    assert.deepEqual(errors, [failure]);
  }
});
