import { z } from "zod";
import { formatDuration } from "../duration.ts";
import { compose, formatTime, type Line, type Wording } from "../message.ts";

const text = z.string().nullish();
const count = z.number().int().nonnegative().nullish();

const incident = z.object({
  incident_id: z.number().int(),
  priority: z.enum(["P1", "P2", "P3", "P4"]),
  title: z.string(),
  status: text,
  attempts: count,
  count,
  opened_at: text,
  detail: text,
  acknowledged_by: text,
  resolved_by: text,
  auto_healed: z.boolean().nullish(),
  note: text,
  duration_seconds: z.number().nonnegative().nullish(),
});
type Incident = z.output<typeof incident>;

const pageFailed = incident.extend({ channel: z.string(), error: text, given_up: z.boolean().nullish() });

/** What people are told of incidents and of the pages about them. */
export const incidentMessages: Record<string, Wording> = {
  incident_opened(payload, dashboardUrl) {
    const facts = incident.parse(payload);
    return compose(`🔥 ${facts.priority} Incident Opened`, [
      whatAndSince(facts),
      whatIsKnown(facts),
      [["Dashboard", dashboardUrl]],
    ]);
  },
  incident_escalated(payload, dashboardUrl) {
    const facts = incident.parse(payload);
    return compose(`📣 ${facts.priority} Incident Escalated`, [
      whatAndSince(facts),
      whatIsKnown(facts),
      [["Action Required", "It did not heal by itself: acknowledge it and mend the cause"], [
        "Dashboard",
        dashboardUrl,
      ]],
    ]);
  },
  incident_reminder(payload, dashboardUrl) {
    const facts = incident.parse(payload);
    return compose(`⏰ ${facts.priority} Incident Still Open`, [
      whatAndSince(facts),
      whatIsKnown(facts),
      [["Open For", duration(facts)], ["Acknowledged By", facts.acknowledged_by], [
        "Dashboard",
        dashboardUrl,
      ]],
    ]);
  },
  incident_acknowledged(payload) {
    const facts = incident.parse(payload);
    return compose(`👀 ${facts.priority} Incident Acknowledged`, [
      [["Incident", name(facts)], ["Acknowledged By", facts.acknowledged_by], ["Note", facts.note]],
    ]);
  },
  incident_resolved(payload) {
    const facts = incident.parse(payload);
    return compose(`✅ ${facts.priority} Incident Resolved`, [
      [["Incident", name(facts)], ["Resolved By", facts.auto_healed ? "healing" : facts.resolved_by], [
        "Time to Resolve",
        duration(facts),
      ]],
      [["Was", facts.detail], ["Note", facts.note]],
    ]);
  },
  page_failed(payload, dashboardUrl) {
    const facts = pageFailed.parse(payload);
    return compose(`📟 ${facts.priority} Page Not Delivered`, [
      [["Incident", name(facts)], ["Detail", facts.detail]],
      [["Channel", facts.channel], ["Error", facts.error]],
      [[
        "Action Required",
        facts.given_up
          ? "Tell whoever is on call: this page is not sent again"
          : "Tell whoever is on call: the page is sent again, but may come too late",
      ], ["Dashboard", dashboardUrl]],
    ]);
  },
};

type Lines = [Line["label"], string | null | undefined][];

function whatAndSince(facts: Incident): Lines {
  return [["Incident", name(facts)], ["Status", facts.status], [
    "Opened",
    facts.opened_at && formatTime(facts.opened_at),
  ]];
}

function whatIsKnown({ detail, count, attempts }: Incident): Lines {
  return [["Detail", detail], ["Count", count?.toString()], ["Attempts", attempts?.toString()]];
}

function name({ incident_id, title }: Incident): string {
  return `#${incident_id} ${title}`;
}

function duration({ duration_seconds }: Incident): string | null {
  return duration_seconds == null ? null : formatDuration(duration_seconds);
}
