import assert from "node:assert/strict";
import { Ajv2020 } from "ajv";
import fc from "fast-check";
import { z } from "zod";
import { condition } from "../../testing/random-conditions.ts";
import { conditionSchema } from "./condition.ts";
import { validateCondition } from "./validate-condition.ts";

const conditionJsonSchema = z.toJSONSchema(conditionSchema);

/** What a schema does not count. */
const limits = /nested deeper|more than 500|levels of lists/;

Deno.test("an independent validator with the JSON Schema takes what we take, and refuses what we refuse", () => {
  const matchesSchema = new Ajv2020({ strictTypes: false }).compile(conditionJsonSchema);
  let sound = 0;
  fc.assert(
    fc.property(condition, (condition) => {
      const { valid, errors } = validateCondition(condition);
      fc.pre(!errors.some((error) => limits.test(error)));
      assert.equal(matchesSchema(condition), valid, errors.join());
      assert.equal(conditionSchema.safeParse(condition).success, valid, errors.join());
      if (valid) sound++;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(sound > 200 && sound < 1_800, `${sound} are sound`);
});

Deno.test("the JSON Schema has one branch for each kind of value, and one for groups", () => {
  const { anyOf } = (conditionJsonSchema.$defs as Record<string, { anyOf: { required: string[] }[] }>)
    .Condition!;
  assert.deepEqual(anyOf.map(({ required }) => required.join(" ")), [
    "field operator value",
    "field operator value",
    "field operator value",
    "field operator value",
    "field operator",
    "conditions",
  ]);
});
