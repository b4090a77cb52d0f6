import { link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type CheckpointStore, CheckpointStoreError } from "../ports.ts";
import { checkpointFolder, checkpointName, sizeOfCheckpoint } from "./checkpoint-name.ts";

/**
 * Checkpoints as files: for whoever runs the functions on a machine of their own, with permission to write there.
 *
 * @param root must exist: a folder that is missing may be a disk that is not mounted, and no empty store
 */
export function folderCheckpointStore(root: string): CheckpointStore {
  return {
    latest: (table) =>
      asStoreErrors(async () => {
        const folder = join(root, checkpointFolder(table));
        const names = await readdir(folder).catch(async (error) => {
          if (error.code !== "ENOENT") throw error;
          await stat(root);
          return [];
        });
        const size = names.reduce((greatest, name) => Math.max(greatest, sizeOfCheckpoint(name) ?? -1), -1);
        return size < 0 ? null : { size, note: await readFile(join(folder, checkpointName(size)), "utf8") };
      }),
    put: (table, size, note) =>
      asStoreErrors(async () => {
        const folder = join(root, checkpointFolder(table));
        await mkdir(folder).catch(unlessThere);
        const file = join(folder, checkpointName(size));
        const unfinished = join(folder, `.${crypto.randomUUID()}`);
        try {
          await writeDurably(unfinished, note);
          // Unlike a rename, a link fails when the file is there.
          await link(unfinished, file).catch(unlessThere);
        } finally {
          await rm(unfinished, { force: true });
        }
        return await readFile(file, "utf8");
      }),
  };
}

function unlessThere(error: { code?: string }): void {
  if (error.code !== "EEXIST") throw error;
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function asStoreErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CheckpointStoreError(
      "checkpoint_store.unreachable",
      `The folder of checkpoints cannot be used: ${(error as Error).message}`,
    );
  }
}
