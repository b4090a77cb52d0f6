/** Runs `deno test` as a child process and counts its tests. */
import { projectRoot } from "../stack/paths.ts";
import type { PartResult } from "./report.ts";

/** Ends a run that hangs; the whole end-to-end part takes a slow and busy machine well over a quarter of an hour. */
const longestRunMs = 60 * 60_000;

/**
 * @param command the Deno to use, for example `["deno"]`
 * @param args permissions and other flags
 * @param files the test files, relative to the repository
 */
export async function runDenoTest(command: string[], args: string[], files: string[]): Promise<PartResult> {
  const [program, ...rest] = command;
  const { stdout, stderr, success } = await new Deno.Command(program!, {
    args: [...rest, "test", ...args, ...files],
    cwd: projectRoot,
    // Deno 2.1 trusts only its own certificates unless told to trust the machine's too, as newer versions do.
    env: { NO_COLOR: "1", DENO_TLS_CA_STORE: "system,mozilla" },
    stdin: "null",
    signal: AbortSignal.timeout(longestRunMs),
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return countTests(output, success);
}

/**
 * Reads the summary of `deno test`, such as `FAILED | 12 passed (3 steps) | 1 failed | 1 ignored (2s)`.
 *
 * A test that was ignored proves nothing and counts as failed; so does a run that ended without a summary.
 */
export function countTests(output: string, success: boolean): PartResult {
  const summary = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?:.*? \| (\d+) ignored)?/m.exec(output);
  const [passed, reported, ignored] = [1, 2, 3].map((group) => Number(summary?.[group] ?? 0)) as [
    number,
    number,
    number,
  ];
  const failed = reported + ignored;
  // For example an error outside of any test, or a file that does not load.
  const unexplained = !success && failed === 0 ? 1 : 0;
  const errors = output.indexOf("\n ERRORS ");
  return { passed, failed: failed + unexplained, details: errors < 0 ? output : output.slice(errors) };
}
