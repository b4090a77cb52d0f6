/** Pages as PagerDuty's Events API v2 takes them (developer.pagerduty.com, "Events API v2"; the limits are from there). */
import { z } from "zod";
import { type Attempt, type Delivery, judgeDelivery, type Patience } from "./delivery.ts";
import { oneLine } from "./message.ts";

/** In characters. */
const MAX_SUMMARY_LENGTH = 1_024;
const MAX_DEDUP_KEY_LENGTH = 255;

const SEVERITIES = { P1: "critical", P2: "error", P3: "warning", P4: "info" } as const;

/** A page that comes late still wakes somebody: it is tried for about a day, at least every five minutes. */
const PATIENCE: Patience = { attempts: 300, longestDelaySeconds: 300 };

/** The facts of a page, as the outbox holds them. */
const facts = z.object({
  action: z.enum(["trigger", "acknowledge", "resolve"]),
  incident_id: z.number().int(),
  dedup_key: z.string(),
  priority: z.enum(["P1", "P2", "P3", "P4"]),
  title: z.string(),
  detail: z.string().nullish(),
  count: z.number().int().nonnegative().nullish(),
  opened_at: z.iso.datetime({ offset: true }),
});

/** Which project pages, and whom. */
interface Pager {
  /** The key of an Events API v2 integration: a secret. */
  routingKey: string;
  /** The project's host, which keeps its incidents apart from those of other projects. */
  source: string;
  dashboardUrl: string | null;
}

/**
 * Words a page: the JSON of an event. All events of an incident carry one `dedup_key`, so that PagerDuty has one alert of
 * it however often they are sent.
 *
 * @param payload the facts, as the outbox holds them
 * @throws {Error} when they do not have that shape
 */
export function composePage(payload: unknown, { routingKey, source, dashboardUrl }: Pager): string {
  const { action, dedup_key, ...incident } = facts.parse(payload);
  const event = {
    routing_key: routingKey,
    event_action: action,
    dedup_key: dedupKey(source, dedup_key, incident.incident_id),
  };
  if (action !== "trigger") return JSON.stringify(event);
  const { priority, title, detail, opened_at } = incident;
  return JSON.stringify({
    ...event,
    client: "Self-healing",
    client_url: dashboardUrl ?? undefined,
    payload: {
      summary: oneLine(`${priority}: ${title}${detail ? `: ${detail}` : ""}`, MAX_SUMMARY_LENGTH),
      source,
      severity: SEVERITIES[priority],
      timestamp: opened_at,
      custom_details: { ...incident, title: oneLine(title), detail: detail && oneLine(detail) },
    },
  });
}

/**
 * Decides what becomes of a page after an attempt to send it, as {@link judgeDelivery} does, with more patience. The
 * routing key is never in the error, whatever the answer quotes.
 */
export function judgePage(
  attempt: Attempt,
  routingKey: string,
  earlierAttempts: number,
  now: Date,
): Delivery {
  const shown = "status" in attempt
    ? { ...attempt, body: attempt.body.replaceAll(routingKey, "[routing key]") }
    : attempt;
  return judgeDelivery(shown, isAccepted, earlierAttempts, now, PATIENCE);
}

/** PagerDuty says so in words; a proxy's 2xx does not. */
function isAccepted(body: string): boolean {
  try {
    return JSON.parse(body).status === "success";
  } catch {
    return false;
  }
}

/** A key that is too long gives way to the incident's number, so that two incidents never share one. */
function dedupKey(source: string, key: string, incidentId: number): string {
  const whole = `${source}:${key}`;
  return whole.length <= MAX_DEDUP_KEY_LENGTH
    ? whole
    : `${source}:incident:${incidentId}`.slice(-MAX_DEDUP_KEY_LENGTH);
}
