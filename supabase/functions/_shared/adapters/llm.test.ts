import assert from "node:assert/strict";
import { type Egress, EgressError, type EgressRequest } from "../ports.ts";
import { createExplainer } from "./llm.ts";

function model(answer: { status: number; body: string } | EgressError) {
  const requests: EgressRequest[] = [];
  const egress: Egress = {
    send(request) {
      requests.push(request);
      return answer instanceof EgressError
        ? Promise.reject(answer)
        : Promise.resolve({ ...answer, headers: {} });
    },
  };
  const explainer = createExplainer({ egress, apiKey: "canary", baseUrl: "https://llm.example/v1/" });
  return { ask: () => explainer.explain({ system: "You are.", user: "Why?" }, 5_000), requests };
}

const saying = (content: unknown) => ({
  status: 200,
  body: JSON.stringify({ choices: [{ message: { content } }] }),
});

Deno.test("a question is a chat completion within the given time, and the answer is its text", async () => {
  const { ask, requests } = model(saying("Because."));
  assert.equal(await ask(), "Because.");
  assert.equal(requests[0]!.url, "https://llm.example/v1/chat/completions");
  assert.equal(requests[0]!.headers!.authorization, "Bearer canary");
  assert.equal(requests[0]!.timeoutMs, 5_000);
  assert.deepEqual(JSON.parse(requests[0]!.body!), {
    model: "gpt-4o-mini",
    messages: [{ role: "system", content: "You are." }, { role: "user", content: "Why?" }],
    temperature: 0.3,
    max_tokens: 300,
  });
});

Deno.test("an endless answer is cut", async () => {
  assert.equal((await model(saying("x".repeat(60_000))).ask()).length, 4_000);
});

Deno.test("a refusal is an error that does not quote what the server said", async () => {
  const refused = model({ status: 401, body: '{"error":{"message":"Incorrect API key: canary"}}' });
  await assert.rejects(refused.ask(), { code: "llm.refused", message: /HTTP 401$/ });
});

Deno.test("what is no completion is an error, never an empty explanation", async () => {
  const answers = [saying(""), saying(null), saying(7), { status: 200, body: "<html>" }, {
    status: 200,
    body: '{"choices":[]}',
  }];
  for (const answer of answers) await assert.rejects(model(answer).ask(), { code: "llm.malformed" });
});

Deno.test("a model that does not answer in time is told as such", async () => {
  await assert.rejects(model(new EgressError("egress.timeout", "too late", true)).ask(), {
    code: "egress.timeout",
  });
});
