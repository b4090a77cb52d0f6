/** Notices when the programs that launched this one (`npx`, `deno task`) are gone, even when they were killed. */
import { commandLineOf, parentOf } from "./processes.ts";

const checkEveryMs = 500;

/**
 * Resolves when a launcher between this process and the user's shell has ended.
 *
 * A launcher that is killed can pass no signal on. Its child then gets another parent, which is how it shows.
 */
export async function whenLauncherEnds(): Promise<void> {
  const parents = await launcherParents();
  while (true) {
    for (const [pid, parent] of parents) if (await parentOf(pid) !== parent) return;
    await new Promise((resolve) => setTimeout(resolve, checkEveryMs));
  }
}

/** This process and its launchers, each with its parent. */
async function launcherParents(): Promise<Map<number, number>> {
  const parents = new Map<number, number>();
  let pid = Deno.pid;
  for (let parent = Deno.ppid; isLauncher(await commandLineOf(parent)); parent = await parentOf(pid)) {
    parents.set(pid, parent);
    pid = parent;
  }
  return parents;
}

function isLauncher(commandLine: string): boolean {
  return /\b(deno|npx|npm)\b/.test(commandLine);
}
