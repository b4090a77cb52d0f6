import { redactText } from "../core/redaction/redact.ts";

const MAX_LENGTH = 500;

/** An error as people see it in results and logs: `code: what happened`, without secrets. */
export function errorText(error: unknown): string {
  const { code = "internal", message } = error as { code?: string; message?: string };
  return shortText(`${code}: ${message ?? error}`);
}

/** A text without secrets, of at most 500 characters. */
export function shortText(text: string): string {
  return redactText(text).slice(0, MAX_LENGTH);
}
