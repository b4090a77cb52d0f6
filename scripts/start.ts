/**
 * `deno task start [--no-demo] [--port=54321]`: prepares and starts the whole stack, plays the demo, and stays up until
 * Ctrl-C. The database listens on the port after the given one. Deno installs the npm packages before it runs the task.
 */
import { parseArgs } from "node:util";
import { resetCommand } from "./stack/paths.ts";
import { type Stack, startStack } from "./stack/stack.ts";
import { whenLauncherEnds } from "./stack/launcher.ts";
import { exitOnStackError } from "./stack/stack-error.ts";

const { values: flags } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { "no-demo": { type: "boolean" }, port: { type: "string", default: "54321" } },
});
const start = performance.now();
let endStep = (_outcome?: string) => {};

/** Prints a step's name now, and its duration when the next step begins. */
function step(name: string): void {
  endStep();
  const stepStart = performance.now();
  Deno.stdout.writeSync(new TextEncoder().encode(`${name} … `));
  endStep = (outcome = `${((performance.now() - stepStart) / 1000).toFixed(1)} s`) => {
    console.log(outcome);
    endStep = () => {};
  };
}

function describe({ url, databaseUrl, secrets }: Stack): string {
  return `
The stack is up after ${((performance.now() - start) / 1000).toFixed(1)} s.

  Project URL      ${url}
  Functions        ${url}/functions/v1/<name>
  Database         psql "${databaseUrl}"
  Publishable key  ${secrets.publishableKey}
  Secret key       ${secrets.secretKey}
  Internal token   ${secrets.internalWebhookToken}

Ctrl-C stops it and leaves no process behind; the data stays until ${resetCommand}
`;
}

/** What functions and timers print is held back while the demo plays, and shown when it fails. */
let heldBack: string[] | undefined = flags["no-demo"] ? undefined : [];

function log(line: string): void {
  if (heldBack) heldBack.push(line);
  else console.log(line);
}

async function playDemo(stack: Stack): Promise<void> {
  const { runDemo } = await import("./demo.ts");
  try {
    await runDemo(stack);
  } catch (error) {
    heldBack?.forEach((line) => console.log(line));
    throw error;
  } finally {
    heldBack = undefined;
  }
}

/** Resolves with the exit code, after a signal, the end of the launcher, or the death of the database. */
function end(stack: Stack): Promise<number> {
  return new Promise((resolve) => {
    whenLauncherEnds().then(() => resolve(0));
    stack.databaseDied.then((lastWords) => {
      console.error(`The database ended by itself (${lastWords || "no last words"}): start the stack again.`);
      resolve(1);
    });
    stopSignalled.then(() => resolve(0));
  });
}

const { promise: stopSignalled, resolve: signalStop } = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, signalStop);

await exitOnStackError(() => run().finally(() => endStep("failed")));

async function run(): Promise<void> {
  const port = Number(flags.port);
  const stack = await Promise.race([
    startStack({ port, databasePort: port + 1, progress: step, log }),
    stopSignalled,
  ]);
  // Whatever runs already ends with this process.
  if (!stack) Deno.exit(130);
  endStep();
  console.log(describe(stack));
  const ended = end(stack);
  const demo = flags["no-demo"] ? Promise.resolve() : playDemo(stack);
  const code = await Promise.race([ended, demo.then(() => ended)]).catch((error) => {
    console.error(`The demo failed. ${error instanceof Error ? error.message : error}`);
    return 1;
  });
  await stack.stop();
  Deno.exit(code);
}
