import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Anchor, AnchorError, type AnchorOutcome, type PendingAnchor } from "../../ports.ts";
import { actionContext } from "../../testing/action-context.ts";
import { anchor, type AnchorDefinition, hashOf } from "./anchor.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const HASH = "a1".repeat(32);
const definition: AnchorDefinition = { type: "anchor", eventHash: HASH, metadata: "lockout" };
const PLACE = {
  transactionId: "0x1",
  chainId: 1,
  sender: "0x2",
  blockNumber: 7,
  blockTime: "2026-01-02T03:04:05.000Z",
};

/** A chain that keeps what it is given and answers as planned. */
function fakeChain(...outcomes: (AnchorOutcome | AnchorError)[]) {
  const begun: string[] = [];
  const completed: PendingAnchor[] = [];
  const chain: Anchor = {
    begin(hash) {
      begun.push(hash);
      return Promise.resolve({ transactionId: `0x${begun.length}`, rawTransaction: "0x", begunAt: "" });
    },
    complete(pending) {
      completed.push(pending);
      const outcome = outcomes.shift()!;
      return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome);
    },
  };
  return { begun, completed, anchor: () => Promise.resolve(chain) };
}

Deno.test("a hash is anchored as it is, and of anything else the SHA-256 of its canonical JSON", () => {
  assert.equal(hashOf(HASH), HASH);
  assert.equal(hashOf(HASH.toUpperCase()), HASH);
  // RFC 8785, section 3.2.2 and 3.2.3: numbers, escapes and the order of names.
  const example = {
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false],
  };
  const canonical = '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}';
  assert.equal(hashOf(example), sha256(canonical));
  assert.equal(hashOf({ b: 1, a: 2 }), hashOf({ a: 2, b: 1 }));
  assert.equal(hashOf("lockout"), sha256('"lockout"'));
  for (const near of [HASH.slice(1), `${HASH}0`, `0x${HASH}`, `${HASH}\n`]) {
    assert.notEqual(hashOf(near), near);
  }
});

Deno.test("a template that led nowhere anchors nothing, as the hash would prove nothing", async () => {
  for (const eventHash of [null, ""]) {
    const outcome = await anchor.run({ ...definition, eventHash }, actionContext());
    assert.ok(outcome.state === "failed" && outcome.error.startsWith("anchor.nothing_to_hash: "));
  }
});

Deno.test("secrets in metadata are hidden, as the record is for ever", async () => {
  const metadata = { user: "u1", password: "canary-secret", note: "Authorization: Bearer canary-secret" };
  const outcome = await anchor.run({ ...definition, metadata }, actionContext());
  assert.equal(outcome.state, "succeeded");
  assert.ok(JSON.stringify(outcome).includes("u1") && !JSON.stringify(outcome).includes("canary"));
});

Deno.test("metadata that would not fit into the run's record is refused", async () => {
  for (const [length, state] of [[16_382, "succeeded"], [16_383, "failed"]] as const) {
    const outcome = await anchor.run({ ...definition, metadata: "x".repeat(length) }, actionContext());
    assert.equal(outcome.state, state);
  }
});

Deno.test("without a chain the run's own record is the proof, and its hash is in it", async () => {
  assert.deepEqual(await anchor.run(definition, actionContext()), {
    state: "succeeded",
    result: { hash: HASH, metadata: "lockout", place: "checkpoint" },
  });
  assert.deepEqual(await anchor.run({ type: "anchor", eventHash: HASH }, actionContext()), {
    state: "succeeded",
    result: { hash: HASH, place: "checkpoint" },
  });
});

Deno.test("what was begun is completed, however many tries it takes, and nothing is begun twice", async () => {
  const chain = fakeChain(
    { state: "pending", reason: "It is sent." },
    new AnchorError("anchor.unreachable", "No answer."),
    { state: "confirmed", ...PLACE },
  );
  const context = actionContext({ anchor: chain.anchor });
  const outcomes = [];
  for (let tries = 0; tries < 3; tries++) outcomes.push(await anchor.run(definition, context));
  const { sender: _, ...place } = PLACE;
  assert.deepEqual(outcomes, [
    { state: "retry", error: "anchor.pending: It is sent." },
    { state: "retry", error: "anchor.unreachable: No answer." },
    { state: "succeeded", result: { hash: HASH, metadata: "lockout", place: "chain", ...place } },
  ]);
  assert.deepEqual(chain.begun, [HASH]);
  assert.deepEqual(chain.completed.map(({ transactionId }) => transactionId), ["0x1", "0x1", "0x1"]);
});

Deno.test("of two workers that begin at once both complete what was stored first", async () => {
  const chain = fakeChain({ state: "pending", reason: "" }, { state: "pending", reason: "" });
  const context = actionContext({ anchor: chain.anchor });
  const late = { ...context, run: { ...context.run } };
  await anchor.run(definition, context);
  await anchor.run(definition, late);
  assert.equal(chain.begun.length, 2);
  assert.deepEqual(chain.completed.map(({ transactionId }) => transactionId), ["0x1", "0x1"]);
});

Deno.test("a transaction that will never count is replaced, by one worker only", async () => {
  for (const state of ["replaced", "failed"] as const) {
    const chain = fakeChain({ state, reason: "" }, { state, reason: "" }, { state: "confirmed", ...PLACE });
    const progress = { transactionId: "0x0", rawTransaction: "0x", begunAt: "" };
    const context = actionContext({ anchor: chain.anchor }, { progress });
    const late = { ...context, run: { ...context.run } };
    assert.equal((await anchor.run(definition, context)).state, "retry");
    assert.equal((await anchor.run(definition, late)).state, "retry");
    assert.equal((await anchor.run(definition, context)).state, "succeeded");
    assert.deepEqual(chain.completed.map(({ transactionId }) => transactionId), ["0x0", "0x0", "0x1"]);
  }
});

Deno.test("a stored transaction that was tampered with is not tried for ever", async () => {
  const chain = fakeChain(new AnchorError("anchor.pending_invalid", "It is not what was signed."));
  const outcome = await anchor.run(definition, actionContext({ anchor: chain.anchor }));
  assert.deepEqual(outcome, { state: "failed", error: "anchor.pending_invalid: It is not what was signed." });
});

Deno.test("a dry run says what would be hashed and to what, and begins nothing", () => {
  const { deps } = actionContext();
  assert.deepEqual(anchor.simulate({ ...definition, eventHash: { a: 1 } }, deps), {
    simulated: true,
    eventHash: { a: 1 },
    metadata: "lockout",
    hash: hashOf({ a: 1 }),
  });
  assert.equal(anchor.simulate({ ...definition, eventHash: null }, deps).hash, null);
});

Deno.test("a definition says what is hashed, and nothing that nobody reads", () => {
  assert.ok(anchor.schema.safeParse({ type: "anchor", eventHash: "{{event}}", metadata: "lockout" }).success);
  assert.ok(anchor.schema.safeParse({ type: "anchor", eventHash: { id: "{{event.id}}" } }).success);
  const refused = [{}, { eventHash: null }, { eventHash: "" }, { eventHash: "x", chain: 1 }];
  for (const rest of refused) assert.ok(!anchor.schema.safeParse({ type: "anchor", ...rest }).success);
});
