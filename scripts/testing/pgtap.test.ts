import assert from "node:assert/strict";
import { join } from "node:path";
import { runPgTap } from "./pgtap.ts";
import { testDatabase } from "./stack.ts";

const database = await testDatabase();
const folder = await Deno.makeTempDir();

async function run(script: string) {
  const file = join(folder, "a.test.sql");
  await Deno.writeTextFile(file, script);
  const [result] = await runPgTap(database.url, [file]);
  return { passed: result!.passed, failed: result!.failed, problems: result!.problems.join("\n") };
}

Deno.test("tests that hold are counted, with a plan or without", async () => {
  const two = "select ok(true, 'yes'); select is(1, 1, 'same'); select * from finish();";
  assert.deepEqual(await run(`select plan(2); ${two}`), { passed: 2, failed: 0, problems: "" });
  assert.deepEqual(await run(`select no_plan(); ${two}`), { passed: 2, failed: 0, problems: "" });
  assert.deepEqual(await run(`begin; select plan(2); ${two} rollback;`), {
    passed: 2,
    failed: 0,
    problems: "",
  });
});

Deno.test("a test that does not hold is named, with what was had and wanted", async () => {
  const result = await run(
    "select plan(2); select ok(true); select is(1, 2, 'one is two'); select * from finish();",
  );
  assert.deepEqual([result.passed, result.failed], [1, 1]);
  assert.match(result.problems, /one is two[^]*have: 1[^]*want: 2/);
});

Deno.test("an error fails the file and names the line", async () => {
  const result = await run("select plan(1);\nselect ok(true);\nselect nonsense();\nselect * from finish();");
  assert.deepEqual([result.passed, result.failed], [0, 1]);
  assert.match(result.problems, /line 3: function nonsense\(\) does not exist \(42883\)/);
});

Deno.test("a file that runs fewer tests than planned fails", async () => {
  assert.equal((await run("select plan(3); select ok(true); select * from finish();")).failed, 1);
});

Deno.test("a file without any test fails", async () => {
  assert.match((await run("select 1;")).problems, /ran no test/);
});

Deno.test("a file leaves nothing behind, even when it fails", async () => {
  await run("create table public.left_behind (); select plan(1); select ok(false); select * from finish();");
  const result = await run("select plan(1); select hasnt_table('left_behind'); select * from finish();");
  assert.deepEqual([result.passed, result.failed], [1, 0]);
});

Deno.test.afterAll(async () => {
  await database.stop();
  await Deno.remove(folder, { recursive: true });
});
