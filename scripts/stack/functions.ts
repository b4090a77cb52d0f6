/**
 * The Edge Functions, each in a process of its own.
 *
 * As on the hosted platform a function sees `/<name>/…` as its path, gets the platform's environment variables, 256 MB,
 * and can neither start programs nor write files.
 */
import { join } from "node:path";
import { exists } from "./files.ts";
import { BootError, type ServerProcess, serverProcess } from "./server-process.ts";

/** The functions of a project. */
export interface FunctionHost {
  has(name: string): Promise<boolean>;
  /**
   * Passes a request on. Answers 503 when the function cannot start, 500 when it dies, 504 when it takes too long, which
   * ends its process.
   */
  invoke(name: string, request: Request): Promise<Response>;
  /** Kills a function's process, as a crash would, and resolves when it is gone. */
  kill(name: string): Promise<void>;
  /** Adds environment variables; every function starts anew with its next request. */
  setEnv(added: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param project folder that holds `supabase/functions`
 * @param env the functions' environment; changed by `setEnv`
 * @param timeLimitMs longest wait for a response; the hosted platform gives up after 150,000
 * @param log receives every line that a function prints, prefixed with its name
 */
export function hostFunctions(
  project: string,
  env: Record<string, string>,
  timeLimitMs: number,
  log: (line: string) => void,
): FunctionHost {
  const processes = new Map<string, ServerProcess>();
  const entryPoint = (name: string) => join(project, "supabase/functions", name, "index.ts");
  const readable = ["supabase/functions", "node_modules"].map((folder) => join(project, folder)).join(",");

  function processOf(name: string): ServerProcess {
    const known = processes.get(name);
    if (known) return known;
    const created = serverProcess({
      args: ["--allow-net", "--allow-env", `--allow-read=${readable}`, "--v8-flags=--max-old-space-size=256"]
        .concat(entryPoint(name)),
      env,
      cwd: project,
      log: (line) => log(`[${name}] ${line}`),
    });
    processes.set(name, created);
    return created;
  }

  const stopAll = async () => {
    await Promise.all([...processes.values()].map((one) => one.kill()));
  };
  return {
    has: async (name) => /^[A-Za-z][\w-]*$/.test(name) && await exists(entryPoint(name)),
    async invoke(name, request) {
      const { pathname, search } = new URL(request.url);
      const path = pathname.replace(/^\/functions\/v1/, "") + search;
      return await processOf(name).forward(request, path, timeLimitMs).catch(async (error) => {
        // It may hang in a loop, which the hosted platform would have ended; the next request meets a new one.
        if (error.name === "TimeoutError") await processOf(name).kill();
        return failure(error, timeLimitMs);
      });
    },
    kill: async (name) => await processes.get(name)?.kill(),
    async setEnv(added) {
      Object.assign(env, added);
      await stopAll();
    },
    stop: stopAll,
  };
}

function failure(error: Error, timeLimitMs: number): Response {
  if (error instanceof BootError) {
    return problem(503, "BOOT_ERROR", `Function failed to start: ${error.message}`);
  }
  if (error.name === "TimeoutError") {
    return problem(504, "IDLE_TIMEOUT", `Function sent no response within ${timeLimitMs / 1000} s`);
  }
  return problem(500, "WORKER_ERROR", "Function exited before it sent a response (please check its logs)");
}

/** An error of the platform, in its own JSON form. */
export function problem(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status, headers: { "access-control-allow-origin": "*" } });
}
