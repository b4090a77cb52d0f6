import { type Hex, keccak256, parseTransaction, recoverTransactionAddress } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import { AnchorError, type PendingAnchor } from "../ports.ts";

/**
 * The most that one anchor may cost, in the smallest unit of the chain's coin: a hundredth of a coin, some 400 gwei per
 * gas.
 */
export const MAX_COST = 10n ** 16n;

/** A doubled fee 8 times is 256 times the first one; `MAX_COST` ends it earlier where fees are high. */
const MAX_ATTEMPTS = 9;

/** A transaction of no value from an account to itself that carries a hash. Amounts in the coin's smallest unit. */
export interface HashTransaction {
  hash: Hex;
  chainId: number;
  nonce: number;
  gas: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** A signed transaction and the id it has on the chain. */
export interface SignedTransaction {
  transactionId: Hex;
  rawTransaction: Hex;
}

/** Signs a hash's transaction. The same input gives the same bytes (RFC 6979). */
export async function signHash(
  account: PrivateKeyAccount,
  { hash, ...transaction }: HashTransaction,
): Promise<SignedTransaction> {
  const rawTransaction = await account.signTransaction({
    type: "eip1559",
    to: account.address,
    value: 0n,
    data: hash,
    ...transaction,
  });
  return { transactionId: keccak256(rawTransaction), rawTransaction };
}

/** A pending anchor, read. */
export interface Attempts {
  sender: Hex;
  chainId: number;
  nonce: number;
  /** The transaction that was stored, then the same with ever higher fees. At most one of them can be mined. */
  signed: SignedTransaction[];
}

/**
 * All transactions that a pending anchor may be sent as. They share nonce and calldata, and each doubles the fees of the
 * one before, of which nodes ask at least 10 % (go-ethereum's `txpool.pricebump`). As the signatures repeat, nothing
 * but the first one needs to be stored to find whichever was mined.
 *
 * An account that is not the sender's (the key was changed) can raise no fee, so that the stored one stays alone.
 *
 * @throws {AnchorError} `anchor.pending_invalid`
 */
export async function attemptsOf(account: PrivateKeyAccount, pending: PendingAnchor): Promise<Attempts> {
  const first = {
    transactionId: pending.transactionId as Hex,
    rawTransaction: pending.rawTransaction as Hex,
  };
  const { sender, ...transaction } = await readTransaction(first);
  const signed = [first];
  while (sender === account.address && signed.length < MAX_ATTEMPTS) {
    transaction.maxFeePerGas *= 2n;
    transaction.maxPriorityFeePerGas *= 2n;
    if (transaction.gas * transaction.maxFeePerGas > MAX_COST) break;
    signed.push(await signHash(account, transaction));
  }
  return { sender, chainId: transaction.chainId, nonce: transaction.nonce, signed };
}

async function readTransaction(
  { transactionId, rawTransaction }: SignedTransaction,
): Promise<HashTransaction & { sender: Hex }> {
  try {
    const { chainId, nonce = 0, gas, maxFeePerGas, maxPriorityFeePerGas, data } = parseTransaction(
      rawTransaction,
    );
    const sender = await recoverTransactionAddress({
      serializedTransaction: rawTransaction as `0x02${string}`,
    });
    if (gas && maxFeePerGas && maxPriorityFeePerGas && data && keccak256(rawTransaction) === transactionId) {
      return { hash: data, chainId: chainId!, nonce, gas, maxFeePerGas, maxPriorityFeePerGas, sender };
    }
  } catch {
    // The text of the reason would quote the bytes.
  }
  throw new AnchorError(
    "anchor.pending_invalid",
    "The stored transaction of an anchor is not one that was signed here. Was the row changed? Remove it, and the hash " +
      "is anchored anew.",
  );
}
