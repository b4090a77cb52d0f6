import assert from "node:assert/strict";
import { runDemo } from "../demo.ts";
import { testStack } from "../testing/stack.ts";

Deno.test("the demo heals its failures within half a minute, and again on the same data", async () => {
  const stack = await testStack();
  try {
    for (const run of ["first", "second"]) {
      const lines: string[] = [];
      const started = Date.now();
      const demo = await runDemo(stack, (line) => lines.push(line));
      await demo.stop();
      assert.ok(Date.now() - started < 30_000, `The ${run} run took ${Date.now() - started} ms`);
      assert.match(lines.join("\n"), /Token refreshed, call repeated .* resolved/);
    }
  } finally {
    await stack.stop();
  }
});
