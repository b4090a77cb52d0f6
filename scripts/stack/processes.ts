/** Questions about other processes: from /proc on Linux, from `ps` elsewhere. */
import { kill } from "node:process";

/** Whether a process exists. */
export function isAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** The command line of a process; empty when there is none. */
export async function commandLineOf(pid: number): Promise<string> {
  if (Deno.build.os !== "linux") return await ps(pid, "command");
  return (await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "")).replaceAll("\0", " ");
}

/** The parent of a process; 0 when there is none. */
export async function parentOf(pid: number): Promise<number> {
  if (Deno.build.os !== "linux") return Number(await ps(pid, "ppid"));
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  // The program's name, in parentheses, may itself hold spaces and parentheses.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

async function ps(pid: number, column: string): Promise<string> {
  const { stdout } = await new Deno.Command("ps", { args: ["-p", String(pid), "-o", `${column}=`] }).output();
  return new TextDecoder().decode(stdout).trim();
}
