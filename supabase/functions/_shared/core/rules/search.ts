import type { Place } from "./doors.ts";
import { type Field, getOrSet, type Turn } from "./event-checks.ts";
import type { RankSet } from "./rank-set.ts";

interface Needle {
  readonly text: string;
  readonly place: Place;
  /** The turn in which it was found last. */
  turn: number;
}

/**
 * Entries by the texts that a field's text or list may contain. A text is read once for all needles: a needle is looked
 * at only where its rarest two characters are.
 */
export class Search implements Place {
  readonly #needles = new Map<unknown, Needle>();
  readonly #short: Needle[] = [];
  readonly #byPair = new Map<number, { needle: Needle; offset: number }[]>();

  constructor(private readonly field: Field, places: Map<string, Place>) {
    const uses = new Map<number, number>();
    for (const text of places.keys()) {
      for (let i = 1; i < text.length; i++) uses.set(pairAt(text, i), (uses.get(pairAt(text, i)) ?? 0) + 1);
    }
    for (const [text, place] of places) {
      const needle = { text, place, turn: 0 };
      this.#needles.set(text, needle);
      if (text.length < 2) this.#short.push(needle);
      else {
        const offset = rarestPair(text, uses);
        getOrSet(this.#byPair, pairAt(text, offset), () => []).push({ needle, offset });
      }
    }
  }

  visit(turn: Turn, found: RankSet): void {
    const value = this.field.read(turn);
    if (typeof value === "string") this.#searchText(value, turn, found);
    else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const needle = this.#needles.get(value[i]);
        if (needle !== undefined) enter(needle, turn, found);
      }
    }
  }

  #searchText(text: string, turn: Turn, found: RankSet): void {
    for (const needle of this.#short) if (text.includes(needle.text)) enter(needle, turn, found);
    for (let i = 1; i < text.length; i++) {
      const here = this.#byPair.get(pairAt(text, i));
      if (here === undefined) continue;
      for (const { needle, offset } of here) {
        if (text.startsWith(needle.text, i - offset)) enter(needle, turn, found);
      }
    }
  }
}

/** Once in a turn, however often the needle is found. */
function enter(needle: Needle, turn: Turn, found: RankSet): void {
  if (needle.turn === turn.number) return;
  needle.turn = turn.number;
  needle.place.visit(turn, found);
}

/** The two UTF-16 units that end at `index`, as one number. */
function pairAt(text: string, index: number): number {
  return text.charCodeAt(index - 1) << 16 | text.charCodeAt(index);
}

/** Where the pair ends that the fewest needles have. */
function rarestPair(text: string, uses: Map<number, number>): number {
  let rarest = 1;
  for (let i = 2; i < text.length; i++) {
    if (uses.get(pairAt(text, i))! < uses.get(pairAt(text, rarest))!) rarest = i;
  }
  return rarest;
}
