import { type Client, createClient, custom } from "viem";
import { z } from "zod";
import { redactText } from "../core/redaction/redact.ts";
import { AnchorError, type Egress, EgressError, type EgressResponse } from "../ports.ts";

const TIMEOUT_MS = 5_000;
/** The largest answers are blocks, with no more of their transactions than the ids: 66 characters each. */
const MAX_RESPONSE_BYTES = 1024 * 1024;
const MAX_QUOTE = 200;

/** https://www.jsonrpc.org/specification#response_object */
const answer = z.union([
  z.object({ error: z.object({ code: z.number(), message: z.string() }) }),
  z.object({ result: z.unknown() }).refine((body) => "result" in body),
]);

/** Texts of go-ethereum, Erigon, Nethermind, Besu, Reth and Anvil: JSON-RPC has no codes for these cases. */
const REFUSALS: { code: string; pattern: RegExp }[] = [
  {
    code: "anchor.insufficient_funds",
    pattern: /insufficient ?funds|exceeds (transaction sender )?account balance/i,
  },
  {
    code: "anchor.underpriced",
    pattern: /underpriced|fee ?too ?low|less than block base fee|replacement ?not/i,
  },
  { code: "anchor.nonce_taken", pattern: /nonce (is )?too low|old ?nonce|transaction is outdated/i },
];

export interface NodeConfig {
  egress: Egress;
  /** A node's JSON-RPC address. It may hold an API key, so no text of an error quotes it. */
  rpcUrl: string;
}

/**
 * A viem client that reaches an Ethereum node through the product's one way out, without repetitions or caches of its
 * own.
 */
export function connectNode({ egress, rpcUrl }: NodeConfig): Client {
  const request = async ({ method, params }: { method: string; params?: unknown }) => {
    const response = await egress.send({
      url: rpcUrl,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: params ?? [] }),
      timeoutMs: TIMEOUT_MS,
      maxResponseBytes: MAX_RESPONSE_BYTES,
    }).catch((error) => {
      throw error instanceof EgressError ? unreachable(error) : error;
    });
    const body = readAnswer(response);
    if ("result" in body) return body.result;
    throw refusal(method, body.error.message, rpcUrl);
  };
  return createClient({ transport: custom({ request }, { retryCount: 0 }), cacheTime: 0 });
}

/** Runs viem actions; what they throw becomes the `AnchorError` that began it. */
export async function asking<T>(actions: Promise<T>): Promise<T> {
  try {
    return await actions;
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof AnchorError) throw cause;
    }
    // Not viem's text: it quotes what it was given.
    throw endpointInvalid("its answer is not what the method returns");
  }
}

function unreachable(error: EgressError): AnchorError {
  return new AnchorError(
    "anchor.unreachable",
    `The chain's node could not be asked (${error.code}: ${error.message}). Nothing is lost: it is tried again. ` +
      "If it lasts, check ANCHOR_RPC_URL.",
  );
}

function readAnswer({ status, body }: EgressResponse): z.output<typeof answer> {
  if (status === 408 || status === 429) throw busy(status);
  const parsed = parseAnswer(body);
  // Some gateways refuse a call under a status of HTTP's own; 401 and 403 mean the caller, not the call.
  if (parsed && (status === 200 || ("error" in parsed && status !== 401 && status !== 403))) return parsed;
  if (status >= 500) throw busy(status);
  throw endpointInvalid(status === 200 ? "it does not speak JSON-RPC" : `it answered with HTTP ${status}`);
}

function parseAnswer(body: string): z.output<typeof answer> | undefined {
  try {
    return answer.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function busy(status: number): AnchorError {
  return new AnchorError(
    "anchor.unreachable",
    `The chain's node answered with HTTP ${status}. Nothing is lost: it is tried again.`,
  );
}

function endpointInvalid(why: string): AnchorError {
  return new AnchorError(
    "anchor.endpoint_invalid",
    `ANCHOR_RPC_URL leads to no usable Ethereum node: ${why}. Check the address and the API key in it.`,
  );
}

function refusal(method: string, message: string, rpcUrl: string): AnchorError {
  const code = REFUSALS.find(({ pattern }) => pattern.test(message.slice(0, 1_000)))?.code ??
    "anchor.rejected";
  const quote = redactText(withoutSecrets(message.slice(0, 1_000), rpcUrl)).slice(0, MAX_QUOTE);
  return new AnchorError(code, `The chain's node refused ${method}: ${quote}`);
}

/** Providers put API keys into the path or the query, and some quote them in their errors. */
function withoutSecrets(text: string, rpcUrl: string): string {
  const { pathname, searchParams } = new URL(rpcUrl);
  return [...pathname.split("/"), ...searchParams.values()]
    .filter((part) => part.length >= 8)
    .reduce((rest, part) => rest.replaceAll(part, "[redacted]"), text);
}
