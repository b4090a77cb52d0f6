import assert from "node:assert/strict";
import { createBatcher } from "./batcher.ts";

/** A run function whose batches finish only when the test says so. */
function controlledRun() {
  const batches: { items: number[]; finish: (results: string[]) => void; fail: (error: Error) => void }[] =
    [];
  const run = (items: number[]) =>
    new Promise<string[]>((finish, fail) => {
      batches.push({ items, finish, fail });
    });
  return { run, batches };
}

const never = () => false;
const label = (items: number[]) => items.map((item) => `result ${item}`);
const turn = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

Deno.test("a lone call goes out at once", async () => {
  const { run, batches } = controlledRun();
  const answer = createBatcher(run, { maxBatch: 10, isRefusedInput: never })(1);
  assert.deepEqual(batches[0]?.items, [1]);
  batches[0]!.finish(["done"]);
  assert.equal(await answer, "done");
});

Deno.test("calls that arrive while a batch is in flight share the next one, and each gets its own result", async () => {
  const { run, batches } = controlledRun();
  const call = createBatcher(run, { maxBatch: 10, isRefusedInput: never });
  const answers = [call(1), call(2), call(3), call(4)];
  batches[0]!.finish(label(batches[0]!.items));
  await answers[0];
  await turn();
  assert.deepEqual(batches.map((batch) => batch.items), [[1], [2, 3, 4]]);
  batches[1]!.finish(label(batches[1]!.items));
  assert.deepEqual(await Promise.all(answers), ["result 1", "result 2", "result 3", "result 4"]);
});

Deno.test("a batch is never larger than the limit and nobody is lost behind it", async () => {
  const sizes: number[] = [];
  const call = createBatcher((items: number[]) => {
    sizes.push(items.length);
    return Promise.resolve(label(items));
  }, { maxBatch: 3, isRefusedInput: never });
  const answers = await Promise.all(Array.from({ length: 11 }, (_, index) => call(index)));
  assert.deepEqual(answers, label([...Array(11).keys()]));
  assert.deepEqual(sizes, [1, 3, 3, 3, 1]);
});

Deno.test("a failed batch fails all its callers and the next batch still runs", async () => {
  const { run, batches } = controlledRun();
  const call = createBatcher(run, { maxBatch: 10, isRefusedInput: never });
  const first = call(1);
  const second = call(2);
  batches[0]!.fail(new Error("connection lost"));
  await assert.rejects(first, /connection lost/);
  await turn();
  batches[1]!.finish(["fine"]);
  assert.equal(await second, "fine");
});

Deno.test("one poisoned item fails its own caller only", async () => {
  const call = createBatcher((items: number[]) => {
    return items.includes(5) ? Promise.reject(new RangeError("five")) : Promise.resolve(label(items));
  }, { maxBatch: 100, isRefusedInput: (error) => error instanceof RangeError });
  const outcomes = await Promise.allSettled(Array.from({ length: 9 }, (_, index) => call(index)));
  assert.deepEqual(outcomes.map((outcome) => outcome.status === "rejected"), [
    ...[false, false, false, false, false, true, false, false, false],
  ]);
});

Deno.test("an answer with the wrong number of results is an error for all, never a shifted result", async () => {
  const call = createBatcher(() => Promise.resolve(["one", "two"]), { maxBatch: 10, isRefusedInput: never });
  await assert.rejects(call(1), /1 items got 2 results/);
});

Deno.test("a run function that throws instead of rejecting does not wedge the batcher", async () => {
  let calls = 0;
  const call = createBatcher<number, string>(() => {
    if (++calls === 1) throw new Error("thrown");
    return Promise.resolve(["fine"]);
  }, { maxBatch: 10, isRefusedInput: never });
  await assert.rejects(call(1), /thrown/);
  assert.equal(await call(2), "fine");
});
