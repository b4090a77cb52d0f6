/** Records of blocks ("Blocks" in `.github/AUDIT.md`). */
import { sha256 } from "./merkle.ts";

export interface Block {
  number: number;
  firstSeq: number;
  lastSeq: number;
  /** Inclusive ranges, ascending. */
  voids: [number, number][];
  firstPosition: number;
  rows: number;
  size: number;
  root: Buffer;
  /** Joined by commas. */
  columns: string;
  /** ISO 8601 in UTC, with or without a `T` and a zone. */
  sealedAt: string;
  prevHash: Buffer;
  rowHash: Buffer;
}

/** What the record's hash must be. */
export function hashBlock(table: string, block: Block): Buffer {
  return sha256([
    "audit block v1",
    table,
    block.number,
    block.firstSeq,
    block.lastSeq,
    `{${block.voids.map(([first, last]) => `[${first},${last + 1})`).join(",")}}`,
    block.firstPosition,
    block.size,
    block.root.toString("hex"),
    block.columns,
    microseconds(block.sealedAt),
    block.prevHash.toString("hex"),
  ].join("\n"));
}

/** Microseconds since 1970-01-01T00:00:00Z, in decimal; `NaN` for what is no such time. */
function microseconds(time: string): string {
  const [, date, clock, fraction = ""] =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|\+00)$/.exec(time) ?? [];
  const milliseconds = Date.parse(`${date}T${clock}Z`);
  return Number.isNaN(milliseconds)
    ? "NaN"
    : String(BigInt(milliseconds) * 1_000n + BigInt(fraction.padEnd(6, "0")));
}

/** The numbers of a block that belong to rows, in order: row 0 has the lowest. */
export class RowNumbers {
  /** Inclusive ranges of numbers between the voids; `row` is the first one's. */
  #ranges: { first: number; last: number; row: number }[] = [];
  readonly count: number;

  constructor({ firstSeq, lastSeq, voids }: Block) {
    let [first, row] = [firstSeq, 0];
    const end: [number, number] = [lastSeq + 1, lastSeq + 1];
    for (const [voidFirst, voidLast] of [...voids, end]) {
      if (voidFirst > first) {
        this.#ranges.push({ first, last: voidFirst - 1, row });
        row += voidFirst - first;
      }
      first = voidLast + 1;
    }
    this.count = row;
  }

  /** Which row has this number; nothing for a void. */
  rowOf(seq: number): number | undefined {
    let [low, high] = [0, this.#ranges.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const { first, last, row } = this.#ranges[middle]!;
      if (seq < first) high = middle - 1;
      else if (seq > last) low = middle + 1;
      else return row + seq - first;
    }
    return undefined;
  }

  /** The ranges of numbers that the rows from `start` to before `end` have. */
  *numbersOf(start: number, end: number): Generator<{ first: number; last: number; row: number }> {
    for (const { first, last, row } of this.#ranges) {
      const [from, to] = [Math.max(start, row), Math.min(end, row + last - first + 1)];
      if (from < to) yield { first: first + from - row, last: first + to - 1 - row, row: from };
    }
  }
}

/** What is wrong with a block's record in itself and after the one before it. */
export function blockProblems(table: string, block: Block, before: Block | undefined): string[] {
  const { firstSeq, lastSeq, voids, firstPosition, rows, size } = block;
  const problems: string[] = [];
  const demand = (condition: boolean, problem: string) => condition || problems.push(problem);
  demand(block.rowHash.equals(hashBlock(table, block)), "its hash is not that of its content");
  demand(
    block.prevHash.equals(before?.rowHash ?? Buffer.alloc(32)),
    before ? "it does not follow the block before it" : "the first block says that one is before it",
  );
  demand(
    firstSeq === (before?.lastSeq ?? 0) + 1 && lastSeq >= firstSeq,
    "its numbers do not follow those before it",
  );
  demand(
    firstPosition === (before?.size ?? 0) && size === firstPosition + rows,
    "its positions do not follow those before it",
  );
  const inOrder = voids.every(([first, last], i) =>
    first <= last && first > (voids[i - 1]?.[1] ?? firstSeq - 1) && last <= lastSeq
  );
  demand(
    inOrder && new RowNumbers(block).count === rows,
    "its numbers, void numbers and rows do not fit together",
  );
  return problems;
}
