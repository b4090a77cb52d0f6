import assert from "node:assert/strict";
import fc from "fast-check";
import { composeMessage } from "../messages.ts";
import { slack } from "./slack.ts";

function render(error_message: string) {
  return JSON.parse(slack.render(composeMessage("failure", { service_name: "crm", error_message }, null)));
}

Deno.test("a Slack message is a header and one section a paragraph, with the same as text", () => {
  assert.deepEqual(render("Token expired"), {
    text: "🚨 Integration Failure Detected\n\nService: crm\nError: Token expired",
    blocks: [
      { type: "header", text: { type: "plain_text", text: "🚨 Integration Failure Detected", emoji: true } },
      {
        type: "section",
        text: { type: "mrkdwn", text: "*Service:* crm\n*Error:* Token expired", verbatim: true },
      },
    ],
    unfurl_links: false,
    unfurl_media: false,
  });
});

Deno.test("an error text can neither mention people nor make links", () => {
  const { text, blocks } = render("<!channel> <https://evil.example|click> a && b");
  const escaped = "&lt;!channel&gt; &lt;https://evil.example|click&gt; a &amp;&amp; b";
  assert.ok(text.endsWith(escaped));
  assert.ok(blocks[1].text.text.endsWith(escaped));
});

Deno.test("no text gets longer than Slack's limit, and no entity is cut in half", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("&", "<", "a", "😀"), maxLength: 1_000 }), (error) => {
      for (const block of render(error).blocks.slice(1)) {
        assert.ok(block.text.text.length <= 3_000);
        assert.doesNotMatch(block.text.text, /&(?!amp;|lt;|gt;)/);
        assert.ok(block.text.text.isWellFormed());
      }
    }),
  );
});

Deno.test("only Slack's own ok says that the message was taken", () => {
  assert.deepEqual(["ok", "ok\n", "", "<html>ok</html>", '{"ok":false}'].map(slack.accepts), [
    ...[true, true],
    ...[false, false, false],
  ]);
});
