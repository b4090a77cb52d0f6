import { jsonEqual } from "./json.ts";

const HOUR_MS = 3_600_000;
/** So many changes of turn within an hour are a flip-flop. */
const TURNS = 4;

/** An action with its templates rendered. */
export interface RenderedAction {
  type: string;
  url?: string;
  pluginId?: string;
  ledgerEventId?: unknown;
}

/** What a rule would do on an event. */
export interface WouldFire {
  ruleId: string;
  actions: RenderedAction[];
}

/** Two rules that do not get along. */
export interface ConflictWarning {
  /** `contradiction`: they say different things on the same event. `flip_flop`: they take turns within an hour. */
  kind: "contradiction" | "flip_flop";
  /** The other rule. */
  ruleId: string;
  /** What both speak to, such as `webhook https://…`; of ledger events the first one. */
  target: string;
  /** How many events show it. */
  count: number;
  /** The first event that shows it. */
  eventId: string;
  /** For people: what it means and what to do. */
  message: string;
}

interface Firing {
  ruleId: string;
  content: RenderedAction[];
}

/** What is known of one other rule on one target. */
interface Pair {
  last?: Firing;
  /** When the turn changed, for the last {@link TURNS} times. */
  turns: number[];
}

/**
 * What an action speaks to: a webhook's URL, a plugin, an event of the ledger. Hashes that are anchored speak to nobody.
 */
export function targetOf(action: RenderedAction): string | undefined {
  const name = { webhook: action.url, plugin_emit: action.pluginId, ledger_allocate: action.ledgerEventId };
  const target = name[action.type as keyof typeof name];
  return target === undefined ? undefined : `${action.type} ${target}`;
}

/**
 * Looks for rules that contradict a rule, or take turns with it, on the same target with different content: a backtest's
 * warnings.
 *
 * @param ruleId the rule that is tested
 */
export function createConflictWatch(ruleId: string): {
  /** Takes in the next event, in order of time, and what the rules would do on it. */
  see(event: { id: string; at: number }, firings: WouldFire[]): void;
  warnings(): ConflictWarning[];
} {
  const own = new Map<string, Firing>();
  const pairs = new Map<string, Map<string, Pair>>();
  const found = new Map<string, ConflictWarning>();

  function warn(kind: ConflictWarning["kind"], otherId: string, target: string, eventId: string): void {
    // There may be as many ledger events as events: they count as one target here.
    const place = target.startsWith("ledger_allocate ") ? "ledger_allocate" : target;
    const key = JSON.stringify([kind, otherId, place]);
    const known = found.get(key);
    if (known) return void known.count++;
    found.set(key, {
      kind,
      ruleId: otherId,
      target,
      count: 1,
      eventId,
      message: describe(kind, otherId, target),
    });
  }

  function takeTurn(
    otherId: string,
    target: string,
    pair: Pair,
    firing: Firing,
    event: { id: string; at: number },
  ) {
    const changed = pair.last && pair.last.ruleId !== firing.ruleId &&
      !jsonEqual(pair.last.content, firing.content);
    pair.last = firing;
    if (!changed) return;
    pair.turns = [...pair.turns, event.at].slice(-TURNS);
    if (pair.turns.length === TURNS && event.at - pair.turns[0]! < HOUR_MS) {
      warn("flip_flop", otherId, target, event.id);
    }
  }

  return {
    see(event, firings) {
      const byTarget = groupByTarget(firings);
      for (const [target, ofTarget] of byTarget) {
        const mine = ofTarget.find((firing) => firing.ruleId === ruleId);
        const others = ofTarget.filter((firing) => firing.ruleId !== ruleId);
        const known = pairs.get(target) ?? new Map<string, Pair>();
        pairs.set(target, known);
        for (const other of others) {
          const pair = known.get(other.ruleId) ?? { last: own.get(target), turns: [] };
          known.set(other.ruleId, pair);
          if (!mine) takeTurn(other.ruleId, target, pair, other, event);
          else if (!jsonEqual(mine.content, other.content)) {
            warn("contradiction", other.ruleId, target, event.id);
          }
        }
        if (!mine) continue;
        own.set(target, mine);
        for (const [otherId, pair] of known) {
          if (!others.some((other) => other.ruleId === otherId)) takeTurn(otherId, target, pair, mine, event);
        }
      }
    },
    warnings: () => [...found.values()],
  };
}

function groupByTarget(firings: WouldFire[]): Map<string, Firing[]> {
  const byTarget = new Map<string, Firing[]>();
  for (const { ruleId, actions } of firings) {
    for (const [target, content] of Map.groupBy(actions, targetOf)) {
      if (target !== undefined) byTarget.set(target, [...byTarget.get(target) ?? [], { ruleId, content }]);
    }
  }
  return byTarget;
}

function describe(kind: ConflictWarning["kind"], otherId: string, target: string): string {
  return kind === "contradiction"
    ? `Rule "${otherId}" matches the same events and tells the same target something else (${target}). ` +
      "Let their conditions exclude each other, or give one a higher priority and the mode first_match."
    : `Rule "${otherId}" and this one take turns on the same target, at least ${TURNS} times within an hour (${target}). ` +
      "Leave a gap between their thresholds, or give both a cooldown.";
}
