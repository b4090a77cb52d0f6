import { z } from "zod";
import { hasTemplates } from "../../core/rules/template.ts";
import { DatabaseError } from "../../ports.ts";
import type { Action, ActionDefinition, ActionOutcome } from "../action.ts";

/** What a bucket gets: a share of what the fixed amounts leave, or a fixed amount in minor units (cents). */
export interface Allocation {
  bucket: string;
  share?: number;
  amountMinor?: number;
}

/** Splits a ledger event's amount across buckets, once. */
export interface LedgerAllocate extends ActionDefinition {
  type: "ledger_allocate";
  /** UUID of a row of `ledger_events`, usually a template such as `{{event.ledgerEventId}}`. */
  ledgerEventId: string;
  allocations: Allocation[];
}

/** As many decimal places as `allocate_ledger_event` takes. */
const SHARE_DIGITS = 12;
const ONE = 10n ** BigInt(SHARE_DIGITS);

const uuid = z.guid();

const allocationSchema = z.strictObject({
  bucket: z.string().min(1).max(100),
  share: z.number().positive().max(1_000_000).optional(),
  amountMinor: z.int().positive().optional(),
}).refine(
  ({ share, amountMinor }) => (share === undefined) !== (amountMinor === undefined),
  "needs either a share or an amountMinor",
);

export const ledgerAllocate: Action<LedgerAllocate> = {
  type: "ledger_allocate",
  schema: z.strictObject({
    type: z.literal("ledger_allocate"),
    ledgerEventId: z.string().min(1).max(200),
    allocations: z.array(allocationSchema).min(1).max(100),
  }),

  check({ ledgerEventId, allocations }) {
    const problems = allocationProblems(allocations);
    if (!hasTemplates(ledgerEventId) && !uuid.safeParse(ledgerEventId).success) {
      problems.unshift("ledgerEventId: must be a UUID or a template such as {{event.ledgerEventId}}");
    }
    return problems;
  },

  simulate: ({ ledgerEventId, allocations }) => ({ simulated: true, ledgerEventId, allocations }),

  async run({ ledgerEventId, allocations }, { rule, event, beforeEffect, deps }): Promise<ActionOutcome> {
    if (!uuid.safeParse(ledgerEventId).success) {
      return {
        state: "failed",
        error: "ledger_event.unknown: the event has no UUID where the rule's ledgerEventId looks for one",
      };
    }
    await beforeEffect();
    try {
      const result = await deps.database.rpc<Record<string, unknown>>("allocate_ledger_event", {
        p_ledger_event_id: ledgerEventId,
        p_allocations: allocations,
        p_rule_id: rule.id,
        p_event_id: event.eventId,
      });
      return { state: "succeeded", result };
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code === "safe_mode.active") throw error;
      // A repetition is safe: the database allocates once for each ledger event.
      return { state: error.status < 500 ? "failed" : "retry", error: `${error.code}: ${error.message}` };
    }
  },
};

/** What cannot sum up, whatever the amount will be. */
function allocationProblems(allocations: Allocation[]): string[] {
  const names = allocations.map(({ bucket }) => bucket);
  const repeated = names.filter((name, index) => names.indexOf(name) !== index);
  const problems = [...new Set(repeated)].map((name) =>
    `allocations: the bucket ${JSON.stringify(name)} is named more than once`
  );
  const shares = allocations.flatMap(({ share }) => share ?? []);
  if (shares.some((share) => Number(share.toFixed(SHARE_DIGITS)) !== share)) {
    problems.push(`allocations: a share may have ${SHARE_DIGITS} decimal places`);
  } else if (shares.length > 0 && sum(shares) !== ONE) {
    problems.push(`allocations: the shares sum to ${decimal(sum(shares))} instead of 1; write 0.7 for 70 %`);
  }
  return problems;
}

/** In units of the last decimal place, so that 0.1 + 0.2 + 0.7 is exactly 1. */
function sum(shares: number[]): bigint {
  return shares.reduce((total, share) => total + BigInt(share.toFixed(SHARE_DIGITS).replace(".", "")), 0n);
}

function decimal(units: bigint): string {
  return `${units / ONE}.${String(units % ONE).padStart(SHARE_DIGITS, "0")}`.replace(/\.?0+$/, "");
}
