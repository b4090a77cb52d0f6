/** The database and the engine say the same about a condition: thousands of them, sound, spoilt and absurd. */
import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { validateCondition } from "../../functions/_shared/core/rules/validate-condition.ts";
import { condition, crowd } from "../../functions/_shared/testing/random-conditions.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1 });

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

/** What the database says about each condition. */
async function errorsInSql(conditions: unknown[]): Promise<string[][]> {
  const rows = await sql`
    select private.condition_errors(c.condition) as errors
    from jsonb_array_elements(${
    JSON.stringify(conditions)
  }::text::jsonb) with ordinality c (condition, i) order by i`;
  return rows.map((row) => row.errors);
}

Deno.test("the database says of every condition exactly what the engine says", async () => {
  let sounds = 0;
  let total = 0;
  const batch = fc.array(fc.oneof({ weight: 9, arbitrary: condition }, { weight: 1, arbitrary: crowd }), {
    minLength: 1,
    maxLength: 200,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(batch, async (conditions) => {
      const read: unknown[] = JSON.parse(JSON.stringify(conditions));
      const expected = read.map((condition) => validateCondition(condition).errors);
      assert.deepEqual(await errorsInSql(conditions), expected);
      sounds += expected.filter((errors) => errors.length === 0).length;
      total += expected.length;
    }),
    { numRuns: 30 },
  );
  assert.ok(sounds > total / 20 && sounds < total * 0.95, `${sounds} of ${total} are sound`);
});

Deno.test("only the engine knows which patterns RE2 refuses", async () => {
  const condition = { field: "message", operator: "matches", value: "(?=look-ahead)" };
  assert.deepEqual(await errorsInSql([condition]), [[]]);
  assert.match(
    validateCondition(condition).errors.join(),
    /^Operator matches requires a pattern in the syntax of RE2/,
  );
});
