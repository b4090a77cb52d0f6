import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type Database, DatabaseError } from "../../ports.ts";
import { actionContext } from "../../testing/action-context.ts";
import { createPluginRegistry } from "../plugins/registry.ts";
import { type Allocation, type LedgerAllocate, ledgerAllocate } from "./ledger-allocate.ts";

const id = "00000000-0000-4000-8000-000000000001";
const checkDeps = { pluginRegistry: createPluginRegistry(), projectUrl: "https://x.example" };
const define = (...allocations: Allocation[]): LedgerAllocate => ({
  type: "ledger_allocate",
  ledgerEventId: id,
  allocations,
});
const shares = (...shares: number[]) => define(...shares.map((share, i) => ({ bucket: `b${i}`, share })));
const check = (definition: LedgerAllocate) => ledgerAllocate.check(definition, checkDeps);
const isValid = (value: unknown) => ledgerAllocate.schema.safeParse(value).success;

async function run(definition: LedgerAllocate, answer: unknown) {
  const calls: unknown[] = [];
  const database: Database = {
    rpc: (...call) => {
      calls.push(call);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as never);
    },
  };
  const context = { ...actionContext({ database }), event: { eventId: "e1" } };
  context.rule.id = "split";
  return { outcome: await ledgerAllocate.run(definition, context), calls };
}

Deno.test("shares, fixed amounts and both are allocations", () => {
  const mixed = define({ bucket: "fee", amountMinor: 35 }, { bucket: "tax", share: 0.2 }, {
    bucket: "shop",
    share: 0.8,
  });
  for (
    const definition of [shares(1), shares(0.1, 0.2, 0.7), define({ bucket: "a", amountMinor: 1 }), mixed]
  ) {
    ok(isValid(definition));
    deepEqual(check(definition), []);
  }
});

Deno.test("allocations that cannot be are refused by their shape", () => {
  const allocations = [
    {},
    { bucket: "a" },
    { bucket: "a", share: 1, amountMinor: 1 },
    { bucket: "", share: 1 },
    { bucket: "a", share: 0 },
    { bucket: "a", share: -0.5 },
    { bucket: "a", share: "1" },
    { bucket: "a", share: Infinity },
    { bucket: "a", amountMinor: 1.5 },
    { bucket: "a", amountMinor: -5 },
    { bucket: "a", amountMinor: 0 },
    { bucket: "a", amountMinor: 2 ** 53 },
    { bucket: "a", share: 1, currency: "EUR" },
    null,
  ];
  for (const one of allocations) ok(!isValid({ ...define(), allocations: [one] }), JSON.stringify(one));
  ok(!isValid(define()));
  ok(!isValid(define(...Array.from({ length: 101 }, (_, i) => ({ bucket: `b${i}`, amountMinor: 1 })))));
});

Deno.test("shares are added as decimals, not as binary fractions", () => {
  deepEqual(check(shares(...Array(10).fill(0.1))), []);
  deepEqual(check(shares(0.333333333333, 0.333333333333, 0.333333333334)), []);
  deepEqual(check(shares(0.000000000001, 0.999999999999)), []);
  deepEqual(check(shares(0.333333333333, 0.333333333333, 0.333333333333)), [
    "allocations: the shares sum to 0.999999999999 instead of 1; write 0.7 for 70 %",
  ]);
});

Deno.test("percentages, thirds and repeated buckets are found before the rule is saved", () => {
  deepEqual(check(shares(70, 30)), ["allocations: the shares sum to 100 instead of 1; write 0.7 for 70 %"]);
  deepEqual(check(shares(0.7, 0.2)), ["allocations: the shares sum to 0.9 instead of 1; write 0.7 for 70 %"]);
  deepEqual(check(shares(1 / 3, 1 / 3, 1 / 3)), ["allocations: a share may have 12 decimal places"]);
  deepEqual(check(define({ bucket: "a", amountMinor: 1 }, { bucket: "a", amountMinor: 2 })), [
    'allocations: the bucket "a" is named more than once',
  ]);
});

Deno.test("the ledger event is named by a UUID or by a template", () => {
  for (const ledgerEventId of [id, "{{event.ledgerEventId}}", "{{ event.payload.id }}"]) {
    deepEqual(check({ ...shares(1), ledgerEventId }), []);
  }
  match(check({ ...shares(1), ledgerEventId: "42" })[0]!, /^ledgerEventId: must be a UUID or a template/);
});

Deno.test("a simulation shows the ledger event and the allocations", () => {
  const { type: _, ...shown } = shares(0.5, 0.5);
  deepEqual(ledgerAllocate.simulate(shares(0.5, 0.5), checkDeps), { simulated: true, ...shown });
});

Deno.test("the database allocates, for this rule and event", async () => {
  const result = {
    ledgerEventId: id,
    amountMinor: 5,
    currency: "EUR",
    allocations: [{ bucket: "b0", amountMinor: 5 }],
  };
  const { outcome, calls } = await run(shares(1), result);
  deepEqual(outcome, { state: "succeeded", result });
  deepEqual(calls, [["allocate_ledger_event", {
    p_ledger_event_id: id,
    p_allocations: [{ bucket: "b0", share: 1 }],
    p_rule_id: "split",
    p_event_id: "e1",
  }]]);
});

Deno.test("an event without a ledger event's id fails without asking the database", async () => {
  for (const ledgerEventId of [null, "", "42", 42, {}]) {
    const { outcome, calls } = await run({ ...shares(1), ledgerEventId: ledgerEventId as string }, null);
    match((outcome as { error: string }).error, /^ledger_event\.unknown: /);
    equal(outcome.state, "failed");
    deepEqual(calls, []);
  }
});

Deno.test("what the database refuses has failed, what it could not answer is tried again", async () => {
  const answers: [error: DatabaseError, state: string][] = [
    [new DatabaseError("ledger_event.unknown", "There is none.", 404), "failed"],
    [new DatabaseError("allocation.exists", "It was allocated before.", 409), "failed"],
    [new DatabaseError("allocation.invalid", "It does not sum up.", 422), "failed"],
    [new DatabaseError("database.rejected", "A value does not fit.", 422), "failed"],
    [new DatabaseError("database.busy", "Busy.", 503), "retry"],
    [new DatabaseError("database.unreachable", "Gone.", 503), "retry"],
    [new DatabaseError("database.timeout", "Slow.", 504), "retry"],
    [new DatabaseError("database.error", "Odd.", 500), "retry"],
  ];
  for (const [error, state] of answers) {
    const { outcome } = await run(shares(1), error);
    deepEqual(outcome, { state, error: `${error.code}: ${error.message}` });
  }
  await rejects(run(shares(1), new TypeError("a defect")), TypeError);
  const safeMode = new DatabaseError("safe_mode.active", "ledger_allocations is guarded.", 503);
  await rejects(run(shares(1), safeMode), safeMode, "safe mode is neither: the run was not tried");
});
