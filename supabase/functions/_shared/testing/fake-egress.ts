import type { Egress, EgressError, EgressRequest, EgressResponse } from "../ports.ts";

/** What the fake answers a request with. */
export type FakeAnswer = Partial<EgressResponse> | EgressError;

/** A way out that leads nowhere: it keeps the requests and gives the planned answers, the last of them for ever. */
export interface FakeEgress extends Egress {
  requests: EgressRequest[];
}

/** @param answers in order; a missing status is 200 */
export function fakeEgress(...answers: FakeAnswer[]): FakeEgress {
  const requests: EgressRequest[] = [];
  return {
    requests,
    // deno-lint-ignore require-await
    async send(request) {
      const answer = answers[Math.min(requests.length, answers.length - 1)] ?? {};
      requests.push(request);
      if (answer instanceof Error) throw answer;
      return { status: 200, headers: {}, body: "", ...answer };
    },
  };
}
