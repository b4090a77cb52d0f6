/** The action over the real Data API, as the engine runs it. */
import { deepEqual, equal, match } from "node:assert/strict";
import { testStack } from "../../../scripts/testing/stack.ts";
import { createDatabase } from "../../functions/_shared/adapters/database.ts";
import { type Allocation, ledgerAllocate } from "../../functions/_shared/rules/actions/ledger-allocate.ts";
import { actionContext } from "../../functions/_shared/testing/action-context.ts";

const stack = await testStack();
Deno.test.afterAll(() => stack.stop());
const database = createDatabase({ url: stack.url, secretKey: stack.secrets.secretKey });

async function ledgerEvent(amount: string): Promise<string> {
  const [row] = await stack.sql`
    insert into ledger_events (event_type, account, amount_minor, currency) values ('payment.received', 'ada', ${amount}, 'EUR') returning id`;
  return row!.id;
}

function run(ledgerEventId: string, allocations: Allocation[], eventId = "e1") {
  const context = { ...actionContext({ database }), event: { eventId } };
  context.rule.id = "split";
  return ledgerAllocate.run({ type: "ledger_allocate", ledgerEventId, allocations }, context);
}

const shares = (...shares: number[]) => shares.map((share, i) => ({ bucket: `b${i}`, share }));

async function stored(ledgerEventId: string): Promise<string[]> {
  const rows = await stack.sql`
    select bucket, amount_minor from ledger_allocations where ledger_event_id = ${ledgerEventId} order by immutable_seq`;
  return rows.map(({ bucket, amount_minor }) => `${bucket} ${amount_minor}`);
}

Deno.test("an amount is split and recorded, and a repetition answers the same", async () => {
  const id = await ledgerEvent("1001");
  const allocations = [{ bucket: "fee", amountMinor: 35 }, ...shares(0.1, 0.2, 0.7)];
  const first = await run(id, allocations);
  deepEqual(first, {
    state: "succeeded",
    result: {
      ledgerEventId: id,
      amountMinor: 1001,
      currency: "EUR",
      allocations: [
        { bucket: "fee", amountMinor: 35 },
        { bucket: "b0", amountMinor: 97 },
        { bucket: "b1", amountMinor: 193 },
        { bucket: "b2", amountMinor: 676 },
      ],
    },
  });
  deepEqual(await run(id, allocations), first);
  deepEqual(await stored(id), ["fee 35", "b0 97", "b1 193", "b2 676"]);
});

Deno.test("an amount beyond what JavaScript keeps exactly is split exactly", async () => {
  const id = await ledgerEvent("9223372036854775807");
  await run(id, shares(0.5, 0.5));
  deepEqual(await stored(id), ["b0 4611686018427387904", "b1 4611686018427387903"]);
});

Deno.test("what cannot be allocated fails with its reason, and nothing is written", async () => {
  const id = await ledgerEvent("1000");
  const cases: [ledgerEventId: string, allocations: Allocation[], error: RegExp][] = [
    ["00000000-0000-4000-8000-000000000001", shares(1), /^ledger_event\.unknown: /],
    [
      id,
      [{ bucket: "a", amountMinor: 1200 }, { bucket: "b", share: 1 }],
      /^allocation\.invalid: .*200 more than the amount/,
    ],
    [id, [{ bucket: "a", amountMinor: 900 }], /^allocation\.invalid: .*100 less than the amount/],
    [id, shares(0.5, 0.4), /^allocation\.invalid: .*sum to 0\.9, 0\.1 too little/],
  ];
  for (const [ledgerEventId, allocations, error] of cases) {
    const outcome = await run(ledgerEventId, allocations);
    equal(outcome.state, "failed");
    match((outcome as { error: string }).error, error);
  }
  deepEqual(await stored(id), []);
});

Deno.test("what was allocated for one event is not allocated for another", async () => {
  const id = await ledgerEvent("10");
  await run(id, shares(1));
  const outcome = await run(id, shares(1), "e2");
  equal(outcome.state, "failed");
  match((outcome as { error: string }).error, /^allocation\.exists: /);
});
