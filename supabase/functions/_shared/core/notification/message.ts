import { formatDuration } from "./duration.ts";
import { actionFailed, attempt, DAMAGE, damage, damageOver, disabled, failure, recovered } from "./facts.ts";

/** A line of a message: `label: value`. */
export interface Line {
  label: string;
  value: string;
}

/** A message as people read it, whatever the channel: a title and paragraphs of lines. */
export interface Message {
  title: string;
  paragraphs: Line[][];
}

/** Longest value that is shown, in UTF-16 units; ten of them in three-byte characters fit into every channel's limit. */
export const MAX_VALUE_LENGTH = 700;

const OWNERS = { us: "us", provider: "the provider", you: "you" };

/** The things that people are told, with the facts each is made of. */
const KINDS: Record<string, (payload: unknown, dashboardUrl: string | null) => Message> = {
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
  damage(payload, dashboardUrl) {
    const facts = damage.parse(payload);
    return compose("🛑 Audit Log Damaged", [
      [["Table", facts.table_name], ["Damage", DAMAGE[facts.kind] ?? facts.kind], ["Place", facts.place]],
      [["Numbers", numbers(facts)], ["Rows", facts.rows?.toString()], ["Detail", facts.detail]],
      [["Action Required", "Keep database and checkpoints as they are, and find out who changed what"], [
        "Dashboard",
        dashboardUrl,
      ]],
    ]);
  },
  damage_over(payload) {
    const facts = damageOver.parse(payload);
    return compose("✅ Audit Log Sound Again", [
      [["Table", facts.table_name], ["Damage", facts.kind && (DAMAGE[facts.kind] ?? facts.kind)], [
        "Place",
        facts.place,
      ]],
      [["Numbers", numbers(facts)], ["Detail", facts.detail]],
    ]);
  },
  action_failed(payload) {
    const facts = actionFailed.parse(payload);
    return compose("⚠️ Rule Action Failed", [
      [["Rule", `${facts.rule_name} (${facts.rule_id})`], ["Action", facts.action], ["Error", facts.error]],
      [["Action Required", "Mend the rule or what it acts on: this action is not tried again"]],
      [["Event ID", facts.event_id]],
    ]);
  },
};

/**
 * Words a message: `failure`, `attempt`, `recovered`, `disabled`, `damage`, `damage_over` or `action_failed`. Facts that
 * are unknown have no line.
 *
 * @param payload the facts, as the outbox holds them
 * @param dashboardUrl where people can look and act; null leaves the line out
 * @throws {Error} when the kind is unknown or the facts do not have its shape
 */
export function composeMessage(kind: string, payload: unknown, dashboardUrl: string | null): Message {
  const compose = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (!compose) throw new Error(`There is no message of kind "${kind}"`);
  return compose(payload, dashboardUrl);
}

/** `5` or `5 to 9`. */
function numbers({ first_seq, last_seq }: { first_seq?: number | null; last_seq?: number | null }) {
  if (first_seq == null) return null;
  return last_seq == null || last_seq === first_seq ? `${first_seq}` : `${first_seq} to ${last_seq}`;
}

/** `2026-11-20 19:30:00 UTC`; what is no time stays as it is. */
function formatTime(text: string): string {
  const time = new Date(text);
  return isNaN(time.getTime()) ? text : time.toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

function compose(title: string, paragraphs: [label: string, value?: string | null][][]): Message {
  const lines = paragraphs.map((paragraph) =>
    paragraph.flatMap(([label, value]) => value ? [{ label, value: shorten(oneLine(value)) }] : [])
  );
  return { title, paragraphs: lines.filter((paragraph) => paragraph.length > 0) };
}

/** Error texts hold line breaks and control characters, which would break up the message. */
function oneLine(value: string): string {
  // deno-lint-ignore no-control-regex
  return value.toWellFormed().replace(/[\u0000-\u0020\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}

function shorten(value: string): string {
  if (value.length <= MAX_VALUE_LENGTH) return value;
  // A surrogate pair that the cut divides is dropped as a whole.
  return value.slice(0, MAX_VALUE_LENGTH - 1).replace(/[\ud800-\udbff]$/, "") + "…";
}
