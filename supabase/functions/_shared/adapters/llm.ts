import { z } from "zod";
import type { Egress, Explainer } from "../ports.ts";

const MODEL = "gpt-4o-mini";
const MAX_TOKENS = 300;
const MAX_RESPONSE_BYTES = 64 * 1024;
const MAX_TEXT = 4_000;

const completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().min(1) }) })).min(1),
});

/** The language model gave no usable answer; `code` is `llm.refused` or `llm.malformed`. */
export class LlmError extends Error {
  override name = "LlmError";
  constructor(readonly code: "llm.refused" | "llm.malformed", message: string) {
    super(message);
  }
}

/**
 * Asks a model behind an OpenAI-compatible chat completions API. The caller redacts what it asks.
 *
 * @param baseUrl Up to and without `/chat/completions`.
 * @returns An explainer that throws `LlmError` or `EgressError` when no text comes within its time.
 */
export function createExplainer(
  { egress, apiKey, baseUrl }: { egress: Egress; apiKey: string; baseUrl: string },
): Explainer {
  return {
    async explain({ system, user }, timeoutMs) {
      const response = await egress.send({
        url: `${baseUrl.replace(/\/$/, "")}/chat/completions`,
        method: "POST",
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        body: JSON.stringify({
          model: MODEL,
          messages: [{ role: "system", content: system }, { role: "user", content: user }],
          temperature: 0.3,
          max_tokens: MAX_TOKENS,
        }),
        timeoutMs,
        maxResponseBytes: MAX_RESPONSE_BYTES,
      });
      if (response.status !== 200) {
        throw new LlmError("llm.refused", `The language model answered with HTTP ${response.status}`);
      }
      return textOf(response.body);
    },
  };
}

function textOf(body: string): string {
  try {
    return completion.parse(JSON.parse(body)).choices[0]!.message.content.slice(0, MAX_TEXT);
  } catch {
    throw new LlmError("llm.malformed", "The language model's answer is not a chat completion with a text");
  }
}
