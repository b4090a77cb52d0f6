import { type Client, getAddress, type Hex, type TransactionReceipt } from "viem";
import { TransactionNotFoundError, TransactionReceiptNotFoundError } from "viem";
import { getBlock, getChainId, getTransaction, getTransactionReceipt } from "viem/actions";
import { type AnchorCheck, AnchorError, type ChainRecord } from "../ports.ts";
import { asking, connectNode, type NodeConfig } from "./evm-node.ts";

/**
 * Reads a transaction back from the chain and compares what it carries. Needs a node, and no key.
 *
 * @param transactionId `0x` and 64 hex digits
 * @param hash 64 hex digits
 * @throws {AnchorError} `anchor.unreachable | endpoint_invalid | rejected` when the node gave no answer: that says
 *   nothing about the hash; `anchor.hash_invalid`
 */
export async function verifyAnchor(
  node: NodeConfig,
  transactionId: string,
  hash: string,
): Promise<AnchorCheck> {
  const calldata = calldataOf(hash);
  const not = (code: Extract<AnchorCheck, { anchored: false }>["code"], reason: string) => (
    { anchored: false, code, reason } as const
  );
  const id = transactionId.toLowerCase() as Hex;
  if (!/^0x[0-9a-f]{64}$/.test(id)) return not("anchor.unknown_transaction", "It is no transaction's id.");
  const client = connectNode(node);
  return await asking((async () => {
    const transaction = await orNull(getTransaction(client, { hash: id }));
    if (!transaction) {
      return not(
        "anchor.unknown_transaction",
        "The node knows no such transaction. Is it one of this chain?",
      );
    }
    if (transaction.input !== calldata) {
      return not("anchor.hash_mismatch", "The transaction carries something else than this hash.");
    }
    const receipt = await orNull(getTransactionReceipt(client, { hash: id }));
    if (!receipt) return not("anchor.not_mined", "The transaction is in no block yet.");
    if (receipt.status !== "success") {
      return not("anchor.reverted", "The transaction is in a block, and failed.");
    }
    return { anchored: true, ...await recordOf(client, receipt) } as const;
  })());
}

/** @throws {AnchorError} `anchor.hash_invalid` */
export function calldataOf(hash: string): Hex {
  if (/^[0-9a-f]{64}$/i.test(hash)) return `0x${hash.toLowerCase()}`;
  throw new AnchorError(
    "anchor.hash_invalid",
    "What is to be anchored is no hash: it must be 32 bytes, written as 64 hex digits.",
  );
}

/** Where a mined transaction stands. */
export async function recordOf(client: Client, receipt: TransactionReceipt): Promise<ChainRecord> {
  const [chainId, block] = await Promise.all([
    getChainId(client),
    getBlock(client, { blockHash: receipt.blockHash }),
  ]);
  return {
    transactionId: receipt.transactionHash,
    chainId,
    sender: getAddress(receipt.from),
    blockNumber: Number(receipt.blockNumber),
    blockTime: new Date(Number(block.timestamp) * 1_000).toISOString(),
  };
}

/** viem throws for what a node does not know. */
export async function orNull<T>(action: Promise<T>): Promise<T | null> {
  try {
    return await action;
  } catch (error) {
    if (error instanceof TransactionNotFoundError || error instanceof TransactionReceiptNotFoundError) {
      return null;
    }
    throw error;
  }
}
