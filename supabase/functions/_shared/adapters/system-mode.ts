import { type Database, DatabaseError, type SystemMode } from "../ports.ts";
import { createBatcher } from "./batcher.ts";

/** Who asks while an answer is on its way shares the next one, which is read after the question. */
const MAX_SHARED = 1_000;

/** The mode as the database has it, read anew for each question. */
export function createSystemMode(database: Database): SystemMode {
  const ask = createBatcher(async (questions: true[]) => {
    const isSafe = await readMode(database);
    return questions.map(() => isSafe);
  }, { maxBatch: MAX_SHARED, isRefusedInput: () => false });
  return { isSafe: () => ask(true) };
}

async function readMode(database: Database): Promise<boolean> {
  const mode = await database.rpc<{ safeMode?: unknown } | null>("read_system_mode");
  if (typeof mode?.safeMode === "boolean") return mode.safeMode;
  throw new DatabaseError(
    "system_mode.unreadable",
    "read_system_mode does not say whether it is safe mode, so nothing is written. See the row of system_mode",
    503,
  );
}
