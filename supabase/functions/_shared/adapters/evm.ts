/**
 * Anchors hashes on an Ethereum-like chain. Import it lazily: viem is larger than anything else a function loads.
 */
import type { Hex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { type Anchor, AnchorError, type Clock } from "../ports.ts";
import { signFirst } from "./evm-begin.ts";
import { advance } from "./evm-complete.ts";
import { asking, connectNode, type NodeConfig } from "./evm-node.ts";
import { attemptsOf } from "./evm-transaction.ts";
import { calldataOf } from "./evm-verify.ts";

export { verifyAnchor } from "./evm-verify.ts";

const POLL_MS = 1_000;

export interface AnchorConfig extends NodeConfig {
  clock: Clock;
  /** `0x` and 64 hex digits: of an account that only this project uses, with a little of the chain's coin. */
  privateKey: string;
}

/**
 * Anchors hashes as the calldata of transactions of no value that an account sends to itself.
 *
 * A transaction's id is known before anybody else sees it, and its nonce lets the chain take it once at most: sending
 * again after a crash, a lost answer or a restart of the node is harmless, and so is a second worker that completes the
 * same pending anchor. One block on the chain is enough; `verifyAnchor` tells whether it still stands.
 *
 * Both methods throw `AnchorError` with `anchor.unreachable` (try again), `anchor.endpoint_invalid`, `anchor.rejected`,
 * `anchor.insufficient_funds`; `begin` also with `anchor.hash_invalid`, `anchor.fee_too_high`,
 * `anchor.chain_unsupported`; `complete` with `anchor.chain_mismatch`, `anchor.pending_invalid`. After any of them the
 * pending anchor is still to be completed. Each question to the node takes 5 s at most, a call about 20 s plus `waitMs`.
 *
 * @throws {AnchorError} `anchor.key_invalid`
 */
export function createAnchor(config: AnchorConfig): Anchor {
  const account = accountOf(config.privateKey);
  const client = connectNode(config);
  const { clock } = config;
  return {
    async begin(hash) {
      const signed = await asking(signFirst(client, account, calldataOf(hash)));
      return { ...signed, begunAt: new Date(clock.now()).toISOString() };
    },
    async complete(pending, waitMs = 0) {
      const end = clock.now() + waitMs;
      const begunAt = Date.parse(pending.begunAt);
      const attempts = await attemptsOf(account, pending);
      while (true) {
        const outcome = await asking(advance(client, attempts, clock.now() - begunAt));
        if (outcome.state !== "pending" || clock.now() + POLL_MS > end) return outcome;
        await clock.sleep(POLL_MS);
      }
    },
  };
}

function accountOf(privateKey: string): PrivateKeyAccount {
  try {
    return privateKeyToAccount(privateKey as Hex);
  } catch {
    throw new AnchorError(
      "anchor.key_invalid",
      "ANCHOR_PRIVATE_KEY is no private key of an Ethereum account. Export the account's key again: 0x and 64 hex digits.",
    );
  }
}
