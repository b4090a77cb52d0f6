import { z } from "zod";
import { redactText, redactValue } from "../redaction/redact.ts";
import { AuditError } from "./audit-error.ts";

const MAX_TEXT = 500;
const MAX_PAYLOAD_BYTES = 64 * 1024;
/** What is looked at, and kept, of an error's text. */
const MAX_ERROR_SEEN = 65_536;
const MAX_ERROR = 2_000;
const MAX_CODE = 200;

const text = z.string().min(1).max(MAX_TEXT);
const confidence = z.number().min(0).max(1);
const given = z.unknown().refine((value) => value !== undefined, "is missing");

/** `audit` is reserved: verification believes what the log says about itself. */
export const subsystemName = z.string().max(MAX_TEXT).regex(
  /^(?!audit$)[a-z][a-z0-9_-]*$/,
  "must be lower-case letters, digits, hyphens and underscores, begin with a letter, and not be audit",
);

/** Something was done; `result` is its outcome in one word. */
export const action = z.strictObject({
  ...{ actor: text, action: text, resource: text, result: text },
  payload: z.record(z.string(), z.unknown()).optional(),
});

/** Something failed; `error` is what was caught. */
export const error = z.strictObject({ actor: text, action: text, resource: text, error: given });

/** One of several courses was chosen. */
export const decision = z.strictObject({
  ...{ actor: text, decision_type: text, resource: text, decision: text },
  ...{ reasoning: z.array(z.string()), confidence },
});

/** Something is expected to happen. */
export const prediction = z.strictObject({
  ...{ actor: text, prediction_type: text, resource: text },
  ...{ predicted_value: given, confidence, current_value: z.unknown() },
});

/** An event as `log_subsystem_events` takes it. */
export interface SubsystemEvent {
  subsystem: string;
  kind: "action" | "error" | "decision" | "prediction";
  actor: string;
  action: string;
  resource: string;
  result: string;
  payload: Record<string, unknown>;
}

/** @throws {AuditError} `audit.event_invalid`, naming the fields that are missing, unknown or do not fit */
export function checkEvent<Output>(schema: z.ZodType<Output>, value: unknown, what: string): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => [...path.map(String), message].join(": "));
  throw invalid(`This ${what} cannot be logged: ${problems.join("; ").slice(0, MAX_ERROR)}`);
}

/**
 * The event without secrets, and within its bounds: texts are cut, a payload of more than 64 kB as JSON is refused.
 *
 * @throws {AuditError} `audit.event_invalid`, when the payload is too large or no JSON
 */
export function sanitizeEvent(event: SubsystemEvent): SubsystemEvent {
  const short = (text: string) => redactText(text).slice(0, MAX_TEXT);
  return {
    ...{
      subsystem: event.subsystem,
      kind: event.kind,
      actor: short(event.actor),
      action: short(event.action),
    },
    ...{ resource: short(event.resource), result: short(event.result) },
    payload: redactValue(asJson(event.payload)) as Record<string, unknown>,
  };
}

/** The payload as it will arrive. Measured first: redacting takes time that grows with the text. */
function asJson(payload: Record<string, unknown>): unknown {
  let json: string;
  try {
    json = JSON.stringify(payload);
  } catch (error) {
    throw invalid(`The payload cannot be logged: ${(error as Error).message}`);
  }
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > MAX_PAYLOAD_BYTES) {
    throw invalid(
      `The payload cannot be logged: it has ${bytes} bytes as JSON, and at most ${MAX_PAYLOAD_BYTES} are kept`,
    );
  }
  return JSON.parse(json);
}

/** An error's name, code and text, or the text of whatever else was thrown: without secrets, at most 2,000 characters. */
export function describeError(error: unknown): { name?: string; code?: string; message: string } {
  const { name, code, message } = Object(error) as Record<string, unknown>;
  const known = (value: unknown) =>
    typeof value === "string" || typeof value === "number" ? String(value).slice(0, MAX_CODE) : undefined;
  const told = typeof message === "string" ? message : describeOther(error);
  return {
    ...{ name: known(name), code: known(code) },
    message: redactText(told.slice(0, MAX_ERROR_SEEN)).slice(0, MAX_ERROR),
  };
}

function describeOther(error: unknown): string {
  return typeof error === "string" ? error : JSON.stringify(redactValue(error)) ?? String(error);
}

function invalid(message: string): AuditError {
  return new AuditError("audit.event_invalid", message);
}
