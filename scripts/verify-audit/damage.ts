/** What was found wrong, merged into ranges. */

export type DamageKind = "edited" | "deleted" | "inserted_later" | "reordered" | "tail_cut" | "rewritten";

export interface Damage {
  kind: DamageKind;
  /** What `first` and `last` count. */
  unit: "number" | "block" | "position";
  first: number;
  last: number;
  /** The position of the row `first`, where it has one: ranges with void numbers between them are one. */
  position?: number;
  rows?: number;
  detail?: string;
}

/** Beyond this many ranges only their count is kept. */
const mostRanges = 10_000;

export class DamageList {
  #ranges: Damage[] = [];
  /** Ranges that were found, but not kept. */
  more = 0;

  add(damage: Damage): void {
    const before = this.#ranges.at(-1);
    if (before && isNext(before, damage)) this.#ranges[this.#ranges.length - 1] = joined(before, damage);
    else if (this.#ranges.length < mostRanges) this.#ranges.push(damage);
    else this.more++;
  }

  /** Merged and in order: what is wrong with blocks and positions first, then numbers. */
  list(): Damage[] {
    const units = ["position", "block", "number"];
    const sorted = this.#ranges.toSorted((a, b) =>
      units.indexOf(a.unit) - units.indexOf(b.unit) || a.first - b.first || a.kind.localeCompare(b.kind)
    );
    this.#ranges = [];
    for (const damage of sorted) this.add(damage);
    return this.#ranges;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }
}

function isNext(before: Damage, after: Damage): boolean {
  if (before.kind !== after.kind || before.unit !== after.unit || before.detail !== after.detail) {
    return false;
  }
  return after.first === before.last + 1 ||
    (after.position !== undefined && before.position !== undefined &&
      after.position === before.position + (before.rows ?? 0));
}

function joined(before: Damage, after: Damage): Damage {
  return { ...before, last: after.last, rows: (before.rows ?? 0) + (after.rows ?? 0) };
}
