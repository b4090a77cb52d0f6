import assert from "node:assert/strict";
import { classifyLines } from "./classify.ts";

async function run(text: string, pieceLength = 65_536): Promise<{ answers: unknown[]; refused: string[] }> {
  const bytes = new TextEncoder().encode(text);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += pieceLength) {
    pieces.push(bytes.slice(start, start + pieceLength));
  }
  const refused: string[] = [];
  let output = "";
  for await (const block of classifyLines(ReadableStream.from(pieces), (message) => refused.push(message))) {
    output += block;
  }
  return {
    answers: output.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)),
    refused,
  };
}

Deno.test("every failure gets one answer with exactly the promised fields, in the same order", async () => {
  const { answers, refused } = await run(
    '{"http_status":429,"headers":{"Retry-After":"7"}}\n{"http_status":503}',
  );
  assert.deepEqual(answers.map((answer) => Object.keys(answer as object).sort()), [
    ["advice", "category", "confidence", "owner", "refreshable", "retry_after_seconds", "signals"],
    ["advice", "category", "confidence", "owner", "refreshable", "retry_after_seconds", "signals"],
  ]);
  assert.deepEqual(answers.map((answer) => (answer as { category: string }).category), [
    "rate_limit",
    "network",
  ]);
  assert.equal((answers[0] as { retry_after_seconds: number }).retry_after_seconds, 7);
  assert.deepEqual(refused, []);
});

Deno.test("a line that cannot be read is answered in its place, so that answers and failures stay aligned", async () => {
  const { answers, refused } = await run('{"http_status":401}\nnonsense\n[1]\n\n{"http_status":401}\n');
  const codes = answers.map((answer) => (answer as { error?: { code: string } }).error?.code);
  assert.deepEqual(codes, [undefined, "failure.no_json", "failure.no_object", "failure.no_json", undefined]);
  assert.equal(refused.length, 3);
});

Deno.test("where the stream is cut makes no difference", async () => {
  const text = '{"error_message":"Accès refusé – trop de requêtes"}\n{"error_message":"socket hang up"}';
  assert.deepEqual(await run(text, 1), await run(text));
});

Deno.test("fields of the wrong type are no evidence instead of a crash", async () => {
  const { answers, refused } = await run(
    '{"http_status":"x","headers":"y","error_message":5,"body":[[]],"now":{}}',
  );
  assert.equal((answers[0] as { category: string }).category, "unknown");
  assert.deepEqual(refused, []);
});
