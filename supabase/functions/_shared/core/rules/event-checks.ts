/** What rules ask of an event: each thing once, however many rules ask it. One event is looked at in one turn. */
import type { Test } from "./compile-condition.ts";
import type { LeafTest } from "./compile-leaf.ts";
import { readPath } from "./path.ts";
import type { RuleEvent } from "./rule.ts";

/** An event, and a number that no event before it had. */
export interface Turn {
  event: RuleEvent;
  number: number;
}

/** What a path leads to. */
export class Field {
  #turn = 0;
  #value: unknown;

  constructor(private readonly path: readonly string[]) {}

  read(turn: Turn): unknown {
    if (this.#turn !== turn.number) {
      this.#turn = turn.number;
      this.#value = readPath(turn.event, this.path);
    }
    return this.#value;
  }
}

/** Whether a leaf of a field is true, or all checks of one of several alternatives. */
export class Check {
  #turn = 0;
  #holds = false;

  constructor(
    readonly field?: Field,
    readonly leaf?: LeafTest,
    private readonly alternatives: Check[][] = [],
  ) {}

  holds(turn: Turn): boolean {
    if (this.#turn !== turn.number) {
      this.#turn = turn.number;
      this.#holds = this.leaf
        ? this.leaf.compare(this.field!.read(turn)) === true
        : this.alternatives.some((checks) => allHold(checks, turn));
    }
    return this.#holds;
  }
}

export function allHold(checks: Check[], turn: Turn): boolean {
  for (let i = 0; i < checks.length; i++) if (!checks[i]!.holds(turn)) return false;
  return true;
}

/** The checks of one rule set. */
export class EventChecks {
  readonly #checks = new Map<string, Check>();
  readonly #fields = new Map<string, Field>();

  /** The same check for equal leaves, which may be those of other rules. */
  readonly of = (test: Test): Check => {
    if ("alternatives" in test) {
      return new Check(undefined, undefined, test.alternatives.map((tests) => tests.map(this.of)));
    }
    return getOrSet(this.#checks, test.id, () => {
      const field = getOrSet(this.#fields, test.pathId, () => new Field(test.path));
      return new Check(field, test);
    });
  };
}

/** A Map's value; a new one where it has none. */
export function getOrSet<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = create());
  return value;
}
