import { type Attempt, judgeDelivery } from "../../core/notification/delivery.ts";
import type { Outcome } from "../../outbox/drain.ts";
import { EgressError } from "../../ports.ts";
import { InconsistentError } from "../inconsistent.ts";
import type { SignedCheckpoint } from "../newest-checkpoint.ts";
import { nextCheckpoint } from "../next-checkpoint.ts";
import type { Place, PublishDeps } from "../place.ts";
import { proveGrowth } from "../prove-growth.ts";
import { readPublication, recordPublication } from "../publications.ts";

const TIMEOUT_MS = 10_000;
/** A refusal concerns one table; it may be the witness's mistake, so it is tried again. */
const AFTER_REFUSAL_SECONDS = 3_600;

/**
 * Somebody else's HTTPS endpoint that remembers checkpoints. It takes a JSON object and says so with a 2xx. As in
 * c2sp.org/tlog-witness, 409 with a size in the body says that it has seen that many rows, and 422 that its checkpoint is
 * no beginning of this one.
 */
export const witness: Place = {
  name: "witness",
  missing: ({ keys, witnessUrl }) => [
    ...(witnessUrl ? [] : ["AUDIT_WITNESS_URL"]),
    ...(keys.verifiers.length > 0 ? [] : ["AUDIT_SIGNING_KEY"]),
  ],
  async publish(table, attempts, deps) {
    const { published } = await readPublication(deps.database, table, "witness");
    const next = await nextCheckpoint(table, published, deps);
    if ("outcome" in next) return next;
    const attempt = await sendSince(published ?? { size: 0 }, next, table, deps);
    const judged = judgeDelivery(attempt, () => true, attempts, new Date(deps.clock.now()));
    if (judged.outcome === "dead") return held(judged.error, AFTER_REFUSAL_SECONDS);
    if (judged.outcome === "delivered") await recordPublication(deps.database, table, "witness", next);
    return judged;
  },
};

/** Sends a checkpoint, and once more when the witness has seen other rows than the database knows of. */
async function sendSince(
  known: { size: number; root?: string },
  newest: SignedCheckpoint,
  table: string,
  deps: PublishDeps,
): Promise<Attempt> {
  const attempt = await send(known, newest, table, deps);
  const seen = seenBy(attempt);
  if (seen === null || seen === known.size) return attempt;
  if (seen > newest.size) {
    throw new InconsistentError(
      "tail_cut",
      `The witness has seen ${seen} rows, and the newest checkpoint has only ${newest.size}.`,
    );
  }
  // Its answer to an earlier checkpoint got lost, or its memory did.
  return await send({ size: seen }, newest, table, deps);
}

/** How many rows a witness says that it has seen; null when it says something else. */
function seenBy(attempt: Attempt): number | null {
  if (!("status" in attempt) || attempt.status !== 409) return null;
  const digits = /^\s*(\d{1,15})\s*$/.exec(attempt.body)?.[1];
  return digits ? Number(digits) : null;
}

async function send(
  known: { size: number; root?: string },
  { size, root, note }: SignedCheckpoint,
  table: string,
  { database, egress, witnessUrl }: PublishDeps,
): Promise<Attempt> {
  const consistency_proof = await proveGrowth(table, known, { size, root }, database);
  try {
    const answer = await egress.send({
      url: witnessUrl!,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        table,
        size,
        root,
        checkpoint: note,
        previous_size: known.size,
        consistency_proof,
      }),
      timeoutMs: TIMEOUT_MS,
      maxResponseBytes: 64 * 1024,
    });
    if (answer.status !== 422) return answer;
    throw new InconsistentError("rewritten", "The witness does not find its checkpoint in the newer one.");
  } catch (error) {
    if (error instanceof EgressError) return { failed: error.code };
    throw error;
  }
}

function held(error: string, retry_after_seconds: number): Outcome {
  return { outcome: "held", error, retry_after_seconds };
}
