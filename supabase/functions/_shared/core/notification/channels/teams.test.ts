import assert from "node:assert/strict";
import adaptiveCards from "adaptivecards";
import { composeMessage } from "../messages.ts";
import { teams } from "./teams.ts";

const FACTS = {
  service_name: "crm",
  category: "auth",
  error_message: "Token expired",
  action_taken: "Refreshing the token",
  status: "pending",
  retry_count: 1,
  duration_seconds: 5,
  failure_reason: "Token expired",
  consecutive_failures: 3,
  incident_id: 12,
  priority: "P1",
  title: "The total of a sale is not the sum of its items",
  detail: "sale 17: expected 1000, found 900",
  channel: "pagerduty",
  reason: "The health score was F twice",
};

Deno.test("every Teams message holds one card that Microsoft's own parser accepts", () => {
  for (
    const kind of [
      "failure",
      "attempt",
      "recovered",
      "disabled",
      "incident_escalated",
      "page_failed",
      "safe_mode_on",
    ]
  ) {
    const message = JSON.parse(teams.render(composeMessage(kind, FACTS, "https://admin.example")));
    assert.equal(message.type, "message");
    assert.equal(message.attachments.length, 1);
    const { contentType, content } = message.attachments[0];
    assert.equal(contentType, "application/vnd.microsoft.card.adaptive");

    const card = new adaptiveCards.AdaptiveCard();
    const context = new adaptiveCards.SerializationContext();
    card.parse(content, context);
    assert.equal(context.eventCount, 0);
    assert.deepEqual(card.validateProperties().validationEvents, []);
    assert.equal(card.getItemCount(), content.body.length);
    assert.equal(content.version, "1.4");
  }
});

Deno.test("an error text is not read as Markdown", () => {
  const message = composeMessage(
    "failure",
    { service_name: "crm", error_message: "[a](https://b.example)" },
    null,
  );
  const { body } = JSON.parse(teams.render(message)).attachments[0].content;
  assert.deepEqual(body.map((element: { type: string }) => element.type), [
    "TextBlock",
    "RichTextBlock",
    "RichTextBlock",
  ]);
  assert.equal(body[2].inlines[1].text, "[a](https://b.example)");
});
