import assert from "node:assert/strict";
import fc from "fast-check";
import { privateKeyToAccount } from "viem/accounts";
import { type Anvil, startAnvil } from "../../../../scripts/testing/anvil.ts";
import { AnchorError, type AnchorOutcome, type Egress, EgressError, type PendingAnchor } from "../ports.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { createEgress } from "./egress.ts";
import { BUMP_AFTER_MS } from "./evm-complete.ts";
import { createAnchor, verifyAnchor } from "./evm.ts";

const KEY = newKey();
const account = privateKeyToAccount(KEY);
const ONE_COIN = "0xde0b6b3a7640000";

/** A chain on which the account has a coin, and what the tests do with it. */
async function chain(options: Parameters<typeof startAnvil>[0] = {}) {
  const anvil = await startAnvil(options);
  await anvil.call("anvil_setBalance", account.address, ONE_COIN);
  const clock = fakeClock();
  const egress = createEgress({ privateHosts: [anvil.host] });
  const anchor = (config: { egress?: Egress; privateKey?: string } = {}) =>
    createAnchor({ egress, clock, rpcUrl: anvil.rpcUrl, privateKey: KEY, ...config });
  return {
    anvil,
    clock,
    egress,
    anchor,
    begin: (hash: string) => anchor().begin(hash),
    /** As another process would, which knows no more than what was stored. */
    complete: (pending: PendingAnchor) => anchor().complete(JSON.parse(JSON.stringify(pending))),
    /** A node that mines at once still does so after it has answered, hence the wait. */
    confirm: async (pending: PendingAnchor) => confirmed(await anchor().complete(pending, 5_000)),
    verify: (id: string, hash: string) => verifyAnchor({ egress, rpcUrl: anvil.rpcUrl }, id, hash),
    [Symbol.asyncDispose]: () => anvil.stop(),
  };
}

/** Loses the node's answer to the next call of a method. */
function losingAnswer(egress: Egress, method: string): Egress {
  let lost = false;
  return {
    async send(request) {
      const response = await egress.send(request);
      if (lost || JSON.parse(request.body!).method !== method) return response;
      lost = true;
      throw new EgressError("egress.connection", "The connection failed", true);
    },
  };
}

function newKey(): `0x${string}` {
  return `0x${newHash()}`;
}

function newHash(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => assert.fail("nothing was thrown"), (error) => error);
  assert.ok(error instanceof AnchorError, String(error));
  return error.code;
}

function confirmed(outcome: AnchorOutcome) {
  assert.ok(outcome.state === "confirmed", JSON.stringify(outcome));
  return outcome;
}

const countMined = (anvil: Anvil, hash: string) => anvil.countMined(`0x${hash}`);

Deno.test("a hash is on the chain after begin and complete, and anybody can read it back", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  assert.equal((await test.verify(pending.transactionId, hash)).anchored, false);
  const { state: _, ...record } = await test.confirm(pending);
  assert.equal(record.transactionId, pending.transactionId);
  assert.equal(record.sender, account.address);
  assert.equal(record.chainId, 31_337);
  assert.deepEqual(await test.verify(pending.transactionId, hash), { anchored: true, ...record });
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("another hash, another transaction and one that is not mined prove nothing, each for its own reason", async () => {
  await using test = await chain({ mining: false });
  const hash = newHash();
  const pending = await test.begin(hash);
  const codeFor = async (id: string, hash: string) => {
    const check = await test.verify(id, hash);
    return check.anchored ? "anchored" : check.code;
  };
  assert.equal(await codeFor(pending.transactionId, hash), "anchor.unknown_transaction");
  await test.complete(pending);
  assert.equal(await codeFor(pending.transactionId, hash), "anchor.not_mined");
  await test.anvil.mine();
  assert.equal(await codeFor(pending.transactionId, hash), "anchored");
  assert.equal(await codeFor(pending.transactionId, newHash()), "anchor.hash_mismatch");
});

Deno.test("a transaction that is not mined yet stays pending and is not sent again", async () => {
  await using test = await chain({ mining: false });
  const hash = newHash();
  const pending = await test.begin(hash);
  for (let look = 0; look < 3; look++) assert.equal((await test.complete(pending)).state, "pending");
  const { pending: inPool } = await test.anvil.call("txpool_status");
  assert.equal(Number(inPool), 1);
  await test.anvil.mine();
  confirmed(await test.complete(pending));
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("complete waits for the block as long as it is told to", async () => {
  await using test = await chain({ mining: false });
  const pending = await test.begin(newHash());
  const outcome = await test.anchor().complete(pending, 3_000);
  assert.equal(outcome.state, "pending");
  assert.deepEqual(test.clock.sleeps, [1_000, 1_000, 1_000]);
});

Deno.test("a lost answer to the sending anchors a hash once", async () => {
  for (const mining of [true, false]) {
    await using test = await chain({ mining });
    const hash = newHash();
    const pending = await test.begin(hash);
    const anchor = test.anchor({ egress: losingAnswer(test.egress, "eth_sendRawTransaction") });
    assert.equal((await anchor.complete(pending)).state, "pending");
    await test.anvil.mine();
    confirmed(await test.complete(pending));
    assert.equal(await countMined(test.anvil, hash), 1);
  }
});

Deno.test("a worker that loses sight of the node between sending and receipt anchors a hash once", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  await test.complete(pending);
  const anchor = test.anchor({ egress: losingAnswer(test.egress, "eth_getTransactionReceipt") });
  assert.equal(await codeOf(anchor.complete(pending)), "anchor.unreachable");
  await test.confirm(pending);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("a node that forgets what was not mined when it restarts is sent it again; what was mined is not", async () => {
  const stateFile = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.remove(stateFile);
  const hash = newHash();
  const first = await chain({ mining: false, stateFile });
  const port = Number(first.anvil.host.split(":")[1]);
  const pending = await first.begin(hash);
  await first.complete(pending);
  await first.anvil.stop();
  assert.equal(await codeOf(first.complete(pending)), "anchor.unreachable");
  assert.equal(await codeOf(first.begin(hash)), "anchor.unreachable");

  const second = await chain({ mining: false, stateFile, port });
  assert.equal(await second.anvil.call("eth_getTransactionByHash", pending.transactionId), null);
  assert.equal((await second.complete(pending)).state, "pending");
  await second.anvil.mine();
  await second.anvil.stop();

  await using third = await chain({ stateFile, port });
  assert.equal(confirmed(await third.complete(pending)).transactionId, pending.transactionId);
  assert.equal(await countMined(third.anvil, hash), 1);
  await Deno.remove(stateFile);
});

Deno.test("an account that runs out of coins goes on where it was when it has some", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  await test.anvil.call("anvil_setBalance", account.address, "0x0");
  assert.equal(await codeOf(test.complete(pending)), "anchor.insufficient_funds");
  assert.equal(await codeOf(test.begin(newHash())), "anchor.insufficient_funds");
  await test.anvil.call("anvil_setBalance", account.address, ONE_COIN);
  await test.complete(pending);
  await test.confirm(pending);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("a pending anchor is not sent to another chain than it was signed for", async () => {
  await using test = await chain();
  await using other = await chain({ chainId: 5 });
  const hash = newHash();
  const pending = await test.begin(hash);
  assert.equal(await codeOf(other.complete(pending)), "anchor.chain_mismatch");
  assert.equal(await countMined(other.anvil, hash), 0);
});

Deno.test("when another transaction took the nonce, the anchor is begun again, once that is settled", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  const other = await test.begin(newHash());
  await test.complete(other);
  assert.equal((await test.complete(pending)).state, "pending");
  await test.anvil.mine(3);
  assert.equal((await test.complete(pending)).state, "replaced");
  const again = await test.begin(hash);
  await test.complete(again);
  await test.confirm(again);
  await test.confirm(other);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("a transaction that is stuck is sent with a higher fee, and only one of the two is mined", async () => {
  await using test = await chain({ mining: false });
  const hash = newHash();
  const pending = await test.begin(hash);
  await test.complete(pending);
  test.clock.advance(BUMP_AFTER_MS - 1);
  await test.complete(pending);
  const inPool = async () => {
    const { pending } = await test.anvil.call("txpool_content");
    return Object.values(Object.values(pending)[0] as Record<string, { hash: string; maxFeePerGas: string }>);
  };
  const [before] = await inPool();
  assert.equal(before!.hash, pending.transactionId);
  test.clock.advance(1);
  await test.complete(pending);
  const [after, ...more] = await inPool();
  assert.deepEqual(more, []);
  assert.ok(BigInt(after!.maxFeePerGas) * 8n >= BigInt(before!.maxFeePerGas) * 9n);
  await test.anvil.mine();
  assert.equal(confirmed(await test.complete(pending)).transactionId, after!.hash);
  assert.equal(await countMined(test.anvil, hash), 1);
  assert.ok((await test.verify(after!.hash, hash)).anchored);
});

Deno.test("a raised fee begins low again after an outage, and the first transaction still counts when it was mined", async () => {
  await using test = await chain({ mining: false });
  const [sentLate, minedEarly] = [newHash(), newHash()];
  const late = await test.begin(sentLate);
  test.clock.advance(100 * BUMP_AFTER_MS);
  await test.complete(late);
  await test.anvil.mine();
  assert.equal(confirmed(await test.complete(late)).transactionId, late.transactionId);

  const early = await test.begin(minedEarly);
  await test.complete(early);
  await test.anvil.mine();
  test.clock.advance(100 * BUMP_AFTER_MS);
  assert.equal(confirmed(await test.complete(early)).transactionId, early.transactionId);
  assert.deepEqual([await countMined(test.anvil, sentLate), await countMined(test.anvil, minedEarly)], [
    1,
    1,
  ]);
});

Deno.test("a base fee that rises above what was signed is met by a raised fee", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  await test.anvil.call("anvil_setNextBlockBaseFeePerGas", "0x2540be400"); // 10 gwei, ten times of before
  await test.anvil.mine();
  const outcome = await test.complete(pending);
  assert.ok(outcome.state === "pending" && /underpriced/.test(outcome.reason), JSON.stringify(outcome));
  test.clock.advance(4 * BUMP_AFTER_MS);
  await test.complete(pending);
  assert.notEqual((await test.confirm(pending)).transactionId, pending.transactionId);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("when the key was changed, what the old one signed is still completed", async () => {
  await using test = await chain({ mining: false });
  const hash = newHash();
  const pending = await test.begin(hash);
  test.clock.advance(100 * BUMP_AFTER_MS);
  const anchor = test.anchor({ privateKey: newKey() });
  assert.equal((await anchor.complete(pending)).state, "pending");
  assert.equal((await anchor.complete(pending)).state, "pending");
  await test.anvil.mine();
  assert.equal(confirmed(await anchor.complete(pending)).sender, account.address);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("two workers that complete one anchor at once anchor its hash once", async () => {
  await using test = await chain();
  const hash = newHash();
  const pending = await test.begin(hash);
  await Promise.all([1, 2, 3, 4].map(() => test.complete(pending)));
  await test.confirm(pending);
  assert.equal(await countMined(test.anvil, hash), 1);
});

Deno.test("whatever happens in between, each of several hashes is anchored exactly once", async () => {
  await using test = await chain({ mining: false });
  const happenings = {
    complete: (worker: Worker) => worker.step(test.egress),
    "lose the answer to the sending": (worker: Worker) =>
      worker.step(losingAnswer(test.egress, "eth_sendRawTransaction")),
    "lose the answer to a question": (worker: Worker) =>
      worker.step(losingAnswer(test.egress, "eth_getTransactionCount")),
    mine: () => test.anvil.mine(),
    "mine enough": () => test.anvil.mine(4),
    "forget what is not mined": () => test.anvil.call("anvil_dropAllTransactions"),
    "pass some time": () => Promise.resolve(test.clock.advance(BUMP_AFTER_MS)),
  };
  /** What a caller does: stores what was begun, completes what is stored, begins again when it was replaced. */
  class Worker {
    readonly hash = newHash();
    #pending: PendingAnchor | undefined;
    done = false;
    async step(egress: Egress) {
      if (this.done) return;
      try {
        const anchor = test.anchor({ egress });
        this.#pending ??= await anchor.begin(this.hash);
        const { state } = await anchor.complete(this.#pending);
        this.done = state === "confirmed";
        if (state === "replaced") this.#pending = undefined;
      } catch (error) {
        if (!(error instanceof AnchorError) || error.code !== "anchor.unreachable") throw error;
      }
    }
  }
  const names = fc.constantFrom(...Object.keys(happenings) as (keyof typeof happenings)[]);
  const history = fc.array(fc.tuple(names, fc.nat(2)), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(history, async (events) => {
      const workers = [new Worker(), new Worker(), new Worker()];
      for (const [name, index] of events) await happenings[name](workers[index]!);
      for (let round = 0; round < 10 && !workers.every(({ done }) => done); round++) {
        await Promise.all(workers.map((worker) => worker.step(test.egress)));
        await test.anvil.mine(4);
      }
      for (const { hash } of workers) assert.equal(await countMined(test.anvil, hash), 1);
    }),
    { numRuns: 15 },
  );
});
