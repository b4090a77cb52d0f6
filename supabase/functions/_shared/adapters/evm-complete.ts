import type { Client } from "viem";
import {
  getBlockNumber,
  getChainId,
  getTransaction,
  getTransactionCount,
  getTransactionReceipt,
  sendRawTransaction,
} from "viem/actions";
import { AnchorError, type AnchorOutcome } from "../ports.ts";
import { asking } from "./evm-node.ts";
import type { Attempts, SignedTransaction } from "./evm-transaction.ts";
import { orNull, recordOf } from "./evm-verify.ts";

/** A transaction that is not mined after so long is sent with a higher fee, and again after as long. */
export const BUMP_AFTER_MS = 5 * 60_000;

/** So many blocks must lie on a foreign transaction with our nonce: a node behind a balancer may lag by some. */
const REPLACED_DEPTH = 3n;

/**
 * One step of completing: looks, and sends what the node should know.
 *
 * @param ageMs how long ago the anchor was begun
 */
export async function advance(client: Client, attempts: Attempts, ageMs: number): Promise<AnchorOutcome> {
  const [chainId, taken] = await Promise.all([
    getChainId(client),
    getTransactionCount(client, { address: attempts.sender }),
  ]);
  if (chainId !== attempts.chainId) {
    throw new AnchorError(
      "anchor.chain_mismatch",
      `An anchor was signed for chain ${attempts.chainId}, and ANCHOR_RPC_URL leads to chain ${chainId}. Set it back ` +
        "until the anchor is done.",
    );
  }
  if (taken > attempts.nonce) return await lookUp(client, attempts);
  const raises = Math.max(0, Math.floor(ageMs / BUMP_AFTER_MS));
  return await broadcast(client, attempts.signed.slice(0, raises + 1));
}

/** The nonce is taken: by one of ours? */
async function lookUp(client: Client, { sender, nonce, signed }: Attempts): Promise<AnchorOutcome> {
  const receipts = await Promise.all(
    signed.map(({ transactionId }) => orNull(getTransactionReceipt(client, { hash: transactionId }))),
  );
  const receipt = receipts.find((one) => one !== null);
  if (receipt?.status === "success") return { state: "confirmed", ...await recordOf(client, receipt) };
  if (receipt) {
    return { state: "failed", reason: `Transaction ${receipt.transactionHash} was mined and failed.` };
  }
  const newest = await getBlockNumber(client);
  const blockNumber = newest > REPLACED_DEPTH ? newest - REPLACED_DEPTH : 0n;
  const takenThen = await getTransactionCount(client, { address: sender, blockNumber });
  const reason = `Another transaction of ${sender} was mined with the nonce ${nonce}.`;
  return { state: takenThen > nonce ? "replaced" : "pending", reason };
}

/**
 * Sends the one that follows those the node knows, or a higher one when its fee is too low.
 *
 * @param due those whose time has come, lowest fee first
 */
async function broadcast(client: Client, due: SignedTransaction[]): Promise<AnchorOutcome> {
  const known = await Promise.all(due.map((one) => isKnown(client, one)));
  let refusal: string | null = null;
  for (const attempt of due.slice(known.lastIndexOf(true) + 1)) {
    refusal = await send(client, attempt);
    if (refusal !== "anchor.underpriced") break;
  }
  const minutes = BUMP_AFTER_MS / 60_000;
  return {
    state: "pending",
    reason: refusal
      ? `The node does not take it at this fee (${refusal}), which is raised every ${minutes} minutes.`
      : "It is sent and waits to be mined.",
  };
}

/** @returns null when the node has the transaction, else why it does not, if time or a higher fee may mend that */
async function send(client: Client, attempt: SignedTransaction): Promise<string | null> {
  try {
    await asking(sendRawTransaction(client, { serializedTransaction: attempt.rawTransaction }));
    return null;
  } catch (error) {
    // The answer may be lost, or another worker may have been faster.
    if (await isKnown(client, attempt)) return null;
    if (!(error instanceof AnchorError)) throw error;
    if (error.code === "anchor.underpriced" || error.code === "anchor.nonce_taken") return error.code;
    throw error;
  }
}

async function isKnown(client: Client, { transactionId }: SignedTransaction): Promise<boolean> {
  return await orNull(getTransaction(client, { hash: transactionId })) !== null;
}
