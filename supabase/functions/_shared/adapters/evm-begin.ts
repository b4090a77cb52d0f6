import { type Client, formatEther, type Hex } from "viem";
import type { PrivateKeyAccount } from "viem/accounts";
import {
  estimateGas,
  estimateMaxPriorityFeePerGas,
  getBalance,
  getBlock,
  getChainId,
  getTransactionCount,
} from "viem/actions";
import { AnchorError } from "../ports.ts";
import { MAX_COST, type SignedTransaction, signHash } from "./evm-transaction.ts";

/** Signs a hash's transaction with the nonce and the fees of this moment. Sends nothing. */
export async function signFirst(
  client: Client,
  account: PrivateKeyAccount,
  hash: Hex,
): Promise<SignedTransaction> {
  const { address } = account;
  const [chainId, nonce, estimate, block, tip, balance] = await Promise.all([
    getChainId(client),
    getTransactionCount(client, { address, blockTag: "pending" }),
    estimateGas(client, { account: address, to: address, data: hash }),
    getBlock(client),
    estimateMaxPriorityFeePerGas(client),
    getBalance(client, { address }),
  ]);
  if (block.baseFeePerGas === null) {
    throw new AnchorError(
      "anchor.chain_unsupported",
      `Chain ${chainId} has no fees as of EIP-1559, so that no limit can be set to them. Use another chain.`,
    );
  }
  const gas = estimate * 6n / 5n; // Rollups estimate their share of the main chain's price, which moves.
  const maxPriorityFeePerGas = tip > 0n ? tip : 1n; // Twice nothing would be no higher fee.
  const maxFeePerGas = 2n * block.baseFeePerGas + maxPriorityFeePerGas; // Good for six full blocks.
  const cost = gas * maxFeePerGas;
  if (cost > MAX_COST) {
    throw new AnchorError(
      "anchor.fee_too_high",
      `An anchor would cost up to ${
        formatEther(cost)
      } coins of chain ${chainId} now, more than the limit of ${
        formatEther(MAX_COST)
      }. It is tried again; if it lasts, use a chain with lower fees.`,
    );
  }
  if (balance < cost) {
    throw new AnchorError(
      "anchor.insufficient_funds",
      `The account ${address} has ${
        formatEther(balance)
      } coins on chain ${chainId}, and an anchor costs up to ${formatEther(cost)}. Send it some.`,
    );
  }
  return await signHash(account, { hash, chainId, nonce, gas, maxFeePerGas, maxPriorityFeePerGas });
}
