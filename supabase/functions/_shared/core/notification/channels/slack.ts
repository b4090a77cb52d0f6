import type { Channel } from "../channel.ts";
import type { Line, Message } from "../message.ts";

/** Slack's limit for the text of a section (docs.slack.dev, Block Kit reference) is 3,000; a section holds up to 3 lines. */
const MAX_ESCAPED_VALUE = 900;

/** The only characters with a meaning outside of Slack's own formatting (docs.slack.dev, "Formatting message text"). */
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Slack incoming webhooks: blocks, and a text for notifications. Slack answers the plain text `ok`. */
export const slack: Channel = {
  name: "slack",
  render(message) {
    return JSON.stringify({
      text: plainText(message),
      blocks: [
        { type: "header", text: { type: "plain_text", text: message.title, emoji: true } },
        ...message.paragraphs.map((lines) => ({
          type: "section",
          text: { type: "mrkdwn", text: lines.map(formatLine).join("\n"), verbatim: true },
        })),
      ],
      unfurl_links: false,
      unfurl_media: false,
    });
  },
  renderText: (text) => JSON.stringify({ text: escapeText(text, Infinity), unfurl_links: false }),
  accepts: (responseBody) => responseBody.trim() === "ok",
};

function formatLine({ label, value }: Line): string {
  return `*${label}:* ${escapeText(value)}`;
}

function plainText({ title, paragraphs }: Message): string {
  const texts = paragraphs.map((lines) =>
    lines.map(({ label, value }) => `${label}: ${escapeText(value)}`).join("\n")
  );
  return [title, ...texts].join("\n\n");
}

/** Escapes a text, so that nothing in it mentions people or makes a link, and ends it before an entity is cut. */
function escapeText(value: string, maxLength = MAX_ESCAPED_VALUE): string {
  let escaped = "";
  for (const character of value) {
    const next = ENTITIES[character] ?? character;
    if (escaped.length + next.length >= maxLength) return escaped + "…";
    escaped += next;
  }
  return escaped;
}
