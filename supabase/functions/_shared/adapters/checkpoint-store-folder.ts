import { link, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CheckpointStore, CheckpointStoreError } from "../ports.ts";
import { checkpointFolder, checkpointName, sizeOfCheckpoint } from "./checkpoint-name.ts";

/** Checkpoints as files: for whoever runs the functions on a machine of their own, with permission to write there. */
export function folderCheckpointStore(root: string): CheckpointStore {
  return {
    latest: (table) =>
      asStoreErrors(async () => {
        const folder = join(root, checkpointFolder(table));
        const names = await readdir(folder).catch((error) => {
          if (error.code !== "ENOENT") throw error;
          return [];
        });
        const size = Math.max(-1, ...names.map((name) => sizeOfCheckpoint(name) ?? -1));
        return size < 0 ? null : { size, note: await readFile(join(folder, checkpointName(size)), "utf8") };
      }),
    put: (table, size, note) =>
      asStoreErrors(async () => {
        const folder = join(root, checkpointFolder(table));
        await mkdir(folder, { recursive: true });
        const file = join(folder, checkpointName(size));
        const unfinished = join(folder, `.${crypto.randomUUID()}`);
        try {
          await writeDurably(unfinished, note);
          // Unlike a rename, a link fails when the file is there.
          await link(unfinished, file);
        } catch (error) {
          if ((error as { code?: string }).code !== "EEXIST") throw error;
        } finally {
          await rm(unfinished, { force: true });
        }
        return await readFile(file, "utf8");
      }),
  };
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
      `The folder of AUDIT_CHECKPOINT_DIR cannot be used: ${(error as Error).message}`,
    );
  }
}
