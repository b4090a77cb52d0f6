/** The promise that matters most: healing a call never makes it take effect twice. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { classifyFailure } from "../_shared/core/failure/classify.ts";
import { classifyUnanswered } from "../_shared/core/recovery/unanswered.ts";
import { planRecovery, ROUND_MS } from "../_shared/core/recovery/plan.ts";
import { EgressError, type EgressRequest, type EgressResponse } from "../_shared/ports.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { fakeMode } from "../_shared/testing/fake-mode.ts";
import { recordingLogger } from "../_shared/testing/recording-logger.ts";
import { createRecover } from "./recover.ts";
import type { WorkItem } from "./recovery-store.ts";

/** What a provider may do with a request: answer it or not, after an effect or without one. */
interface Behaviour {
  effect: boolean;
  answer: { status: number; headers?: Record<string, string>; body?: string } | EgressError;
}

const timeout = new EgressError("egress.timeout", "api.test did not answer in time", true);
const reset = new EgressError("egress.connection", "The connection to api.test failed (ECONNRESET)", true);
const refused = new EgressError(
  "egress.connection",
  "The connection to api.test failed (ECONNREFUSED)",
  false,
);
const unresolved = new EgressError("egress.dns", "The name api.test does not resolve", false);

const refusals: Behaviour["answer"][] = [
  { status: 401, body: '{"error":"invalid_token"}' },
  { status: 403, body: "Forbidden" },
  { status: 429, body: "Too many requests" },
  { status: 429, headers: { "retry-after": "1" } },
  { status: 429, headers: { "retry-after": "60" } },
  { status: 200, body: '{"ok":false,"error":"ratelimited"}' },
  { status: 400, body: '{"error":"validation_error"}' },
  refused,
  unresolved,
];
const ambiguous: Behaviour["answer"][] = [
  { status: 500, body: "Internal Server Error" },
  { status: 502, body: "<html><title>502 Bad Gateway</title></html>" },
  { status: 503, body: "Service Unavailable" },
  { status: 504, headers: { "retry-after": "2" } },
  { status: 408, body: "Request Timeout" },
  { status: 418, body: "?" },
  timeout,
  reset,
];

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  fc.constantFrom(...refusals).map((answer) => ({ effect: false, answer })),
  fc.record({ effect: fc.boolean(), answer: fc.constantFrom(...ambiguous) }),
  fc.constant({ effect: true, answer: { status: 200, body: '{"ok":true}' } }),
);
const failing = behaviour.filter(({ answer }) =>
  answer instanceof Error || answer.status !== 200 || !/true/.test(answer.body!)
);

function toWork(answer: Behaviour["answer"], known: Partial<WorkItem>): WorkItem {
  const failed = answer instanceof Error;
  const failure = failed
    ? classifyUnanswered(answer.code, answer.message)
    : classifyFailure({ http_status: answer.status, headers: answer.headers, body: answer.body });
  return {
    recovery_id: "00000000-0000-4000-8000-000000000001",
    event_id: "00000000-0000-4000-8000-000000000002",
    service_name: "orders",
    user_id: null,
    category: failure.category,
    epoch: 1,
    attempts: 0,
    attempts_allowed: planRecovery(failure, 0).attempts ?? 1,
    taken_over: false,
    created_at: "2026-01-02T03:04:05Z",
    failure_reason: failed ? answer.message : answer.body ?? null,
    http_status: failed ? null : answer.status,
    error_code: failed ? answer.code : null,
    request: { method: "POST", url: "https://api.test/orders", body: "{}", auth: "bearer" },
    allowed_hosts: ["api.test"],
    idempotency_header: null,
    token_version: 1,
    token_version_seen: 1,
    ...known,
  };
}

/** Heals a failed call, round after round, until it ends; returns the provider's effects and the length of each round. */
async function heal(first: Behaviour, later: Behaviour[], known: Partial<WorkItem>, crashes: boolean[]) {
  const clock = fakeClock(Date.parse("2026-01-02T03:04:05Z"));
  const keys = new Set<string>();
  const rounds: number[] = [];
  const behaviours = [...later];
  let effects = 0;
  let version = 1;
  const act = ({ effect, answer }: Behaviour, key: string | undefined) => {
    if (effect && !(key && keys.has(key))) effects++;
    if (effect && key) keys.add(key);
    return answer;
  };
  const recover = createRecover({
    clock,
    random: () => 0.5,
    secretUrls: {},
    mode: fakeMode(),
    logger: recordingLogger(),
    refresher: {
      freshToken: () =>
        Promise.resolve({ kind: "fresh", accessToken: "t", tokenVersion: ++version, expiresAt: null }),
    },
    egress: {
      send({ headers, timeoutMs }: EgressRequest): Promise<EgressResponse> {
        const answer = act(behaviours.shift() ?? first, headers?.["idempotency-key"]);
        if (answer === timeout) clock.advance(timeoutMs);
        return answer instanceof Error
          ? Promise.reject(answer)
          : Promise.resolve({ headers: {}, body: "", ...answer });
      },
    },
  });

  let work = toWork(first.answer, known);
  act(first, work.idempotency_header ? work.request!.idempotency_key ?? undefined : undefined);
  for (let round = 0; round < 30; round++) {
    const started = clock.now();
    const result = await recover(work, 0, started + ROUND_MS);
    rounds.push(clock.now() - started);
    if (crashes[round]) {
      // The worker died before its result was stored, and another one takes over.
      work = {
        ...work,
        taken_over: true,
        attempts: work.attempts + 1,
        epoch: work.epoch + 1,
        attempts_allowed: 1,
      };
      continue;
    }
    if (result.outcome === "resolved" || result.delay_seconds === undefined) break;
    clock.advance(result.delay_seconds * 1_000);
    work = {
      ...work,
      taken_over: false,
      epoch: work.epoch + 1,
      attempts_allowed: 1,
      attempts: work.attempts + (result.outcome === "waiting" ? 0 : result.attempts),
      category: result.category ?? work.category,
      failure_reason: result.failure_reason ?? work.failure_reason,
    };
  }
  return { effects, rounds };
}

const crashes = fc.array(fc.boolean(), { maxLength: 6 });
const history = fc.array(behaviour, { maxLength: 12 });

Deno.test("a POST without idempotency keys takes effect at most once, whatever the provider does and whoever crashes", async () => {
  await fc.assert(
    fc.asyncProperty(failing, history, crashes, async (first, later, crashed) => {
      const { effects } = await heal(first, later, {}, crashed);
      assert.ok(effects <= 1, `${effects} effects`);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a POST with an idempotency key takes effect at most once, however often it is sent", async () => {
  const request = { method: "POST", url: "https://api.test/orders", body: "{}", idempotency_key: "k1" };
  await fc.assert(
    fc.asyncProperty(failing, history, crashes, async (first, later, crashed) => {
      const known = { request, idempotency_header: "Idempotency-Key" };
      const { effects } = await heal(first, later, known, crashed);
      assert.ok(effects <= 1, `${effects} effects`);
    }),
    { numRuns: 500 },
  );
});

Deno.test("every round ends within ten seconds, and healing ends", async () => {
  await fc.assert(
    fc.asyncProperty(failing, history, async (first, later) => {
      const request = { method: "GET", url: "https://api.test/orders", auth: "bearer" as const };
      const { rounds } = await heal(first, later, { request }, []);
      assert.ok(rounds.every((length) => length <= ROUND_MS), rounds.join());
      const waitsForEver = !(first.answer instanceof Error) && first.answer.headers !== undefined;
      assert.ok(waitsForEver || rounds.length < 30, `${rounds.length} rounds`);
    }),
    { numRuns: 500 },
  );
});
