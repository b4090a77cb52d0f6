import type { Channel } from "../channel.ts";
import type { Line } from "../message.ts";

/**
 * Teams by a Workflows URL ("when a Teams webhook request is received"): a message with one Adaptive Card 1.4, at most
 * 28 KB. Lines are rich text, which unlike text blocks is not read as Markdown, so that an error's text cannot make
 * links. Workflows answer 202 with any body.
 */
export const teams: Channel = {
  name: "teams",
  render: ({ title, paragraphs }) =>
    message([
      { type: "TextBlock", text: title, size: "Large", weight: "Bolder", wrap: true },
      ...paragraphs.flatMap((lines) => lines.map((line, index) => formatLine(line, index === 0))),
    ]),
  renderText: (text) => message([{ type: "RichTextBlock", inlines: [{ type: "TextRun", text }] }]),
  accepts: () => true,
};

function message(body: object[]): string {
  const card = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    msteams: { width: "Full" },
    body,
  };
  return JSON.stringify({
    type: "message",
    attachments: [{
      contentType: "application/vnd.microsoft.card.adaptive",
      contentUrl: null,
      content: card,
    }],
  });
}

function formatLine({ label, value }: Line, startsParagraph: boolean) {
  return {
    type: "RichTextBlock",
    spacing: startsParagraph ? "Medium" : "None",
    inlines: [
      { type: "TextRun", text: `${label}: `, weight: "Bolder" },
      { type: "TextRun", text: value },
    ],
  };
}
