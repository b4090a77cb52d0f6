/**
 * Finds the rules that match an event without looking at most of them. Rules wait in buckets; a bucket with more than a
 * few hands them on behind doors, which open to some events only: each rule behind the one of its own that seems to open
 * most rarely, in a bucket that does the same with what is left to check.
 */
import { type Entry, groupByDoor } from "./choose-door.ts";
import { openDoor, type Place } from "./doors.ts";
import { allHold, type Turn } from "./event-checks.ts";
import type { RankSet } from "./rank-set.ts";

/** So few entries are checked one after the other sooner than through doors. */
const FEW = 4;

/** Indexes its entries when the first event comes to it: most buckets wait long for one. */
export class Bucket implements Place {
  #waiting: Entry[] | undefined;
  #ranks: number[] = [];
  #entries: Entry[] = [];
  #doors: Place[] = [];

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
    this.#doors = groups.map((members) => openDoor(members, (behind) => new Bucket(behind)));
  }
}
