/** What a person types after a task's name. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/**
 * Reads this command's options and words. Anything else ends the process with what is wrong and what may be typed,
 * exit code 2.
 *
 * @param usage what may be typed, for example `start [--no-demo] [--port=<number>]`
 * @param options as `parseArgs` of node:util takes them
 * @param mostWords how many words beside the options the command takes
 */
export function readArguments(
  usage: string,
  options: ParseArgsConfig["options"] = {},
  mostWords = 0,
): { values: Record<string, unknown>; words: string[] } {
  const args = Deno.args.filter((arg) => arg !== "--");
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (positionals.length > mostWords) throw new Error(`Unexpected argument '${positionals[mostWords]}'.`);
    return { values, words: positionals };
  } catch (error) {
    exitWithUsage((error as Error).message, usage);
  }
}

/** Ends the process with one line: what is wrong, and what may be typed. */
export function exitWithUsage(problem: string, usage: string): never {
  const sentence = problem.split(/\. |\.$/)[0];
  console.error(`${sentence}. Usage: npx -y deno@2.9.6 task ${usage}`);
  Deno.exit(2);
}

/** Tells a person at a terminal that the command waits for input; nothing when the input is a pipe or a file. */
export function announceInput(what: string): void {
  if (Deno.stdin.isTerminal()) console.error(`Waiting for ${what} on standard input; Ctrl-D ends it.`);
}
