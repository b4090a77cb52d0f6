/** The facts that each message is made of, as the outbox holds them. */
import { z } from "zod";

const text = z.string().nullish();
const count = z.number().int().nonnegative();

export const failure = z.object({
  service_name: z.string(),
  category: text,
  error_message: text,
  action_taken: text,
  status: text,
  owner: z.enum(["us", "provider", "you"]).nullish(),
  advice: text,
  event_id: text,
  created_at: text,
});
export const attempt = z.object({
  service_name: z.string(),
  action_taken: text,
  retry_count: count.nullish(),
  error_message: text,
});
export const recovered = z.object({
  service_name: z.string(),
  action_taken: text,
  duration_seconds: z.number().nonnegative().nullish(),
  occurrences: count.nullish(),
  failure_reason: text,
});
export const disabled = z.object({
  service_name: z.string(),
  failure_reason: text,
  consecutive_failures: count.nullish(),
});

export const damage = z.object({
  table_name: z.string(),
  kind: z.string(),
  first_seq: count.nullish(),
  last_seq: count.nullish(),
  rows: count.nullish(),
  place: text,
  detail: text,
});
export const damageOver = damage.partial({ kind: true });

export const actionFailed = z.object({
  rule_id: z.string(),
  rule_name: z.string(),
  action: z.string(),
  error: text,
  event_id: text,
});

/** What was found in an immutable table, or in the checkpoints of it. */
export const DAMAGE: Record<string, string> = {
  edited: "Rows were edited",
  deleted: "Rows were deleted",
  inserted_later: "Rows were inserted among sealed ones",
  reordered: "Rows changed their places",
  tail_cut: "The newest rows are missing",
  rewritten: "The log was rewritten",
  unguarded: "The triggers that keep rows from being changed are off",
  unverified: "The table could not be verified",
  checkpoint_lost: "Published checkpoints are gone",
  checkpoint_unreadable: "The newest published checkpoint cannot be trusted",
};
