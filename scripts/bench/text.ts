/** Classification and fingerprints, on one core. */
import { createHash } from "node:crypto";
import { classifyFailure } from "../../supabase/functions/_shared/core/failure/classify.ts";
import { fingerprint } from "../../supabase/functions/_shared/core/failure/fingerprint.ts";
import type { Figure } from "./figure.ts";
import { analyzePlainly } from "./plain-analyzer.ts";
import { samples } from "./samples.ts";

const MEASURED_MS = 2_000;

// deno-lint-ignore require-await -- like every other part
export async function benchText(): Promise<Figure[]> {
  const failures = samples(10_000).map(({ response_headers, response_body, ...failure }) => ({
    ...failure,
    headers: response_headers,
    body: response_body,
  }));
  const messages = failures.map((failure) => failure.error_message);
  return [{
    what: "classify",
    unit: "failures/s",
    ours: perSecond(failures, classifyFailure),
    peer: perSecond(failures, analyzePlainly),
    peerIs: "status and four regular expressions",
    better: "more",
  }, {
    what: "fingerprint",
    unit: "messages/s",
    ours: perSecond(messages, fingerprint),
    peer: perSecond(messages, maskAndHash),
    peerIs: "digits masked, SHA-256",
    better: "more",
  }];
}

function maskAndHash(message: string): string {
  return createHash("sha256").update(message.replace(/[0-9a-f]*\d[0-9a-f]*/gi, "#")).digest("hex");
}

/** Whole rounds over the inputs, after one that warms up the compiler. */
function perSecond<Input>(inputs: Input[], run: (input: Input) => unknown): number {
  let results = 0;
  const round = () => inputs.forEach((input) => results += run(input) ? 1 : 0);
  round();
  results = 0;
  const start = performance.now();
  while (performance.now() < start + MEASURED_MS) round();
  return results / (performance.now() - start) * 1_000;
}
