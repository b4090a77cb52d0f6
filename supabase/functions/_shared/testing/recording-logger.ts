import type { Logger } from "../ports.ts";

/** A logger that keeps what it is told. */
export interface RecordingLogger extends Logger {
  lines: { level: string; event: string; fields: Record<string, unknown> }[];
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordingLogger["lines"] = [];
  const at = (level: string) => (event: string, fields: Record<string, unknown> = {}) => {
    lines.push({ level, event, fields });
  };
  return { lines, info: at("info"), warn: at("warn"), error: at("error") };
}
