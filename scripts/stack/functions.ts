/**
 * The Edge Functions: each one a Deno process of its own, started by its first request and again after it died.
 *
 * As on the hosted platform a function sees `/<name>/…` as its path, gets the platform's environment variables and can
 * neither start programs nor write files.
 */
import { join } from "node:path";
import { type Child, startChild } from "./child.ts";
import { exists } from "./files.ts";

/** The running functions of a project. */
export interface FunctionHost {
  has(name: string): Promise<boolean>;
  /** Passes a request on. Answers 503 when the function cannot start, 500 when it dies, 504 when it takes too long. */
  invoke(name: string, request: Request): Promise<Response>;
  /** Kills a function's process, as a crash would, and resolves when it is gone. */
  kill(name: string): Promise<void>;
  /** Adds environment variables; every function starts anew with its next request. */
  setEnv(added: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
}

interface FunctionProcess {
  child: Child;
  url: string;
}

/**
 * @param project folder that holds `supabase/functions`
 * @param env the functions' whole environment
 * @param timeLimitMs longest wait for a response; the hosted platform gives up after 150,000
 * @param log receives every line that a function prints, prefixed with its name
 */
export function hostFunctions(
  project: string,
  env: Record<string, string>,
  timeLimitMs: number,
  log: (line: string) => void,
): FunctionHost {
  const running = new Map<string, Promise<FunctionProcess>>();

  function processOf(name: string): Promise<FunctionProcess> {
    const known = running.get(name);
    if (known) return known;
    const started = startFunction(project, name, env, log);
    running.set(name, started);
    const forget = () => running.get(name) === started && running.delete(name);
    started.then(({ child }) => child.ended.then(forget), forget);
    return started;
  }

  async function stopAll(): Promise<void> {
    const processes = await Promise.allSettled(running.values());
    await Promise.all(processes.map((one) => one.status === "fulfilled" && one.value.child.stop(2_000)));
  }

  return {
    has: async (name) => /^[A-Za-z][\w-]*$/.test(name) && await exists(entryPoint(project, name)),
    async invoke(name, request) {
      let target: FunctionProcess;
      try {
        target = await processOf(name);
      } catch (error) {
        return problem(503, "BOOT_ERROR", `Function failed to start: ${(error as Error).message}`);
      }
      try {
        return await forward(request, target.url, timeLimitMs);
      } catch (error) {
        if ((error as Error).name === "TimeoutError") {
          return problem(504, "IDLE_TIMEOUT", `Function sent no response within ${timeLimitMs / 1000} s`);
        }
        // A process that dies closes its connections first; the next request shall meet a new process.
        await Promise.race([target.child.ended, new Promise((resolve) => setTimeout(resolve, 250))]);
        return problem(
          500,
          "WORKER_ERROR",
          "Function exited before it sent a response (please check its logs)",
        );
      }
    },
    async kill(name) {
      const target = await running.get(name);
      target?.child.signal("SIGKILL");
      await target?.child.ended;
    },
    async setEnv(added) {
      Object.assign(env, added);
      await stopAll();
    },
    stop: stopAll,
  };
}

/** An error of the platform, in its own JSON form. */
export function problem(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status, headers: { "access-control-allow-origin": "*" } });
}

function entryPoint(project: string, name: string): string {
  return join(project, "supabase/functions", name, "index.ts");
}

function startFunction(
  project: string,
  name: string,
  env: Record<string, string>,
  log: (line: string) => void,
): Promise<FunctionProcess> {
  const readable = ["supabase/functions", "node_modules"].map((folder) => join(project, folder)).join(",");
  return new Promise((resolve, reject) => {
    let lastLine = "no output";
    const child = startChild({
      command: Deno.execPath(),
      args: ["serve", "--no-prompt", "--allow-net", "--allow-env", `--allow-read=${readable}`]
        .concat([
          "--v8-flags=--max-old-space-size=256",
          "--host=127.0.0.1",
          "--port=0",
          entryPoint(project, name),
        ]),
      env: { ...denoEnvironment(), ...env },
      cwd: project,
      stopSignal: "SIGTERM",
      onLine(line) {
        // deno-lint-ignore no-control-regex
        const plain = line.replace(/\x1b\[[0-9;]*m/g, "");
        const port = /Listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(plain)?.[1];
        if (port) return resolve({ child, url: `http://127.0.0.1:${port}` });
        if (!plain.trim()) return;
        lastLine = plain;
        log(`[${name}] ${plain}`);
      },
    });
    child.ended.then(({ code }) => reject(new Error(`exit code ${code}, ${lastLine}`)));
  });
}

/** What Deno itself needs to find its cache and to trust the machine's certificates. */
function denoEnvironment(): Record<string, string> {
  const names = [
    "PATH",
    "HOME",
    "DENO_DIR",
    "DENO_CERT",
    "DENO_TLS_CA_STORE",
    "NPM_CONFIG_REGISTRY",
    "XDG_CACHE_HOME",
  ];
  return Object.fromEntries(names.flatMap((name) => Deno.env.has(name) ? [[name, Deno.env.get(name)!]] : []));
}

async function forward(request: Request, target: string, timeLimitMs: number): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  // A compressed body would be decompressed on its way through here.
  headers.set("accept-encoding", "identity");
  const timeLimit = new AbortController();
  const timer = setTimeout(
    () => timeLimit.abort(new DOMException("time limit", "TimeoutError")),
    timeLimitMs,
  );
  try {
    return await fetch(target + pathname.replace(/^\/functions\/v1/, "") + search, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
      signal: timeLimit.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}
