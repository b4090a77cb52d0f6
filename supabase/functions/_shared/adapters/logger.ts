import { redactValue } from "../core/redaction/redact.ts";
import type { Clock, Logger } from "../ports.ts";

export type Level = "info" | "warn" | "error";

/** The platform cuts messages at 10,000 characters, in the middle of the JSON. */
const MAX_LINE = 8_000;

/**
 * Writes one JSON line per event: time, level, event, then the fields, with secrets hidden. A line that would be too
 * long says so and keeps the beginning of its fields as text.
 *
 * @param write Where lines go; the console's method of that level unless given, from which the platform takes the level.
 */
export function createLogger(
  { clock, write = (level, line) => console[level](line) }: {
    clock: Clock;
    write?: (level: Level, line: string) => void;
  },
): Logger {
  const at = (level: Level) => (event: string, fields: Record<string, unknown> = {}) => {
    const head = { time: new Date(clock.now()).toISOString(), level, event };
    const shown = redactValue(fields) as Record<string, unknown>;
    const line = JSON.stringify({ ...head, ...shown, ...head });
    if (line.length <= MAX_LINE) return write(level, line);
    // Quotes in the text are escaped once more, which at worst doubles its length.
    write(level, JSON.stringify({ ...head, truncated: JSON.stringify(shown).slice(0, MAX_LINE / 4) }));
  };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}
