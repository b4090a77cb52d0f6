/** Invariants by HTTP, on a real database with the example's tables. */
import assert from "node:assert/strict";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { callFunction } from "../../../scripts/testing/call-function.ts";
import { testStack } from "../../../scripts/testing/stack.ts";

const ORPHANS = "NO_ORPHANED_SALE_ITEMS";

let stack: Stack;
Deno.test.beforeAll(async () => {
  stack = await testStack();
});
Deno.test.afterAll(() => stack.stop());

async function run(body: Record<string, unknown> = {}) {
  const answer = await callFunction(stack, "POST", "/invariants/run", body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

async function orphans(): Promise<number> {
  const [{ count }] = await stack.sql`select count(*)::int from sale_items` as [{ count: number }];
  return count;
}

Deno.test("a clean project scores 100, and every invariant of the example is known", async () => {
  const { results, notRun, score } = await run();
  assert.deepEqual(
    results.map(({ priority, invariant, error }: Record<string, unknown>) => [priority, invariant, error]),
    [
      ["P1", "NO_DUPLICATE_INVOICES", null],
      ["P1", "NO_NEGATIVE_STOCK", null],
      ["P1", "PAYMENT_SUM_MATCHES_SALE_TOTAL", null],
      ["P1", "SALE_TOTAL_MATCHES_LINE_ITEMS", null],
      ["P2", "CREDIT_LIMIT_NOT_EXCEEDED", null],
      ["P2", "STOCK_MOVEMENT_BALANCE", null],
      ["P3", ORPHANS, null],
    ],
  );
  assert.deepEqual([notRun, score], [[], { score: 100, lost: [], unknown: [] }]);
});

Deno.test("a dry run shows the rows that auto-correct would delete, and changes nothing", async () => {
  await stack
    .sql`with product as (insert into products (sku, name, price_minor) values ('A1', 'A lamp', 900) returning id)
    insert into sale_items (sale_id, product_id, quantity, unit_price_minor) select 4711, id, 1, 900 from product`;
  const { results: [shown], score, incidents } = await run({ names: [ORPHANS], dryRun: true });
  assert.deepEqual([shown.would_correct.length, shown.would_correct[0].sale_id], [1, 4711]);
  assert.deepEqual([score, incidents, await orphans()], [null, null, 1]);
  const { body } = await callFunction(stack, "GET", "/invariants/status");
  assert.deepEqual([body.score, body.violations], [100, []]);

  const { results: [found] } = await run({ names: [ORPHANS] });
  assert.deepEqual([found.open_violations, found.corrected, await orphans()], [1, 0, 1]);
  const status = await callFunction(stack, "GET", "/invariants/status?limit=5");
  assert.deepEqual([status.body.score, status.body.lost[0].points, status.body.violations[0].entity], [
    ...[96, 4, "4711"],
  ]);
  const { results: [corrected], incidents: { resolved } } = await run({ names: [ORPHANS] });
  assert.deepEqual([corrected.corrected, corrected.open_violations, await orphans()], [1, 0, 0]);
  assert.equal(resolved, 1);
});

Deno.test("a check that throws is told and becomes an incident, and the others are run all the same", async () => {
  await stack.sql`create function check_rates(p_entities text[] default null)
    returns table (entity text, expected text, actual text, details jsonb)
    language plpgsql stable set search_path = '' as $$
      begin
        if p_entities is null then raise exception 'the rates are missing'; end if;
      end
    $$`;
  await stack.sql`select register_invariant('A_FIRST_ONE', 'check_rates', 'P1')`;
  const { results, score } = await run();
  assert.deepEqual([results[0].invariant, results[0].error.code], ["A_FIRST_ONE", "invariant.failed"]);
  assert.deepEqual(results.slice(1).map(({ error }: { error: unknown }) => error), Array(7).fill(null));
  assert.deepEqual([score.score, score.unknown[0].invariant], [100, "A_FIRST_ONE"]);
  const { body } = await callFunction(stack, "GET", "/incidents?source=invariant-error");
  assert.equal(body.incidents[0].dedup_key, "invariant-error:A_FIRST_ONE");
});

Deno.test("one that is being run already says so, and a name that no invariant has is 404", async () => {
  await stack.sql.begin(async (other) => {
    await other`select from invariants where name = ${ORPHANS} for update`;
    const { results: [busy] } = await run({ names: [ORPHANS] });
    assert.equal(busy.error.code, "invariant.busy");
  });
  const { status, body } = await callFunction(stack, "POST", "/invariants/run", { names: ["NO_SUCH"] });
  assert.deepEqual([status, body.error.code], [404, "invariant.unknown"]);
  assert.match(body.error.message, /"NO_SUCH".*NO_NEGATIVE_STOCK/);
});
