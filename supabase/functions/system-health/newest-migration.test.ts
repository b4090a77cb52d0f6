import assert from "node:assert/strict";
import { NEWEST_MIGRATION } from "./newest-migration.ts";

Deno.test("the functions ask for the newest migration of the folder, but the example's and the timers'", () => {
  const versions = [...Deno.readDirSync(new URL("../../migrations/", import.meta.url))]
    .map(({ name }) => /^(\d{14})_(.+)\.sql$/.exec(name)!)
    .filter(([, version, name]) => name !== "install_timers" && !version!.startsWith("202611200080"))
    .map(([, version]) => version!);
  assert.equal(NEWEST_MIGRATION, versions.sort().at(-1));
});
