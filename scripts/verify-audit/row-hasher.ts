import { type Fields, hashRow } from "./row-text.ts";

export interface Row {
  seq: number;
  /** What its column `leaf_hash` holds, as PostgreSQL writes it: `\x` and hex digits. */
  storedHex: Buffer | null;
  /** In the order of the columns, with nulls for `leaf_hash` and generated columns. */
  fields: Fields;
}

/** Leaf hashes of a table's rows, each of which covers a beginning of the columns. */
export class RowHasher {
  #usual: number;

  /**
   * @param columns how many the table has now
   * @param fewest how many a row covers at least
   * @param seqColumn the index of `immutable_seq`
   */
  constructor(
    private readonly columns: number,
    private readonly fewest: number,
    readonly seqColumn: number,
  ) {
    this.#usual = columns;
  }

  /** Whether some beginning of the columns has this leaf hash. Neighbours mostly have as many columns. */
  matches(fields: Fields, leaf: Uint8Array): boolean {
    if (hashRow(fields, this.#usual).equals(leaf)) return true;
    for (let count = this.columns; count >= this.fewest; count--) {
      if (count !== this.#usual && hashRow(fields, count).equals(leaf)) {
        this.#usual = count;
        return true;
      }
    }
    return false;
  }

  /** The leaf hash that a row has now: the one in its column when it fits, else that of all columns. */
  hash({ fields, storedHex }: Row): Buffer {
    const stored = readHex(storedHex);
    return stored && this.matches(fields, stored) ? stored : hashRow(fields, this.columns);
  }

  /** Whether the leaf hash in its column is the row's. */
  isAsStored({ fields, storedHex }: Row): boolean {
    const stored = readHex(storedHex);
    return stored !== undefined && this.matches(fields, stored);
  }
}

function readHex(hex: Buffer | null): Buffer | undefined {
  return hex ? Buffer.from(hex.toString("latin1", 2), "hex") : undefined;
}
