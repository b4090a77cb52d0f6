import assert from "node:assert/strict";
import { runDemo } from "../demo.ts";
import { testStack } from "../testing/stack.ts";

Deno.test("the demo heals its failures, and again on the same data", async () => {
  const stack = await testStack();
  try {
    for (const run of ["first", "second"]) {
      const lines: string[] = [];
      const demo = await runDemo(stack, (line) => lines.push(line));
      await demo.stop();
      assert.match(lines.join("\n"), /Token refreshed, call repeated .* resolved/, `the ${run} run`);
    }
  } finally {
    await stack.stop();
  }
});
