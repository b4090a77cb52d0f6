/**
 * Finds the rules that match an event without looking at most of them. Rules wait in buckets; a bucket with more than a
 * few hands them on behind doors, which open to some events only: each rule behind the one of its own that seems to open
 * most rarely, in a bucket that does the same with what is left to check.
 */
import { type Entry, groupByDoor, type Member } from "./choose-door.ts";
import { allHold, type Check, type Field, getOrSet, type Turn } from "./event-checks.ts";

/** Ranks, a bit each. */
export class RankSet {
  readonly words: Uint32Array;

  constructor(size: number) {
    this.words = new Uint32Array(Math.ceil(size / 32));
  }

  has(rank: number): boolean {
    return (this.words[rank >>> 5]! & 1 << (rank & 31)) !== 0;
  }

  add(rank: number): void {
    this.words[rank >>> 5]! |= 1 << (rank & 31);
  }

  clear(): void {
    this.words.fill(0);
  }
}

/** So few entries are checked one after the other sooner than through doors. */
const FEW = 6;

/** Indexes its entries when the first event comes to it: most buckets wait long for one. */
export class Bucket {
  #waiting: Entry[] | undefined;
  #ranks: number[] = [];
  #entries: Entry[] = [];
  #doors: Door[] = [];

  constructor(entries: Entry[]) {
    this.#waiting = entries;
  }

  /** Adds the ranks of the entries that hold. */
  visit(turn: Turn, found: RankSet): void {
    if (this.#waiting !== undefined) this.#index(this.#waiting);
    const ranks = this.#ranks, entries = this.#entries, doors = this.#doors;
    for (let i = 0; i < ranks.length; i++) found.add(ranks[i]!);
    for (let i = 0; i < entries.length; i++) {
      const { rank, checks } = entries[i]!;
      if (!found.has(rank) && allHold(checks, turn)) found.add(rank);
    }
    for (let i = 0; i < doors.length; i++) doors[i]!.visit(turn, found);
  }

  #index(entries: Entry[]): void {
    this.#waiting = undefined;
    for (const entry of entries) {
      if (entry.checks.length === 0) this.#ranks.push(entry.rank);
      else this.#entries.push(entry);
    }
    if (this.#entries.length <= FEW) return;
    const { groups, others } = groupByDoor(this.#entries);
    this.#entries = others;
    this.#doors = groups.map(openDoor);
  }
}

interface Door {
  visit(turn: Turn, found: RankSet): void;
}

function openDoor(members: Member[]): Door {
  const { field, leaf } = members[0]!.behind;
  if (leaf!.keys) return new Switch(field!, members);
  if (leaf!.limit) return new Scale(field!, leaf!.limit.falling, members);
  return new Gate(members[0]!.behind, new Bucket(members.map(remaining)));
}

/** What is left to check of an entry behind its door. */
function remaining({ entry: { rank, checks }, behind }: Member): Entry {
  return { rank, checks: checks.filter((check) => check !== behind) };
}

/** Entries by the values that a field may have. */
class Switch implements Door {
  readonly #buckets = new Map<unknown, Bucket>();

  constructor(private readonly field: Field, members: Member[]) {
    const entries = new Map<unknown, Entry[]>();
    for (const member of members) {
      const entry = remaining(member);
      for (const key of member.behind.leaf!.keys!) getOrSet(entries, key, () => []).push(entry);
    }
    for (const [key, own] of entries) this.#buckets.set(key, new Bucket(own));
  }

  visit(turn: Turn, found: RankSet): void {
    this.#buckets.get(this.field.read(turn))?.visit(turn, found);
  }
}

/** Entries by the limits that a field's number may be beyond, those first that it is beyond first. */
class Scale implements Door {
  readonly #steps: { from: number; included: boolean; bucket: Bucket }[] = [];

  constructor(private readonly field: Field, private readonly falling: boolean, members: Member[]) {
    const entries = new Map<Check, Entry[]>();
    for (const member of members) getOrSet(entries, member.behind, () => []).push(remaining(member));
    for (const [{ leaf }, own] of entries) {
      const { from, included } = leaf!.limit!;
      this.#steps.push({ from, included, bucket: new Bucket(own) });
    }
    this.#steps.sort((a, b) => a.from - b.from || Number(b.included) - Number(a.included));
  }

  visit(turn: Turn, found: RankSet): void {
    const value = this.field.read(turn);
    if (typeof value !== "number") return;
    const number = this.falling ? -value : value;
    for (let i = 0; i < this.#steps.length; i++) {
      const { from, included, bucket } = this.#steps[i]!;
      if (!(from < number || included && from === number)) return;
      bucket.visit(turn, found);
    }
  }
}

/** Entries that have one check in common. */
class Gate implements Door {
  constructor(private readonly check: Check, private readonly bucket: Bucket) {}

  visit(turn: Turn, found: RankSet): void {
    if (this.check.holds(turn)) this.bucket.visit(turn, found);
  }
}
