import type { Owner, Verdict } from "./failure.ts";

/** Who must act on a verdict, and what to tell people. */
export const ADVICE: Record<Verdict, { owner: Owner; advice: string }> = {
  "auth.refresh": { owner: "us", advice: "Refresh OAuth token and retry" },
  "auth.unclear": {
    owner: "us",
    advice: "Refresh OAuth token and retry; if that fails, check the credential",
  },
  "auth.final": {
    owner: "you",
    advice:
      "A new token will not help: reconnect the account, or correct its credential, permissions or scopes",
  },
  "rate_limit": { owner: "us", advice: "Wait for rate limit reset and retry" },
  "rate_limit.quota": {
    owner: "you",
    advice: "The quota is used up: raise the plan or wait for the next period",
  },
  "network": { owner: "us", advice: "Retry with exponential backoff" },
  "network.outage": { owner: "provider", advice: "The provider has trouble: retry with exponential backoff" },
  "data": { owner: "you", advice: "Review payload structure - manual fix required" },
  "unknown": { owner: "you", advice: "Manual investigation required" },
};
