/** Counts and prints what the parts of the test run found. */
import { StackError } from "../stack/stack-error.ts";

/** The outcome of one part, for example "core on Deno 2.9.6". */
export interface PartResult {
  passed: number;
  failed: number;
  /** Printed when something failed: what, and why. */
  details: string;
}

/** Sums up the parts of a test run. */
export class TestReport {
  #passed = 0;
  #failed = 0;

  /** Runs one part, prints its line, and adds its counts. A part that throws counts as one failure. */
  async part(name: string, run: () => Promise<PartResult>): Promise<void> {
    const start = performance.now();
    const result = await run().catch((error) => ({ passed: 0, failed: 1, details: describe(error) }));
    this.#passed += result.passed;
    this.#failed += result.failed;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      `${result.failed ? "✗" : "✓"} ${name}: ${result.passed} passed, ${result.failed} failed (${seconds} s)`,
    );
    if (result.failed) console.log(result.details.trimEnd().replace(/^/gm, "    "));
  }

  /** Prints a part that does not run here, and why. */
  skip(name: string, reason: string): void {
    console.log(`- ${name}: skipped, ${reason}`);
  }

  /** Prints the last line of the run. */
  finish(): { passed: number; failed: number } {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return { passed: this.#passed, failed: this.#failed };
  }
}

function describe(error: unknown): string {
  if (error instanceof StackError || !(error instanceof Error)) return String(error);
  return error.stack ?? error.message;
}
