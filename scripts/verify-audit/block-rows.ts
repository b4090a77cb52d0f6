/** Compares a block's rows with the leaf hashes that it holds. */
import { type Block, RowNumbers } from "./block.ts";
import type { Row, RowHasher } from "./row-hasher.ts";
import { mostSuspects, type Suspect, type Suspects } from "./suspects.ts";

const hexDigits = Buffer.from("0123456789abcdef");

/** Whether the column holds this hash: compared as text, which is quicker than reading it. */
function isHexOf(storedHex: Buffer | null, leaf: Buffer): boolean {
  if (storedHex?.length !== 66) return false;
  for (let i = 0; i < 32; i++) {
    const byte = leaf[i]!;
    if (storedHex[2 * i + 2] !== hexDigits[byte >> 4] || storedHex[2 * i + 3] !== hexDigits[byte & 15]) {
      return false;
    }
  }
  return true;
}

/** A row whose number belongs to no sealed row. */
export function insertedRow({ seq, fields }: Row): Suspect {
  return { kind: "inserted_later", unit: "number", first: seq, last: seq, rows: 1, fields };
}

export class BlockRows {
  /** The leaf hashes that the rows have now. */
  readonly actual: Buffer;
  /** Rows that are not as sealed. */
  readonly edited: Suspect[] = [];
  readonly #numbers: RowNumbers;
  #next = 0;

  /** @param leaves one leaf hash for each row of the block, concatenated */
  constructor(
    private readonly block: Block,
    private readonly leaves: Buffer,
    private readonly hasher: RowHasher,
    private readonly suspects: Suspects,
  ) {
    this.#numbers = new RowNumbers(block);
    this.actual = Buffer.from(leaves);
  }

  /** Rows come in the order of their numbers. */
  check(row: Row): void {
    const { seq, storedHex, fields } = row;
    const index = this.#numbers.rowOf(seq);
    if (index === undefined || index < this.#next) return this.suspects.add(insertedRow(row));
    this.#miss(index);
    this.#next = index + 1;
    const leaf = this.#leafOf(index);
    const edited = { ...this.#at(seq, index), kind: "edited" } as const;
    if (!this.hasher.matches(fields, leaf)) {
      this.hasher.hash(row).copy(this.actual, 32 * index);
      this.edited.push(this.edited.length < mostSuspects ? { ...edited, leaf, fields } : edited);
    } else if (!isHexOf(storedHex, leaf)) {
      this.edited.push({ ...edited, detail: "only the column leaf_hash" });
    }
  }

  /** There are no more rows. */
  finish(): void {
    this.#miss(this.block.rows);
  }

  /** The rows before this one are not there. */
  #miss(index: number): void {
    for (const { first, last, row } of this.#numbers.numbersOf(this.#next, index)) {
      for (let seq = first; seq <= last; seq++) {
        const at = row + seq - first;
        this.suspects.add({ ...this.#at(seq, at), kind: "deleted", leaf: this.#leafOf(at) });
      }
    }
  }

  #leafOf(index: number): Buffer {
    return this.leaves.subarray(32 * index, 32 * (index + 1));
  }

  #at(seq: number, index: number) {
    const position = this.block.firstPosition + index;
    return { unit: "number", first: seq, last: seq, rows: 1, position } as const;
  }
}
