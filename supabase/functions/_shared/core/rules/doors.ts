/** Doors open to some events only; entries wait behind them. */
import { copiesBehind, type Entry, type Member } from "./choose-door.ts";
import type { LeafTest, Limit } from "./compile-leaf.ts";
import { type Check, type Field, getOrSet, type Turn } from "./event-checks.ts";
import type { RankSet } from "./rank-set.ts";
import { Search } from "./search.ts";

/** Where entries are. */
export interface Place {
  /** Adds the ranks of the entries that hold. */
  visit(turn: Turn, found: RankSet): void;
}

/** @param toPlace where entries are behind the door */
export function openDoor(members: Member[], toPlace: (entries: Entry[]) => Place): Place {
  const { field, leaf } = members[0]!.behind;
  if (leaf!.keys) return new Switch(field!, placesBy(members, ({ keys }) => keys!, toPlace));
  if (leaf!.limit) return new Scale(field!, placesBy(members, ({ limit }) => [limit!], toPlace));
  const places = placesBy(members, ({ needle }) => [needle], toPlace);
  if (places.size > 1) return new Search(field!, places as Map<string, Place>);
  return new Gate(members[0]!.behind, [...places.values()][0]!);
}

/** The places of what is left of the entries, by what their leaves ask for. */
function placesBy<Key>(
  members: Member[],
  keysOf: (leaf: LeafTest) => readonly Key[],
  toPlace: (entries: Entry[]) => Place,
): Map<Key, Place> {
  const entries = new Map<Key, Entry[]>();
  for (const member of members) {
    const entry = remaining(member);
    for (const key of keysOf(member.behind.leaf!)) getOrSet(entries, key, () => []).push(entry);
  }
  return new Map([...entries].map(([key, own]) => [key, toPlace(own)]));
}

/** What is left to check of an entry behind its door. */
function remaining({ entry, behind }: Member): Entry {
  const checks = entry.checks.filter((check) => check !== behind);
  return { rank: entry.rank, checks, copies: copiesBehind(entry, behind) };
}

/** Entries by the values that a field may have. */
class Switch implements Place {
  constructor(private readonly field: Field, private readonly places: Map<unknown, Place>) {}

  visit(turn: Turn, found: RankSet): void {
    this.places.get(this.field.read(turn))?.visit(turn, found);
  }
}

/** Entries by the limits that a field's number may be beyond, those first that it is beyond first. */
class Scale implements Place {
  readonly #steps: [Limit, Place][];
  readonly #falling: boolean;

  constructor(private readonly field: Field, places: Map<Limit, Place>) {
    this.#steps = [...places].sort(([a], [b]) => a.from - b.from || Number(b.included) - Number(a.included));
    this.#falling = this.#steps[0]![0].falling;
  }

  visit(turn: Turn, found: RankSet): void {
    const value = this.field.read(turn);
    if (typeof value !== "number") return;
    const number = this.#falling ? -value : value;
    for (let i = 0; i < this.#steps.length; i++) {
      const [{ from, included }, place] = this.#steps[i]!;
      if (!(from < number || included && from === number)) return;
      place.visit(turn, found);
    }
  }
}

/** Entries that have one check in common. */
class Gate implements Place {
  constructor(private readonly check: Check, private readonly place: Place) {}

  visit(turn: Turn, found: RankSet): void {
    if (this.check.holds(turn)) this.place.visit(turn, found);
  }
}
