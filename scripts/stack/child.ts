/** Child processes that never outlive their parent, not even when the parent is killed with SIGKILL. */

/** How to start a child. */
export interface ChildOptions {
  command: string;
  args: string[];
  /** The child's whole environment; nothing is inherited. */
  env: Record<string, string>;
  cwd?: string;
  /** Run as this user instead of the current one (root only). */
  user?: { uid: number; gid: number };
  /** The signal that asks the child to end; also sent when the parent disappears. */
  stopSignal: "SIGINT" | "SIGKILL";
  /** Called with every line that the child writes to either output. */
  onLine: (line: string) => void;
}

/** A running child process. */
export interface Child {
  pid: number;
  /** Resolves when the process has ended and its output has been read. */
  ended: Promise<{ code: number; signal: string | null }>;
  signal(signal: Deno.Signal): void;
  /** Asks the child to end, kills it after `graceMs`, and resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

// The child's stdin is a pipe that only its parent holds. A watcher blocks on it and signals the child when it closes,
// which the kernel does however the parent ends. `exec` keeps the process id, so that signals reach the program itself.
const withLifeline = `exec 3<&0
(read -r _ <&3; kill -s "$0" $$) >/dev/null 2>&1 &
exec 3<&- </dev/null
exec "$@"`;

/** Starts a program as a {@link Child} in its own process group, so that Ctrl-C reaches only the parent. */
export function startChild(options: ChildOptions): Child {
  const process = new Deno.Command("/bin/sh", {
    args: ["-c", withLifeline, options.stopSignal.slice(3), options.command, ...options.args],
    env: options.env,
    clearEnv: true,
    cwd: options.cwd,
    uid: options.user?.uid,
    gid: options.user?.gid,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();

  const output = Promise.all([
    readLines(process.stdout, options.onLine),
    readLines(process.stderr, options.onLine),
  ]);
  const ended = process.status.then(async ({ code, signal }) => {
    await process.stdin.close().catch(() => {});
    await output;
    return { code, signal };
  });

  const signal = (name: Deno.Signal) => {
    try {
      process.kill(name);
    } catch (error) {
      // Already gone is what a signal to a dying process amounts to.
      if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
    }
  };
  return {
    pid: process.pid,
    ended,
    signal,
    async stop(graceMs) {
      const lastResort = setTimeout(() => signal("SIGKILL"), graceMs);
      signal(options.stopSignal);
      await ended;
      clearTimeout(lastResort);
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  for await (
    const chunk of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
  ) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  }
  if (rest) onLine(rest);
}
