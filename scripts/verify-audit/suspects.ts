/** Tells rows that changed places from rows that were edited, deleted or inserted. */
import type { Damage, DamageList } from "./damage.ts";
import type { RowHasher } from "./row-hasher.ts";
import type { Fields } from "./row-text.ts";

/** One row's damage, which looks different once it is known where the content that is there belongs. */
export interface Suspect extends Damage {
  unit: "number";
  rows: 1;
  /** What was sealed under the number. */
  leaf?: Buffer;
  /** What is there now. */
  fields?: Fields;
}

/** So many damaged rows of each kind are tried at the places of all others. */
export const mostSuspects = 256;

export class Suspects {
  #suspects: Suspect[] = [];
  #counts: Partial<Record<Damage["kind"], number>> = {};

  constructor(private readonly hasher: RowHasher, private readonly damage: DamageList) {}

  add(suspect: Suspect): void {
    const count = (this.#counts[suspect.kind] ?? 0) + 1;
    this.#counts[suspect.kind] = count;
    if (count <= mostSuspects) this.#suspects.push(suspect);
    else this.damage.add(withoutContent(suspect));
  }

  /** Moves all to the damage. */
  finish(): void {
    const places = this.#suspects.filter(({ leaf }) => leaf);
    const reordered = new Set<Suspect>();
    const explained = new Set<Suspect>();
    for (const suspect of this.#suspects) {
      const place = places.find((place) => place !== suspect && this.#belongsTo(suspect, place));
      if (!place) continue;
      reordered.add(place);
      if (!suspect.leaf) explained.add(suspect);
    }
    for (const suspect of this.#suspects) {
      if (explained.has(suspect)) continue;
      const damage = withoutContent(suspect);
      this.damage.add(reordered.has(suspect) ? { ...damage, kind: "reordered" } : damage);
    }
    this.#suspects = [];
  }

  #belongsTo({ fields }: Suspect, { first, leaf }: Suspect): boolean {
    return fields !== undefined &&
      this.hasher.matches(fields.with(this.hasher.seqColumn, Buffer.from(String(first))), leaf!);
  }
}

function withoutContent({ leaf: _leaf, fields: _fields, ...damage }: Suspect): Damage {
  return damage;
}
