import type { Message } from "../core/notification/message.ts";

/** A message as plain text, in the form in which its wording was specified. */
export function asText({ title, paragraphs }: Message): string {
  const texts = paragraphs.map((lines) => lines.map(({ label, value }) => `${label}: ${value}`).join("\n"));
  return [title, ...texts].join("\n\n");
}
