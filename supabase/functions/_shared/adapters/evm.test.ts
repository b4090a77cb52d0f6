import assert from "node:assert/strict";
import fc from "fast-check";
import { parseTransaction } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { AnchorError, type Egress, EgressError, type EgressResponse } from "../ports.ts";
import { fakeClock } from "../testing/fake-clock.ts";
import { attemptsOf, MAX_COST, signHash } from "./evm-transaction.ts";
import { createAnchor, verifyAnchor } from "./evm.ts";

const KEY = `0x${"5a".repeat(32)}` as const;
const RPC_URL = "https://rpc.example/v2/canary-path-key?apikey=canary-query-key";
const HASH = "ab".repeat(32);
const account = privateKeyToAccount(KEY);

/** Answers as a node of a chain with 1 gwei of base fee would, unless a method has another answer. */
function node(answers: Record<string, unknown> = {}): Egress & { methods: string[] } {
  const methods: string[] = [];
  const results: Record<string, unknown> = {
    eth_chainId: "0x1",
    eth_getTransactionCount: "0x0",
    eth_estimateGas: "0x5708",
    eth_getBlockByNumber: { number: "0x1", baseFeePerGas: "0x3b9aca00", timestamp: "0x1", transactions: [] },
    eth_maxPriorityFeePerGas: "0x3b9aca00",
    eth_getBalance: "0xde0b6b3a7640000",
    eth_getTransactionByHash: null,
    ...answers,
  };
  return {
    methods,
    // deno-lint-ignore require-await
    async send({ body }) {
      const { method } = JSON.parse(body!);
      methods.push(method);
      const result = results[method];
      if (result instanceof Error) throw result;
      if (result instanceof Answer) return { headers: {}, ...result.response };
      return { status: 200, headers: {}, body: JSON.stringify({ jsonrpc: "2.0", id: 1, result }) };
    },
  };
}

/** An answer that is not a plain result. */
class Answer {
  constructor(readonly response: Pick<EgressResponse, "status" | "body">) {}
  static error(message: string, status = 200): Answer {
    return new Answer({ status, body: JSON.stringify({ id: 1, error: { code: -32000, message } }) });
  }
}

const anchorAt = (egress: Egress, privateKey: string = KEY) =>
  createAnchor({ egress, clock: fakeClock(), rpcUrl: RPC_URL, privateKey });

async function errorOf(work: () => Promise<unknown>): Promise<AnchorError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof AnchorError, String(error));
    return error;
  }
  return assert.fail("nothing was thrown");
}

Deno.test("a hash is signed for the node's chain, as the calldata of a payment of nothing to oneself", async () => {
  const egress = node({ eth_chainId: "0xaa36a7", eth_getTransactionCount: "0x7" });
  const { rawTransaction } = await anchorAt(egress).begin(HASH.toUpperCase());
  const transaction = parseTransaction(rawTransaction as `0x02${string}`);
  assert.equal(transaction.chainId, 11155111);
  assert.equal(transaction.nonce, 7);
  assert.equal(transaction.data, `0x${HASH}`);
  assert.equal(transaction.to?.toLowerCase(), account.address.toLowerCase());
  assert.equal(transaction.value ?? 0n, 0n);
  assert.ok(!egress.methods.includes("eth_sendRawTransaction"));
});

Deno.test("what is no hash of 32 bytes is refused before the node is asked", async () => {
  for (const hash of ["", "ab", `0x${HASH}`, `${HASH}00`, "zz".repeat(32), `${HASH.slice(2)}\n\n`]) {
    const egress = node();
    assert.equal((await errorOf(() => anchorAt(egress).begin(hash))).code, "anchor.hash_invalid", hash);
    assert.deepEqual(egress.methods, []);
  }
});

Deno.test("a private key that no account can have is refused without being printed", () => {
  for (const key of [`0x${"00".repeat(32)}`, `0x${"ff".repeat(32)}`, "0xcanary", "canary"]) {
    assert.throws(() => anchorAt(node(), key), (error) => {
      assert.ok(error instanceof AnchorError && error.code === "anchor.key_invalid");
      assert.ok(!/canary|ffff|0000/.test(error.message) && error.cause === undefined);
      return true;
    });
  }
});

Deno.test("an account that cannot pay is told its address, what it has and what it needs", async () => {
  const error = await errorOf(() => anchorAt(node({ eth_getBalance: "0x1" })).begin(HASH));
  assert.equal(error.code, "anchor.insufficient_funds");
  assert.match(
    error.message,
    new RegExp(`${account.address} has 0\\.000000000000000001 coins on chain 1, .* up to 0\\.0000`),
  );
});

Deno.test("nothing is signed that could cost more than the limit", async () => {
  const block = { number: "0x1", baseFeePerGas: "0x746a528800", timestamp: "0x1", transactions: [] }; // 500 gwei
  const error = await errorOf(() => anchorAt(node({ eth_getBlockByNumber: block })).begin(HASH));
  assert.equal(error.code, "anchor.fee_too_high");
});

Deno.test("a chain without a base fee is refused", async () => {
  const block = { number: "0x1", timestamp: "0x1", transactions: [] };
  const error = await errorOf(() => anchorAt(node({ eth_getBlockByNumber: block })).begin(HASH));
  assert.equal(error.code, "anchor.chain_unsupported");
});

Deno.test("a node without the priority fee's method, or with none of it, still gets a fee that can be doubled", async () => {
  for (const answer of [Answer.error("method not found"), "0x0"]) {
    const egress = node({ eth_maxPriorityFeePerGas: answer, eth_gasPrice: "0x3b9aca00" });
    const { rawTransaction } = await anchorAt(egress).begin(HASH);
    assert.equal(parseTransaction(rawTransaction as `0x02${string}`).maxPriorityFeePerGas, 1n);
  }
});

Deno.test("a node that does not answer, or not now, is unreachable: nothing is wrong with the anchor", async () => {
  const answers = [
    new EgressError("egress.timeout", "rpc.example did not answer completely in time", true),
    new Answer({ status: 429, body: "slow down" }),
    new Answer({ status: 429, body: JSON.stringify({ error: { code: -32005, message: "limit" } }) }),
    new Answer({ status: 503, body: "<html>" }),
  ];
  for (const answer of answers) {
    assert.equal(
      (await errorOf(() => anchorAt(node({ eth_chainId: answer })).begin(HASH))).code,
      "anchor.unreachable",
    );
  }
});

Deno.test("an address that leads to no Ethereum node is told as that", async () => {
  const answers = [
    new Answer({ status: 200, body: "<html>hello</html>" }),
    new Answer({ status: 200, body: "{}" }),
    new Answer({ status: 200, body: "null" }),
    new Answer({
      status: 401,
      body: JSON.stringify({ error: { code: -32600, message: "Must be authenticated!" } }),
    }),
    new Answer({ status: 404, body: "canary" }),
    new Answer({ status: 302, body: "" }),
    "canary is no number",
    { canary: 1 },
  ];
  for (const answer of answers) {
    const error = await errorOf(() => anchorAt(node({ eth_getTransactionCount: answer })).begin(HASH));
    assert.equal(error.code, "anchor.endpoint_invalid", JSON.stringify(answer));
    assert.ok(!error.message.includes("canary"));
  }
});

Deno.test("refusals of the known nodes are told apart", async () => {
  const refusals = {
    "insufficient funds for gas * price + value: balance 0, tx cost 44560000000000":
      "anchor.insufficient_funds",
    "Insufficient funds for gas * price + value": "anchor.insufficient_funds",
    "InsufficientFunds, Account balance: 0, cumulative cost: 1": "anchor.insufficient_funds",
    "Upfront cost exceeds account balance": "anchor.insufficient_funds",
    "transaction exceeds block gas limit": "anchor.rejected",
    "only replay-protected (EIP-155) transactions allowed over RPC": "anchor.rejected",
  };
  for (const [message, code] of Object.entries(refusals)) {
    for (const status of [200, 400, 500]) {
      const anchor = anchorAt(node({ eth_sendRawTransaction: Answer.error(message, status) }));
      const pending = await anchor.begin(HASH);
      assert.equal((await errorOf(() => anchor.complete(pending))).code, code, message);
    }
  }
});

Deno.test("a fee that the nodes call too low, or a nonce that was just taken, leaves the anchor pending", async () => {
  const refusals = [
    "replacement transaction underpriced",
    "transaction underpriced: gas tip cap 1, minimum needed 1000000",
    "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
    "FeeTooLow, MaxFeePerGas too low",
    "ReplacementNotAllowed",
    "nonce too low: next nonce 8, tx nonce 7",
    "OldNonce, Current nonce: 1, nonce of rejected tx: 0",
  ];
  for (const message of refusals) {
    const anchor = anchorAt(node({ eth_sendRawTransaction: Answer.error(message) }));
    const outcome = await anchor.complete(await anchor.begin(HASH));
    assert.ok(outcome.state === "pending" && /does not take it/.test(outcome.reason), message);
  }
});

Deno.test("no answer or error holds the private key or what is secret in the node's address", async () => {
  const quoting = `no access for canary-path-key with canary-query-key at ${RPC_URL}`;
  const answers = [
    Answer.error(quoting),
    Answer.error(quoting, 500),
    new Answer({ status: 403, body: quoting }),
    new Answer({ status: 200, body: quoting }),
    { quoting },
    new EgressError("egress.connection", "The connection to rpc.example failed", false),
  ];
  for (const answer of answers) {
    for (const method of ["eth_chainId", "eth_getTransactionCount", "eth_sendRawTransaction"]) {
      const pending = await anchorAt(node()).begin(HASH);
      const said = await anchorAt(node({ [method]: answer })).complete(pending).then(
        ({ state, ...rest }) => JSON.stringify([state, rest]),
        (error) => `${error.message} ${error.stack} ${error.cause ?? ""}`,
      );
      assert.ok(!/canary|5a5a5a/.test(said), said);
    }
  }
});

Deno.test("a stored transaction that was changed is not sent", async () => {
  const pending = await anchorAt(node()).begin(HASH);
  const changes = [
    { rawTransaction: pending.rawTransaction.replace(HASH, "cd".repeat(32)) },
    { rawTransaction: "0x02" },
    { rawTransaction: "canary" },
    { transactionId: `0x${"00".repeat(32)}` },
  ];
  for (const change of changes) {
    const egress = node();
    const error = await errorOf(() => anchorAt(egress).complete({ ...pending, ...change }));
    assert.equal(error.code, "anchor.pending_invalid");
    assert.deepEqual(egress.methods, []);
  }
});

Deno.test("each attempt pays at least an eighth more than the one before, none more than the limit, whatever the fees", async () => {
  const fees = fc.record({
    gas: fc.bigInt(21_000n, 2_000_000n),
    maxFeePerGas: fc.bigInt(1n, 10n ** 12n),
    maxPriorityFeePerGas: fc.bigInt(1n, 10n ** 10n),
    nonce: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(fees, async ({ maxPriorityFeePerGas, ...fee }) => {
      const first = await signHash(account, {
        ...fee,
        hash: `0x${HASH}`,
        chainId: 1,
        maxFeePerGas: fee.maxFeePerGas + maxPriorityFeePerGas,
        maxPriorityFeePerGas,
      });
      const pending = { ...first, begunAt: "2026-01-02T03:04:05Z" };
      const { signed, nonce, sender } = await attemptsOf(account, pending);
      assert.deepEqual([signed[0], nonce, sender], [first, fee.nonce, account.address]);
      const sent = signed.map(({ rawTransaction }) => parseTransaction(rawTransaction));
      for (const [index, { data, nonce = 0, gas, maxFeePerGas, maxPriorityFeePerGas }] of sent.entries()) {
        assert.deepEqual([data, nonce, gas], [`0x${HASH}`, fee.nonce, fee.gas]);
        if (index === 0) continue;
        assert.ok(gas! * maxFeePerGas! <= MAX_COST);
        assert.ok(maxFeePerGas! * 8n >= sent[index - 1]!.maxFeePerGas! * 9n);
        assert.ok(maxPriorityFeePerGas! * 8n >= sent[index - 1]!.maxPriorityFeePerGas! * 9n);
      }
      // Whoever computes them again finds the same ids.
      assert.deepEqual((await attemptsOf(account, pending)).signed, signed);
    }),
    { numRuns: 50 },
  );
});

Deno.test("what is no transaction's id proves nothing", async () => {
  for (const id of ["", "0x12", HASH, `0x${"zz".repeat(32)}`]) {
    const check = await verifyAnchor({ egress: node(), rpcUrl: RPC_URL }, id, HASH);
    assert.ok(!check.anchored && check.code === "anchor.unknown_transaction");
  }
});
