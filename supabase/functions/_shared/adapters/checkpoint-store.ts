import type { CheckpointStore, Egress } from "../ports.ts";
import { folderCheckpointStore } from "./checkpoint-store-folder.ts";
import { storageCheckpointStore } from "./checkpoint-store-storage.ts";

/**
 * The place of signed checkpoints: `<table>/<size, 20 digits>.txt` in a folder when one is given, else in the private
 * bucket `audit-checkpoints` of the project's Storage, which is created when it is missing.
 *
 * @param egress may reach the project
 */
export function createCheckpointStore(
  config: { folder: string | null; project: { url: string; secretKey: string }; egress: Egress },
): CheckpointStore {
  return config.folder
    ? folderCheckpointStore(config.folder)
    : storageCheckpointStore(config.project, config.egress);
}
