/** A line of a message: `label: value`. */
export interface Line {
  label: string;
  value: string;
}

/** A message as people read it, whatever the channel: a title and paragraphs of up to three lines. */
export interface Message {
  title: string;
  paragraphs: Line[][];
}

/** Words one kind of message from the facts that the outbox holds; throws when they do not have its shape. */
export type Wording = (payload: unknown, dashboardUrl: string | null) => Message;

/** Longest value that is shown, in UTF-16 units; ten of them in three-byte characters fit into every channel's limit. */
export const MAX_VALUE_LENGTH = 700;

/** Makes a message of labelled values; what is unknown has no line, and every value becomes one line of bounded length. */
export function compose(title: string, paragraphs: [label: string, value?: string | null][][]): Message {
  const lines = paragraphs.map((paragraph) =>
    paragraph.flatMap(([label, value]) => value ? [{ label, value: oneLine(value) }] : [])
  );
  return { title, paragraphs: lines.filter((paragraph) => paragraph.length > 0) };
}

/**
 * A text on one line, without line breaks and control characters, which would break up a message.
 *
 * @param maxLength in UTF-16 units; a longer text ends with an ellipsis
 */
export function oneLine(text: string, maxLength = MAX_VALUE_LENGTH): string {
  // deno-lint-ignore no-control-regex
  const line = text.toWellFormed().replace(/[\u0000-\u0020\u007f-\u009f\u2028\u2029]+/g, " ").trim();
  if (line.length <= maxLength) return line;
  // A surrogate pair that the cut divides is dropped as a whole.
  return line.slice(0, maxLength - 1).replace(/[\ud800-\udbff]$/, "") + "…";
}

/** `2026-11-20 19:30:00 UTC`; what is no time stays as it is. */
export function formatTime(text: string): string {
  const time = new Date(text);
  return isNaN(time.getTime()) ? text : time.toISOString().slice(0, 19).replace("T", " ") + " UTC";
}
