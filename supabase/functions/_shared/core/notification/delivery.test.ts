import assert from "node:assert/strict";
import { type Attempt, judgeDelivery, MAX_ATTEMPTS } from "./delivery.ts";

const NOW = new Date("2026-11-20T12:00:00Z");
const isOk = (body: string) => body === "ok";

function judge(attempt: Attempt, earlierAttempts = 0) {
  return judgeDelivery(attempt, isOk, earlierAttempts, NOW);
}

function answer(status: number, body = "", headers: Record<string, string> = {}): Attempt {
  return { status, body, headers };
}

Deno.test("a message that the receiver took is delivered", () => {
  assert.deepEqual(judge(answer(200, "ok")), { outcome: "delivered" });
});

Deno.test("a 2xx that does not say so is tried again", () => {
  assert.deepEqual(judge(answer(200, "<html>welcome to the proxy</html>")), {
    outcome: "retry",
    error: "HTTP 200: <html>welcome to the proxy</html>",
    retry_after_seconds: 10,
  });
});

Deno.test("a refusal is final at once, with the receiver's reason", () => {
  assert.deepEqual(judge(answer(400, "invalid_blocks")), {
    outcome: "dead",
    error: "HTTP 400: invalid_blocks",
  });
  for (const status of [301, 403, 404, 410]) assert.equal(judge(answer(status)).outcome, "dead");
});

Deno.test("what may pass is tried again", () => {
  const attempts = [408, 425, 429, 500, 502, 503, 504].map((status) => answer(status));
  for (const attempt of [...attempts, { failed: "egress.timeout" }, { failed: "egress.connection" }]) {
    assert.equal(judge(attempt).outcome, "retry");
  }
});

Deno.test("an address that may not be called is final", () => {
  assert.deepEqual(judge({ failed: "egress.blocked_address" }), {
    outcome: "dead",
    error: "egress.blocked_address",
  });
});

Deno.test("the receiver's Retry-After is obeyed exactly, in seconds and as a date", () => {
  const waits = ["7", "Fri, 20 Nov 2026 12:01:30 GMT"].map((value) => {
    const delivery = judge(answer(429, "", { "retry-after": value }), 5);
    return delivery.outcome === "retry" && delivery.retry_after_seconds;
  });
  assert.deepEqual(waits, [7, 90]);
});

Deno.test("without one, the wait doubles from 10 seconds and the tenth attempt is the last", () => {
  const deliveries = Array.from({ length: MAX_ATTEMPTS }, (_, earlier) => judge(answer(503), earlier));
  assert.deepEqual(
    deliveries.map((delivery) => "retry_after_seconds" in delivery ? delivery.retry_after_seconds : "dead"),
    [10, 20, 40, 80, 160, 320, 640, 1280, 2560, "dead"],
  );
});

Deno.test("a receiver that quotes its address back does not bring the secret into the error", () => {
  const secret = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx";
  const delivery = judge(answer(404, `no_service at ${secret}`));
  assert.ok("error" in delivery && !delivery.error.includes("abcdefghijklmnopqrstuvwx"));
});
