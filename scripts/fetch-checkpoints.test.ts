import assert from "node:assert/strict";
import { startPublishing } from "../supabase/tests/checkpoints/publishing.ts";
import { projectRoot } from "./stack/paths.ts";

const world = await startPublishing();
const folder = await Deno.makeTempDir();

async function run(script: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `scripts/${script}.ts`, ...args],
    cwd: projectRoot,
    env: {
      NO_COLOR: "1",
      SUPABASE_URL: world.stack.url,
      SUPABASE_SECRET_KEY: world.stack.secrets.secretKey,
      DATABASE_URL: world.stack.databaseUrl,
    },
  }).output();
  return { code, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

function verify(table: string) {
  const key = world.stack.secrets.auditVerifierKey;
  return run("verify-audit", table, `--checkpoints=${folder}/${table}`, `--key=${key}`);
}

Deno.test("what was fetched is what the independent verifier compares the log with", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  assert.deepEqual(await run("fetch-checkpoints", folder, table), {
    code: 0,
    output: `${table}: 5 rows\n`,
    errors: "",
  });
  assert.equal((await verify(table)).code, 0);
  const { sql } = world.stack;
  await sql`alter table ${sql(table)} disable trigger user`;
  await sql`delete from ${sql(table)} where immutable_seq > 3`;
  assert.equal((await verify(table)).code, 1);
});

Deno.test("a copy remembers: a checkpoint that was replaced or taken away is an error", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  await run("fetch-checkpoints", folder, table);
  const object = `${table}/${"5".padStart(20, "0")}.txt`;
  await world.tamper(object, "another\n");
  const replaced = await run("fetch-checkpoints", folder, table);
  assert.deepEqual([replaced.code, /not the one that was there before/.test(replaced.errors)], [1, true]);
  await world.tamper(object, null);
  const gone = await run("fetch-checkpoints", folder, table);
  assert.deepEqual([gone.code, /is there no more/.test(gone.errors)], [1, true]);
});

Deno.test("a table whose checkpoint cannot be copied does not keep those of others from it", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  assert.deepEqual(await run("fetch-checkpoints", folder, "nowhere", table), {
    code: 1,
    output: `${table}: 5 rows\n`,
    errors: "nowhere: no checkpoint was published yet.\n",
  });
});

Deno.test("what cannot be fetched is said in one line", async () => {
  const file = await Deno.makeTempFile({ dir: folder });
  const misplaced = await run("fetch-checkpoints", `${file}/copies`, "nowhere");
  assert.deepEqual([misplaced.code, misplaced.output, misplaced.errors.split("\n").length], [1, "", 2]);
  assert.match(misplaced.errors, /Not a directory/);

  const { code, output, errors } = await run("fetch-checkpoints", folder, "nowhere");
  assert.deepEqual([code, output, errors], [1, "", "nowhere: no checkpoint was published yet.\n"]);
  assert.equal((await run("fetch-checkpoints")).code, 2);
});

Deno.test.afterAll(async () => {
  await world.stop();
  await Deno.remove(folder, { recursive: true });
});
