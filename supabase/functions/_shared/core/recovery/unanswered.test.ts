import assert from "node:assert/strict";
import { classifyUnanswered } from "./unanswered.ts";

Deno.test("a call that found no server or got no answer is a network failure", () => {
  for (const code of ["egress.dns", "egress.tls", "egress.connection", "egress.timeout"]) {
    assert.equal(classifyUnanswered(code, "api.test did not answer").category, "network", code);
  }
});

Deno.test("a call that our own guard refuses is for people, who learn the reason", () => {
  for (const code of ["invalid_url", "invalid_request", "host_not_allowed", "blocked_address", "too_large"]) {
    const { category, owner, advice } = classifyUnanswered(`egress.${code}`, "The host is not allowed");
    assert.deepEqual([category, owner, advice], ["data", "you", "The host is not allowed"], code);
  }
});
