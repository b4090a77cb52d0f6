import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { z } from "zod";
import { redactValue } from "../../core/redaction/redact.ts";
import { AnchorError, type PendingAnchor } from "../../ports.ts";
import type { Action, ActionContext, ActionOutcome } from "../action.ts";

/** Nothing that the same run does later helps: what was stored is not what was signed, or what was signed is no hash. */
const FINAL_CODES = ["anchor.pending_invalid", "anchor.hash_invalid"];

/** It is stored and logged with the result; what is larger belongs where the event came from. */
const MAX_METADATA_BYTES = 16 * 1024;

export interface AnchorDefinition {
  type: "anchor";
  /** JSON. A text of 64 hex digits is anchored as it is, of anything else the SHA-256 of its canonical JSON. */
  eventHash: unknown;
  /** JSON of 16 kB at most; kept beside the hash in the run's result, for people, secrets hidden. */
  metadata?: unknown;
}

/**
 * Proves that something existed at a time: its hash is written to the chain, or, where none is configured, to the audit
 * log, as the result of this run; the log's next checkpoint is signed and published over it.
 */
export const anchor: Action<AnchorDefinition> = {
  type: "anchor",
  schema: z.strictObject({
    type: z.literal("anchor"),
    eventHash: z.unknown().refine((value) => !isNothing(value), "is missing"),
    metadata: z.unknown().optional(),
  }),
  check: () => [],
  simulate({ eventHash, metadata }) {
    return { simulated: true, eventHash, metadata, hash: isNothing(eventHash) ? null : hashOf(eventHash) };
  },
  async run({ eventHash, metadata }, context) {
    if (isNothing(eventHash)) {
      const text = "eventHash is empty for this event, so that there is nothing to prove. Mend the rule.";
      return { state: "failed", error: `anchor.nothing_to_hash: ${text}` };
    }
    if (Buffer.byteLength(JSON.stringify(metadata ?? null)) > MAX_METADATA_BYTES) {
      const text = "metadata has more than 16 kB for this event. Let the rule take less of it.";
      return { state: "failed", error: `anchor.metadata_too_large: ${text}` };
    }
    const hash = hashOf(eventHash);
    const kept = { hash, ...(metadata !== undefined && { metadata: redactValue(metadata) }) };
    if (!context.deps.anchor) return { state: "succeeded", result: { ...kept, place: "checkpoint" } };
    try {
      return await anchorOnChain(kept, context);
    } catch (error) {
      if (!(error instanceof AnchorError)) throw error;
      const state = FINAL_CODES.includes(error.code) ? "failed" : "retry";
      return { state, error: `${error.code}: ${error.message}` };
    }
  },
};

/** The hash that is anchored, as 64 hex digits in lower case; of anything but a hash, SHA-256 over RFC 8785. */
export function hashOf(value: unknown): string {
  if (typeof value === "string" && /^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  return createHash("sha256").update(canonicalize(value)!).digest("hex");
}

/** A template that led nowhere. */
function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

/**
 * Goes on with the transaction that was begun for this run, or begins one. It is stored before it is sent, so that no
 * crash anchors a hash twice.
 */
async function anchorOnChain(
  kept: { hash: string },
  { run, saveProgress, beforeEffect, deps }: ActionContext,
): Promise<ActionOutcome> {
  const chain = await deps.anchor!();
  const begin = async (replaces?: unknown) =>
    await saveProgress({ ...await chain.begin(kept.hash) }, replaces);
  const pending = run.progress ?? await begin();
  await beforeEffect();
  const { state, ...details } = await chain.complete(pending as PendingAnchor);
  if ("blockNumber" in details) {
    const { transactionId, chainId, blockNumber, blockTime } = details;
    const result = { ...kept, place: "chain", transactionId, chainId, blockNumber, blockTime };
    return { state: "succeeded", result };
  }
  // It will never count: another transaction of the account has its nonce, or it was mined and failed.
  if (state !== "pending") await begin(pending);
  return { state: "retry", error: `anchor.${state}: ${details.reason}` };
}
