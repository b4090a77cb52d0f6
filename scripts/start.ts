/**
 * `deno task start [--no-demo] [--port=54321]`: prepares and starts the whole stack, plays the demo, and stays up until
 * Ctrl-C. The database listens on the port after the given one. Deno installs the npm packages before it runs the task.
 */
import { exitWithUsage, readArguments } from "./command-line.ts";
import { writeShellEnvironment } from "./stack/environment.ts";
import { resetCommand } from "./stack/paths.ts";
import { type Stack, startStack } from "./stack/stack.ts";
import { whenLauncherEnds } from "./stack/launcher.ts";
import { exitOnStackError } from "./stack/stack-error.ts";

const usage = "start [--no-demo] [--port=54321]";
const { values: flags } = readArguments(usage, {
  "no-demo": { type: "boolean" },
  port: { type: "string", default: "54321" },
});
const port = Number(flags.port);
// The database needs the next one.
if (!(Number.isInteger(port) && port >= 1024 && port < 65_535)) {
  exitWithUsage(`The port must be a number from 1024 to 65534, not ${flags.port}.`, usage);
}
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

function describe({ url, databaseUrl, secrets, env }: Stack, shellFile: string): string {
  return `
The stack is up after ${((performance.now() - start) / 1000).toFixed(1)} s.

  Project URL      ${url}
  Functions        ${url}/functions/v1/<name>
  Database         psql "${databaseUrl}"
  Publishable key  ${secrets.publishableKey}
  Secret key       ${secrets.secretKey}
  Internal token   ${env.INTERNAL_WEBHOOK_TOKEN}
  For your shell   . ${shellFile}

Ctrl-C stops it and leaves no process behind; the data stays until ${resetCommand}
`;
}

/** What the stack prints is held back while the demo plays, and shown when it fails. */
let heldBack: string[] | undefined = flags["no-demo"] ? undefined : [];
/** What is stopped complains of everything that went before it; nobody needs to read that. */
let stopping = false;

function print(line: string): void {
  if (!stopping) console.log(line);
}

function log(line: string): void {
  if (heldBack) heldBack.push(line);
  else print(line);
}

async function playDemo(stack: Stack): Promise<void> {
  const { runDemo } = await import("./demo.ts");
  try {
    await runDemo(stack, print);
    print(`\nThe stack stays up at ${stack.url} until Ctrl-C.`);
  } catch (error) {
    heldBack?.forEach(print);
    throw error;
  } finally {
    heldBack = undefined;
  }
}

function exitWithDatabase(lastWords: string): never {
  stopping = true;
  console.error(`The database ended by itself (${lastWords || "no last words"}): start the stack again.`);
  // Whatever else runs ends with this process; stopping it in order would stumble over dead connections.
  Deno.exit(1);
}

const { promise: stopSignalled, resolve: signalStop } = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, signalStop);

await exitOnStackError(() => run().finally(() => endStep("failed")));

async function run(): Promise<void> {
  const stack = await Promise.race([
    startStack({ port, databasePort: port + 1, progress: step, log }),
    stopSignalled,
  ]);
  if (!stack) {
    endStep("stopped");
    // Whatever runs already ends with this process.
    Deno.exit(130);
  }
  endStep();
  console.log(describe(stack, await writeShellEnvironment(stack.env)));
  stack.databaseDied.then(exitWithDatabase);
  const ended = Promise.race([stopSignalled, whenLauncherEnds()]);
  const demo = flags["no-demo"] ? Promise.resolve() : playDemo(stack);
  const code = await Promise.race([ended, demo.then(() => ended)]).then(() => 0, (error) => {
    console.error(`The demo failed. ${error instanceof Error ? error.message : error}`);
    return 1;
  });
  stopping = true;
  await stack.stop();
  Deno.exit(code);
}
