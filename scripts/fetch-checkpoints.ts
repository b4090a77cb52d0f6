/**
 * `deno task fetch-checkpoints <folder> <table>...`: copies the newest checkpoint of each table from the project's
 * Storage into a folder, for `task verify-audit`. What the folder has stays: whoever copies regularly has a memory of
 * their own, and sees it when a checkpoint was replaced.
 */
import { exitWithUsage, readArguments } from "./command-line.ts";
import { runCommand } from "./data-api.ts";
import { createCheckpointStore } from "../supabase/functions/_shared/adapters/checkpoint-store.ts";
import { createEgress } from "../supabase/functions/_shared/adapters/egress.ts";
import { hostAndPort } from "../supabase/functions/_shared/core/egress/host-and-port.ts";
import type { CheckpointStore } from "../supabase/functions/_shared/ports.ts";

const usage = "fetch-checkpoints <folder> <table>...";
const { words: [folder, ...tables] } = readArguments(usage, {}, Infinity);
if (!folder || tables.length === 0) exitWithUsage("A folder and a table are needed", usage);

await runCommand(async () => {
  const [url, secretKey] = ["SUPABASE_URL", "SUPABASE_SECRET_KEY"].map((name) => Deno.env.get(name));
  if (!url || !secretKey) {
    throw new Error(
      "The environment lacks SUPABASE_URL or SUPABASE_SECRET_KEY. For the local stack: . .stack/env",
    );
  }
  if (!URL.canParse(url)) {
    throw new Error("SUPABASE_URL is no address. Write https://<project-ref>.supabase.co.");
  }
  const parts = { project: { url, secretKey }, egress: createEgress({ privateHosts: [hostAndPort(url)] }) };
  await Deno.mkdir(folder, { recursive: true });
  const published = createCheckpointStore({ ...parts, folder: null });
  const copies = createCheckpointStore({ ...parts, folder });
  for (const table of tables) {
    try {
      console.log(`${table}: ${await copyNewest(table, published, copies)} rows`);
    } catch (error) {
      console.error(`${table}: ${(error as Error).message}`);
      Deno.exitCode = 1;
    }
  }
});
// The time limits of the requests would keep the process for ten more seconds.
Deno.exit();

/** Resolves to the size of the checkpoint that the copies have then. */
async function copyNewest(
  table: string,
  published: CheckpointStore,
  copies: CheckpointStore,
): Promise<number> {
  const newest = await published.latest(table);
  const known = await copies.latest(table);
  if (known && (newest?.size ?? 0) < known.size) {
    throw new Error(`a checkpoint of ${known.size} rows was there before, and is there no more.`);
  }
  if (!newest) throw new Error("no checkpoint was published yet.");
  if (await copies.put(table, newest.size, newest.note) !== newest.note) {
    throw new Error(`the checkpoint of ${newest.size} rows is not the one that was there before.`);
  }
  return newest.size;
}
