/** Verifies an exported segment, line by line, without a database. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Block, blockProblems, RowNumbers } from "./block.ts";
import { parseCheckpoint } from "./checkpoints.ts";
import { DamageList } from "./damage.ts";
import { type Line, lineShape } from "./export-lines.ts";
import { Tree, treeOf } from "./merkle.ts";
import { Problem } from "./problem.ts";
import { isConsistent } from "./proofs.ts";
import { fieldOf, hashLeafText } from "./row-text.ts";
import { parseJson, Refusal } from "./shapes.ts";
import type { VerifierKey } from "./signed-note.ts";
import { conclude, newVerdict, type Verdict } from "./verdict.ts";

/**
 * Verifies an export file. Throws `audit.export_invalid` for a file that is no complete export, and what
 * {@link parseCheckpoint} throws for its checkpoint.
 */
export async function verifyExport(path: string, keys: VerifierKey[]): Promise<Verdict> {
  let check: ExportCheck | undefined;
  let number = 0;
  for await (const text of linesOf(path)) {
    number++;
    try {
      const content = parseJson(lineShape, text);
      if (check) check.line(content);
      else check = new ExportCheck(content, keys);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw invalid(`line ${number} ${error.message}`);
    }
  }
  if (!check) throw invalid("it is empty");
  return check.finish();
}

function invalid(why: string): Problem {
  return new Problem(
    "audit.export_invalid",
    `The export is not complete: ${why}. Copy it anew, or export again.`,
  );
}

async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  } catch (error) {
    if (error instanceof Problem || !(error as { code?: string }).code) throw error;
    throw new Problem(
      "audit.export_invalid",
      `The export ${path} cannot be read: ${(error as Error).message}.`,
    );
  }
}

class ExportCheck {
  readonly #damage = new DamageList();
  readonly #verdict: Verdict;
  readonly #segment: Extract<Line, { type: "segment" }>;
  readonly #tree: Tree;
  #before: Block | undefined;
  #block: Block | undefined;
  #numbers: RowNumbers | undefined;
  /** The index of the rows' own numbers in their texts. */
  #seqColumn = 0;
  #next = 0;
  /** Whether all rows so far have the roots of their blocks. */
  #isTreeKnown = true;
  #lastRowSeq = 0;
  #isFinished = false;

  constructor(content: Line, private readonly keys: VerifierKey[]) {
    if (content.type !== "segment") throw new Refusal("is not the segment that an export begins with");
    const tree = treeOf(content.start.size, content.start.frontier);
    if (!tree) throw new Refusal("has a start whose frontier does not fit its size");
    this.#segment = content;
    this.#tree = tree;
    this.#verdict = newVerdict(content.table);
  }

  line(content: Line): void {
    if (this.#isFinished) throw new Refusal("follows the checkpoint, which ends an export");
    if (content.type === "segment") throw new Refusal("begins another export");
    if (content.type === "row") this.#row(content);
    else {
      this.#endBlock();
      if (content.type === "block") this.#beginBlock(content);
      else this.#checkpoint(content);
    }
  }

  finish(): Verdict {
    if (!this.#isFinished) throw invalid("it ends without its checkpoint");
    return conclude(this.#verdict, this.#damage, this.#lastRowSeq);
  }

  #beginBlock(content: Extract<Line, { type: "block" }>): void {
    const block: Block = {
      number: content.number,
      firstSeq: content.first_seq,
      lastSeq: content.last_seq,
      voids: content.voids,
      firstPosition: content.first_position,
      rows: content.rows,
      size: content.size,
      root: content.root,
      columns: content.columns.join(","),
      sealedAt: content.sealed_at,
      prevHash: content.prev_hash,
      rowHash: content.row_hash,
    };
    const expected = this.#before ? this.#before.number + 1 : this.#segment.first_block;
    if (block.number !== expected) throw new Refusal(`is block ${block.number} where ${expected} is due`);
    const before = this.#before ?? (block.number === 1 ? undefined : {
      ...block,
      rowHash: block.prevHash,
      lastSeq: block.firstSeq - 1,
      size: this.#segment.start.size,
    });
    for (const problem of blockProblems(this.#segment.table, block, before)) this.#rewritten(block, problem);
    this.#block = block;
    this.#numbers = new RowNumbers(block);
    this.#seqColumn = content.columns.indexOf("immutable_seq bigint");
    this.#next = 0;
    this.#verdict.blocks++;
    this.#verdict.voids += block.lastSeq - block.firstSeq + 1 - block.rows;
    this.#verdict.lastSeq = block.lastSeq;
  }

  #row({ seq, position, leaf }: Extract<Line, { type: "row" }>): void {
    if (!this.#block || !this.#numbers) throw new Refusal("is a row before the first block");
    this.#tree.append(hashLeafText(leaf));
    this.#verdict.rows++;
    const index = this.#numbers.rowOf(seq);
    const damage = { unit: "number", first: seq, last: seq, rows: 1 } as const;
    if (index === undefined) {
      this.#damage.add({ ...damage, kind: "inserted_later" });
    } else if (index < this.#next || position !== this.#block.firstPosition + index) {
      this.#damage.add({ ...damage, kind: "reordered" });
    } else {
      this.#miss(index);
      this.#next = index + 1;
      if (fieldOf(leaf, this.#seqColumn) === String(seq)) return;
      this.#damage.add({ ...damage, kind: "reordered", detail: "their texts have other numbers" });
    }
  }

  #endBlock(): void {
    if (!this.#block) return;
    const { number, firstSeq, lastSeq, rows, size, root } = this.#block;
    this.#miss(rows);
    for (const { last } of this.#numbers!.numbersOf(rows - 1, rows)) this.#lastRowSeq = last;
    if (this.#isTreeKnown && !(this.#tree.size === size && this.#tree.root().equals(root))) {
      this.#isTreeKnown = false;
      const detail =
        `somewhere in them: the rows have not the root of block ${number}; later rows cannot be compared`;
      if (this.#damage.isEmpty) {
        this.#damage.add({ kind: "edited", unit: "number", first: firstSeq, last: lastSeq, detail });
      } else {
        this.#rewritten(this.#block, "its root is not that of its rows; later rows cannot be compared");
      }
    }
    this.#before = this.#block;
    this.#block = undefined;
  }

  #checkpoint({ note, consistency }: Extract<Line, { type: "checkpoint" }>): void {
    this.#isFinished = true;
    const { table, last_block } = this.#segment;
    if (this.#before?.number !== last_block) throw new Refusal(`comes before block ${last_block}`);
    const checkpoint = parseCheckpoint(note, this.keys, "of the export");
    if (checkpoint.table !== table) {
      throw new Problem(
        "audit.checkpoint_foreign",
        `The checkpoint of the export is of ${checkpoint.table}, not of ${table}. Export again.`,
      );
    }
    const { size, root } = this.#before;
    if (
      consistency.old_size !== size || consistency.new_size !== checkpoint.size ||
      !isConsistent({ size, root }, checkpoint, consistency.proof)
    ) {
      const detail = `their root does not lead to that of the checkpoint of size ${checkpoint.size}`;
      this.#damage.add({ kind: "rewritten", unit: "position", first: 0, last: size - 1, rows: size, detail });
      return;
    }
    this.#verdict.checkpoints = { agreeing: 1, newestSize: checkpoint.size };
  }

  #miss(index: number): void {
    for (const { first, last, row } of this.#numbers!.numbersOf(this.#next, index)) {
      const position = this.#block!.firstPosition + row;
      this.#damage.add({ kind: "deleted", unit: "number", first, last, rows: last - first + 1, position });
    }
  }

  #rewritten({ number }: Block, detail: string): void {
    this.#damage.add({ kind: "rewritten", unit: "block", first: number, last: number, detail });
  }
}
