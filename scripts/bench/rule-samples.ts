/** Rules and events as a project's signals give rise to them, the same ones in every run. */
import type { Condition, MatchableRule, Operator } from "../../supabase/functions/_shared/core/rules/rule.ts";
import { numbers } from "./samples.ts";

type Below = (below: number) => number;

const eventTypes = [
  ...[
    "call.failed",
    "call.slow",
    "recovery.started",
    "recovery.failed",
    "incident.opened",
    "token.refreshed",
  ],
  ...["quota.warning", "login", "payment.settled", "deploy.finished", "backup.done", "security.alert"],
];
const categories = ["auth", "rate_limit", "network", "data", "unknown"];
const regions = ["eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-south-1", "sa-east-1"];
const codes = [200, 401, 403, 404, 422, 429, 500, 502, 503, 504];
const plans = ["free", "pro", "team"];
const messages = [
  "read ECONNRESET after 4000 ms, attempt",
  "Rate limit reached for account",
  "The access token expired for user",
  "upstream connect error, request",
  "deadlock detected on relation",
  "connection refused by peer",
  "quota exceeded for project",
  "permission denied for table",
];
const words = ["ECONNRESET", "limit", "expired", "upstream", "deadlock", "refused", "quota", "denied"];
const patterns = [
  "timeout|timed out",
  "ECONN(RESET|REFUSED)",
  "[Rr]ate limit",
  "token .* expired",
  "^connection .*refused",
  "quota exceeded for [a-z]+ [0-9]+$",
  "^permission denied",
  "[0-9]{6}$",
  "upstream (connect|read) error",
];

export type SampleEvent = ReturnType<typeof sampleEvents>[number];

export function sampleEvents(count: number) {
  const n = numbers(7);
  const one = <Item>(items: Item[]): Item => items[n(items.length)]!;
  return Array.from({ length: count }, (_, i) => ({
    eventId: `event-${i}`,
    eventType: one(eventTypes),
    service: `service-${n(60)}`,
    category: one(categories),
    region: one(regions),
    httpStatus: one(codes),
    latencyMs: n(3_000),
    attempts: n(12),
    user: { id: `user-${n(2_000)}`, plan: one(plans) },
    message: `${one(messages)} ${n(1e6)}`,
    tags: [one(["canary", "beta", "stable"]), `shard-${n(16)}`],
    ...n(10) < 3 ? { retryAfter: n(300) } : {},
  }));
}

const leaf = (field: string, operator: Operator, value?: unknown): Condition => ({ field, operator, value });
const all = (...conditions: Condition[]): Condition => ({ logic: "and", conditions });
const any = (...conditions: Condition[]): Condition => ({ logic: "or", conditions });

function leaves(n: Below) {
  const one = <Item>(items: Item[]): Item => items[n(items.length)]!;
  return {
    type: () => leaf("eventType", "eq", one(eventTypes)),
    service: () => leaf("service", "eq", `service-${n(60)}`),
    services: () => leaf("service", "in", [0, 20, 40].map((from) => `service-${from + n(20)}`)),
    category: () => leaf("category", "eq", one(categories)),
    region: () => leaf("region", "in", [...new Set([one(regions), one(regions)])]),
    codes: () => leaf("httpStatus", "in", one([[500, 502, 503], [429], [401, 403], [404, 422]])),
    user: () => leaf("user.id", "eq", `user-${n(2_000)}`),
    plan: () => leaf("user.plan", "eq", one(plans)),
    slow: () => leaf("latencyMs", one(["gt", "gte"]), 500 + 50 * n(50)),
    fast: () => leaf("latencyMs", "lt", 200 + 10 * n(20)),
    attempts: () => leaf("attempts", "gte", 1 + n(11)),
    text: () => leaf("message", "contains", one(words)),
    number: () => leaf("message", "contains", String(100 + n(900))),
    pattern: () => leaf("message", "matches", one(patterns)),
    tag: () => leaf("tags", "contains", `shard-${n(16)}`),
    waits: () => leaf("retryAfter", "exists"),
    paid: () => leaf("user.plan", "ne", "free"),
    unavailable: () => leaf("httpStatus", "eq", 503),
  };
}

type Leaves = ReturnType<typeof leaves>;

/** Ways in which people write rules. */
const shapes: ((leaf: Leaves) => Condition)[] = [
  (l) => all(l.type(), l.service(), l.slow()),
  (l) => all(l.service(), l.category(), l.attempts()),
  (l) => all(l.type(), l.user()),
  (l) => all(l.type(), l.region(), l.codes(), l.fast()),
  (l) => all(l.service(), any(l.unavailable(), l.text())),
  (l) => all(l.type(), l.service(), l.pattern()),
  (l) => all(l.type(), l.waits(), l.services()),
  (l) => all(l.tag(), l.service(), l.paid()),
  (l) => any(all(l.type(), l.service(), l.region()), all(l.category(), l.user())),
  (l) => all(l.type(), l.region(), l.category(), l.slow(), l.plan()),
];

/** Rules that are hard to tell apart. */
export const adverse = {
  "that share one eq": [(l) => all(leaf("eventType", "eq", "call.failed"), l.slow(), l.attempts(), l.text())],
  "of or only": [(l) => any(l.user(), l.number(), all(l.service(), l.fast()))],
  "of contains only": [(l) => l.number()],
} satisfies Record<string, typeof shapes>;

export function sampleRules(count: number, ways: typeof shapes = shapes): MatchableRule[] {
  const n = numbers(3);
  const own = leaves(n);
  return Array.from({ length: count }, (_, i) => ({
    id: `rule-${i}`,
    status: "active",
    priority: n(100),
    condition: ways[i % ways.length]!(own),
  }));
}
