import assert from "node:assert/strict";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { DatabaseError } from "../_shared/ports.ts";
import { createRefusalLog } from "./refusals.ts";

function build(log: () => Promise<void> = () => Promise.resolve()) {
  const clock = fakeClock();
  const messages: string[] = [];
  const logger = {
    async logError({ error }: { error: unknown }) {
      await log();
      messages.push((error as { message: string }).message);
    },
  };
  return { clock, messages, logRefusal: createRefusalLog({ logger, clock }) };
}

Deno.test("the first refusal is logged at once, and a flood makes one entry a minute with its size", async () => {
  const { clock, messages, logRefusal } = build();
  for (let request = 0; request < 1_000; request++) await logRefusal();
  assert.equal(messages.length, 1);
  clock.advance(60_000);
  for (let request = 0; request < 1_000; request++) await logRefusal();
  assert.deepEqual(messages.map((message) => parseInt(message)), [1, 1_000]);
});

Deno.test("requests that come together while the entry is written make no second one", async () => {
  const { messages, logRefusal } = build();
  await Promise.all([logRefusal(), logRefusal(), logRefusal()]);
  assert.equal(messages.length, 1);
});

Deno.test("an entry that cannot be written is told", async () => {
  const down = new DatabaseError("database.unreachable", "try again", 503);
  const { logRefusal } = build(() => Promise.reject(down));
  await assert.rejects(logRefusal(), down);
});
