import { z } from "zod";
import { formatDuration } from "../duration.ts";
import { compose, formatTime, type Wording } from "../message.ts";

const text = z.string().nullish();
const count = z.number().int().nonnegative();

const OWNERS = { us: "us", provider: "the provider", you: "you" };

const failure = z.object({
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
const attempt = z.object({
  service_name: z.string(),
  action_taken: text,
  retry_count: count.nullish(),
  error_message: text,
});
const recovered = z.object({
  service_name: z.string(),
  action_taken: text,
  duration_seconds: z.number().nonnegative().nullish(),
  occurrences: count.nullish(),
  failure_reason: text,
});
const disabled = z.object({
  service_name: z.string(),
  failure_reason: text,
  consecutive_failures: count.nullish(),
});

/** What people are told of an integration's failures. */
export const integrationMessages: Record<string, Wording> = {
  failure(payload) {
    const facts = failure.parse(payload);
    return compose("🚨 Integration Failure Detected", [
      [["Service", facts.service_name], ["Category", facts.category], ["Error", facts.error_message]],
      [["Recovery Plan", facts.action_taken], ["Status", facts.status]],
      [["Who Must Act", facts.owner && OWNERS[facts.owner]], ["Advice", facts.advice]],
      [["Event ID", facts.event_id], ["Timestamp", facts.created_at && formatTime(facts.created_at)]],
    ]);
  },
  attempt(payload) {
    const facts = attempt.parse(payload);
    return compose("🔄 Recovery Attempt", [
      [["Service", facts.service_name], ["Action", facts.action_taken], [
        "Attempt",
        facts.retry_count == null ? null : `${facts.retry_count}/3`,
      ]],
      [["Previous Error", facts.error_message]],
    ]);
  },
  recovered(payload) {
    const facts = recovered.parse(payload);
    const duration = facts.duration_seconds == null ? null : formatDuration(facts.duration_seconds);
    return compose("✅ Integration Recovered", [
      [["Service", facts.service_name], ["Resolution", facts.action_taken], ["Time to Recover", duration]],
      [["Original Error", facts.failure_reason], ["Occurrences", facts.occurrences?.toString()]],
    ]);
  },
  disabled(payload, dashboardUrl) {
    const facts = disabled.parse(payload);
    return compose("⛔ Integration Disabled", [
      [["Service", facts.service_name], ["Reason", facts.failure_reason], [
        "Failure Count",
        facts.consecutive_failures?.toString(),
      ]],
      [["Action Required", "Manual review and re-enable"], ["Dashboard", dashboardUrl]],
    ]);
  },
};
