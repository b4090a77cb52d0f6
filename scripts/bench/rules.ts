/** Which rules match an event: this project's matcher beside other engines with the same rules and events. */
import { matchNaively } from "../../supabase/functions/_shared/testing/naive-rules.ts";
import type { MatchableRule } from "../../supabase/functions/_shared/core/rules/rule.ts";
import { compileRules } from "../../supabase/functions/_shared/core/rules/rule-set.ts";
import { BrokenRun, type Figure, median, requireEqual } from "./figure.ts";
import { type Count, peers } from "./rule-peers.ts";
import { adverse, type SampleEvent, sampleEvents, sampleRules } from "./rule-samples.ts";

const EVENTS = 2_000;
const MEASURED_MS = 1_500;
/** A slow engine gets as many of the events as it manages in a round of {@link MEASURED_MS}, but so many at least. */
const FEWEST_EVENTS = 20;

export async function benchRules(): Promise<Figure[]> {
  const events = sampleEvents(EVENTS);
  // First, as the peers leave much garbage.
  const figures: Figure[] = [reload()];
  for (const [count, goal, aim] of [[100], [1_000, 2, 100], [10_000, 20]] as const) {
    const rules = sampleRules(count);
    const [first, second, ...others] = await besidePeers(`${count} rules`, rules, events);
    figures.push({ ...first!, aim }, { ...second!, goal }, ...others);
    figures.push(besideNaive(`${count} rules`, rules, events));
  }
  for (const [which, shapes] of Object.entries(adverse)) {
    const [best] = await besidePeers(`1000 rules ${which}`, sampleRules(1_000, shapes), events);
    figures.push(best!);
  }
  return figures;
}

/** One figure for each peer, the fastest first. */
async function besidePeers(
  what: string,
  rules: MatchableRule[],
  events: SampleEvent[],
): Promise<Figure[]> {
  const set = compileRules(rules);
  const count = (event: SampleEvent) => set.match(event).length;
  const ours = await microseconds(what, count, events, await matchesOf(count, events));
  const figures: Figure[] = [];
  for (const [peerIs, prepare] of Object.entries(peers)) {
    const peerCount = prepare(rules);
    const manageable = await firstOf(events, peerCount);
    const expected = await matchesOf(count, manageable);
    const peer = await microseconds(`${what}, ${peerIs}`, peerCount, manageable, expected);
    figures.push({ what: `${what}, an event`, unit: "µs", ours, peer, peerIs, better: "less" });
  }
  figures.sort((a, b) => a.peer - b.peer);
  return figures;
}

/** The slowest of a hundred single events, beside evaluating the rules one by one. */
function besideNaive(what: string, rules: MatchableRule[], events: SampleEvent[]): Figure {
  const set = compileRules(rules);
  const naive = events.slice(0, 100).map((event) => timeOf(() => matchNaively(rules, event)));
  for (const event of events) set.match(event);
  const each = Array.from({ length: 15 }, () => events.map((event) => timeOf(() => set.match(event)))).flat();
  return {
    what: `${what}, p99 of events`,
    unit: "µs",
    ours: p99(each),
    peer: p99(naive),
    peerIs: "one by one",
    better: "less",
  };
}

/** A rule set in which ten of a thousand rules have changed, beside compiling all of them. */
function reload(): Figure {
  const rules = sampleRules(1_000);
  let set = compileRules(rules);
  const ours = Array.from({ length: 50 }, (_, round) => {
    const changed: MatchableRule[] = structuredClone(rules);
    for (let i = 0; i < 10; i++) {
      changed[i]!.condition = { field: "round", operator: "eq", value: round * 10 + i };
    }
    return timeOf(() => set = compileRules(changed, set));
  });
  if (set.match({ round: 490 })[0]?.id !== "rule-0") throw new BrokenRun("a changed rule was not reloaded");
  const peer = Array.from({ length: 10 }, () => timeOf(() => compileRules(rules)));
  return {
    what: "reload of 1000 rules, ten changed",
    unit: "ms",
    ours: median(ours) / 1_000,
    peer: median(peer) / 1_000,
    peerIs: "all compiled anew",
    better: "less",
    goal: 5,
  };
}

/** Time per event in the fastest round: what else the machine does meanwhile makes others slower, never faster. */
async function microseconds(
  what: string,
  count: Count,
  events: SampleEvent[],
  expected: number,
): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + MEASURED_MS;
  while (times.length < 2 || performance.now() < end) {
    const start = performance.now();
    const matches = await matchesOf(count, events);
    times.push((performance.now() - start) * 1_000 / events.length);
    requireEqual(`${what}: matches`, matches, expected);
  }
  return Math.min(...times);
}

/** As many events, from the first on, as an engine manages in a round. */
async function firstOf(events: SampleEvent[], count: Count): Promise<SampleEvent[]> {
  const start = performance.now();
  await matchesOf(count, events.slice(0, FEWEST_EVENTS));
  const each = (performance.now() - start) / FEWEST_EVENTS;
  return events.slice(0, Math.max(FEWEST_EVENTS, MEASURED_MS / each));
}

async function matchesOf(count: Count, events: SampleEvent[]): Promise<number> {
  let matches = 0;
  for (const event of events) {
    const own = count(event);
    matches += typeof own === "number" ? own : await own;
  }
  return matches;
}

/** Microseconds that a call takes. */
function timeOf(call: () => unknown): number {
  const start = performance.now();
  call();
  return (performance.now() - start) * 1_000;
}

function p99(times: number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
}
