import type { Message, Wording } from "./message.ts";
import { auditMessages } from "./messages/audit.ts";
import { incidentMessages } from "./messages/incidents.ts";
import { integrationMessages } from "./messages/integrations.ts";
import { modeMessages } from "./messages/mode.ts";
import { ruleMessages } from "./messages/rules.ts";

/** The things that people are told, by the outbox row's kind. */
const WORDINGS: Record<string, Wording> = {
  ...integrationMessages,
  ...auditMessages,
  ...ruleMessages,
  ...incidentMessages,
  ...modeMessages,
};

/**
 * Words a message. Facts that are unknown have no line.
 *
 * @param kind one of those in `messages/`
 * @param payload the facts, as the outbox holds them
 * @param dashboardUrl where people can look and act; null leaves the line out
 * @throws {Error} when the kind is unknown or the facts do not have its shape
 */
export function composeMessage(kind: string, payload: unknown, dashboardUrl: string | null): Message {
  const word = Object.hasOwn(WORDINGS, kind) ? WORDINGS[kind] : undefined;
  if (!word) throw new Error(`There is no message of kind "${kind}"`);
  return word(payload, dashboardUrl);
}
