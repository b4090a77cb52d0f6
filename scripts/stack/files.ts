/** Files and folders of the stack. */
import { rename, rm } from "node:fs/promises";
import { StackError } from "./stack-error.ts";

/** Whether a file or folder is there. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Moves a finished folder into place; when another process was faster, keeps the other one's. */
export async function moveUnlessTaken(finished: string, target: string): Promise<void> {
  try {
    await rename(finished, target);
  } catch (error) {
    if (!await exists(target)) throw error;
    await rm(finished, { recursive: true });
  }
}

/** Copies a folder with owners and modes. */
export async function copyFolder(from: string, to: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  if (!success) {
    throw new StackError("data.not_copied", `Copying ${from} failed: ${new TextDecoder().decode(stderr)}`);
  }
}
