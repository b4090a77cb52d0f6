/** HTTP servers as Deno processes of their own, started when needed and again after they died. */
import { type Child, startChild } from "./child.ts";

/** What to run, and with what. */
export interface ServerProgram {
  /** Arguments of `deno serve`: permissions, then the module. */
  args: string[];
  /** The program's environment, on top of what Deno itself needs. */
  env: Record<string, string>;
  cwd: string;
  /** Receives every line that the program prints. */
  log: (line: string) => void;
}

/** A server that is started by its first request, and again by the first one after it died. */
export interface ServerProcess {
  /**
   * Passes a request on under another path.
   *
   * @throws BootError when the program ends before it listens
   * @throws DOMException `TimeoutError` when no response begins within `timeLimitMs`
   * @throws TypeError when the program dies before it answers
   */
  forward(request: Request, path: string, timeLimitMs: number): Promise<Response>;
  /** Starts the program, unless it runs already. */
  start(): Promise<void>;
  /** Kills the program, as a crash would, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** The program ended before it listened. */
export class BootError extends Error {
  override name = "BootError";
}

interface Running {
  child: Child;
  url: string;
}

/** Describes a server process; nothing runs before the first request. */
export function serverProcess(program: ServerProgram): ServerProcess {
  let running: Promise<Running> | undefined;

  function current(): Promise<Running> {
    if (running) return running;
    const started = running = launch(program);
    const forget = () => {
      if (running === started) running = undefined;
    };
    started.then(({ child }) => child.ended.then(forget), forget);
    return started;
  }

  return {
    async forward(request, path, timeLimitMs) {
      const { child, url } = await current();
      try {
        return await send(request, url + path, timeLimitMs);
      } catch (error) {
        // A program that dies closes its connections a little earlier; the next request shall meet a new one.
        if (error instanceof TypeError) await endedOrPatience(child, 250);
        throw error;
      }
    },
    start: async () => void await current(),
    async kill() {
      const child = await running?.then((one) => one.child, () => undefined);
      child?.signal("SIGKILL");
      await child?.ended;
    },
  };
}

function launch({ args, env, cwd, log }: ServerProgram): Promise<Running> {
  return new Promise((resolve, reject) => {
    let reason: string | undefined;
    const child = startChild({
      command: Deno.execPath(),
      args: ["serve", "--no-prompt", "--host=127.0.0.1", "--port=0", ...args],
      env: { ...denoEnvironment(), ...env, NO_COLOR: "1" },
      cwd,
      // On SIGTERM a server would wait for its open connections; the gateway has waited already.
      stopSignal: "SIGKILL",
      onLine(line) {
        const port = /^deno serve: Listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (port) return resolve({ child, url: `http://127.0.0.1:${port}` });
        if (!line.trim()) return;
        // The first line of an error says what happened, those after it where.
        if (!reason || line.startsWith("error: ")) reason = line.trim();
        log(line);
      },
    });
    child.ended.then(({ code }) => reject(new BootError(`exit code ${code}, ${reason ?? "no output"}`)));
  });
}

/** What Deno itself needs to find its cache and to trust the machine's certificates. */
function denoEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "DENO_CERT", "DENO_TLS_CA_STORE", "XDG_CACHE_HOME"];
  return Object.fromEntries(names.flatMap((name) => Deno.env.has(name) ? [[name, Deno.env.get(name)!]] : []));
}

async function send({ method, headers, body }: Request, url: string, timeLimitMs: number): Promise<Response> {
  const sent = new Headers(headers);
  // A compressed body would be decompressed on its way through here.
  sent.set("accept-encoding", "identity");
  const timeLimit = new AbortController();
  const timer = setTimeout(
    () => timeLimit.abort(new DOMException("time limit", "TimeoutError")),
    timeLimitMs,
  );
  try {
    return await fetch(url, { method, headers: sent, body, redirect: "manual", signal: timeLimit.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function endedOrPatience(child: Child, ms: number): Promise<void> {
  const { promise: patienceEnds, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([child.ended, patienceEnds]);
  clearTimeout(timer);
}
