/** Verifies one immutable table of a database. */
import { blockProblems, RowNumbers } from "./block.ts";
import { BlockRows, insertedRow } from "./block-rows.ts";
import type { Checkpoint } from "./checkpoints.ts";
import { DamageList } from "./damage.ts";
import type { AuditDatabase, Column, Dropped, StoredBlock } from "./database.ts";
import { Problem } from "./problem.ts";
import { RowHasher } from "./row-hasher.ts";
import { Suspects } from "./suspects.ts";
import { TreeCheck } from "./tree-check.ts";
import { conclude, newVerdict, type Verdict } from "./verdict.ts";

/**
 * Verifies a table with the checkpoints of it. Throws `audit.table_unknown` and `audit.not_immutable` for a table that
 * has nothing to verify, `audit.not_sealed` when the record of dropped rows is not sealed yet.
 */
export async function verifyTable(
  database: AuditDatabase,
  table: string,
  isImmutable: boolean,
  checkpoints: Checkpoint[],
): Promise<Verdict> {
  const columns = await database.columns(table);
  if (!isImmutable && checkpoints.length === 0) throw nothingToVerify(table, columns !== undefined);
  const dropped = await database.dropped(table);
  if (dropped && !dropped.isSealed) {
    throw new Problem(
      "audit.not_sealed",
      `Rows of ${table} were dropped by a row of audit_log that is not sealed yet. Verify again after the next minute's sealing.`,
    );
  }
  return await new TableCheck(database, table, columns ?? [], checkpoints, dropped).run();
}

function nothingToVerify(table: string, exists: boolean): Problem {
  return exists
    ? new Problem(
      "audit.not_immutable",
      `The table ${table} is not immutable, so that there is nothing to verify. private.make_immutable() makes it so.`,
    )
    : new Problem(
      "audit.table_unknown",
      `There is no table ${table}. Name it as immutable_tables does: receipts, or schema.name outside of public.`,
    );
}

class TableCheck {
  readonly #damage = new DamageList();
  readonly #verdict: Verdict;
  readonly #suspects: Suspects;
  readonly #hasher: RowHasher;
  #tree: TreeCheck;
  /** Whether the tree is that of the block before. */
  #isTreeKnown = true;
  #before: StoredBlock | undefined;
  /** The number of the last sealed row. */
  #lastRowSeq = 0;
  readonly #hasRows: boolean;

  constructor(
    private readonly database: AuditDatabase,
    private readonly table: string,
    private readonly columns: Column[],
    checkpoints: Checkpoint[],
    private readonly dropped: Dropped | undefined,
  ) {
    const [seq, leaf] = ["immutable_seq", "leaf_hash"].map((name) =>
      columns.findIndex((column) => column.name === name)
    ) as [number, number];
    this.#hasRows = seq >= 0 && leaf >= 0;
    this.#hasher = new RowHasher(columns.length, Math.max(seq, leaf) + 1, seq);
    this.#suspects = new Suspects(this.#hasher, this.#damage);
    this.#tree = new TreeCheck(checkpoints);
    this.#verdict = newVerdict(table);
  }

  async run(): Promise<Verdict> {
    for await (const block of this.database.blocks(this.table)) await this.#block(block);
    const { lastSeq = 0 } = this.#before ?? {};
    this.#verdict.lastSeq = lastSeq;
    if (this.dropped) {
      this.#verdict.notes.push(
        `Row ${this.dropped.entry} of audit_log says that rows up to number ${this.dropped.lastSeq} were exported and ` +
          "dropped; that is worth what verifying audit_log says.",
      );
    }
    if (this.#hasRows) await this.#rowsOutsideOfBlocks(lastSeq);
    else {
      const detail = this.columns.length ? "immutable_seq or leaf_hash is gone" : "the table is gone";
      this.#damage.add({ kind: "tail_cut", unit: "number", first: 1, last: lastSeq, detail });
    }
    this.#suspects.finish();
    this.#verdict.checkpoints = this.#tree.finish(this.#damage);
    return conclude(this.#verdict, this.#damage, this.#lastRowSeq);
  }

  async #block(block: StoredBlock): Promise<void> {
    const problems = this.#recordProblems(block);
    const numbers = new RowNumbers(block);
    const fits = numbers.count === block.rows && block.leaves.length === 32 * block.rows;
    if (!fits) problems.push("it has not one leaf hash for each row");
    const rows = fits ? new BlockRows(block, block.leaves, this.#hasher, this.#suspects) : undefined;
    const isDropped = block.lastSeq <= (this.dropped?.lastSeq ?? 0);
    if (rows && this.#hasRows) await this.#rows(block, rows, isDropped);
    else this.#verdict.notLookedAt += block.rows;
    const leaves = this.#growTree(block, rows, problems);
    if (leaves !== rows?.actual) rows?.edited.forEach((row) => this.#suspects.add(row));
    for (const detail of problems) {
      this.#damage.add({ kind: "rewritten", unit: "block", first: block.number, last: block.number, detail });
    }
    for (const { last } of numbers.numbersOf(block.rows - 1, block.rows)) this.#lastRowSeq = last;
    this.#verdict.blocks++;
    this.#verdict.voids += block.lastSeq - block.firstSeq + 1 - block.rows;
    this.#before = block;
  }

  /** What is wrong with a record; when records before it are missing, it can only be compared with itself. */
  #recordProblems(block: StoredBlock): string[] {
    const { number, prevHash, firstSeq, firstPosition } = block;
    const expected = (this.#before?.number ?? 0) + 1;
    if (number === expected) return blockProblems(this.table, block, this.#before);
    this.#isTreeKnown = false;
    this.#damage.add({ kind: "deleted", unit: "block", first: expected, last: number - 1 });
    return blockProblems(this.table, block, {
      ...block,
      rowHash: prevHash,
      lastSeq: firstSeq - 1,
      size: firstPosition,
    });
  }

  async #rows({ firstSeq, lastSeq, rows: count }: StoredBlock, rows: BlockRows, isDropped: boolean) {
    for await (const page of this.database.rows(this.table, this.columns, { from: firstSeq, to: lastSeq })) {
      for (const row of page) {
        if (isDropped) this.#suspects.add(insertedRow(row));
        else rows.check(row);
      }
    }
    if (isDropped) this.#verdict.notLookedAt += count;
    else {
      rows.finish();
      this.#verdict.rows += count;
    }
  }

  /**
   * Appends the block's leaf hashes to the tree and compares its root and frontier. When only the rows themselves have
   * that root, it was the record that was rewritten, and the rows are as they were.
   *
   * @returns the leaf hashes that have the block's root
   */
  #growTree(block: StoredBlock, rows: BlockRows | undefined, problems: string[]): Buffer | undefined {
    const { size, root, frontier, leaves } = block;
    const candidates = !rows ? [] : rows.edited.length > 0 ? [leaves, rows.actual] : [leaves];
    for (const candidate of this.#isTreeKnown ? candidates : []) {
      const tree = this.#tree.fork();
      tree.append(candidate);
      if (tree.size !== size || !tree.root.equals(root)) continue;
      this.#tree = tree;
      if (candidate !== leaves) problems.push("its leaf hashes are not those of its root");
      if (!tree.hasFrontier(frontier)) problems.push("its frontier is not that of its root");
      return candidate;
    }
    if (this.#isTreeKnown) problems.push("its root is not that of its leaf hashes");
    this.#isTreeKnown = this.#tree.resume(size, root, frontier);
    return undefined;
  }

  async #rowsOutsideOfBlocks(lastSeq: number): Promise<void> {
    const strays = await this.database.strays(this.table);
    if (strays > 0) {
      const detail = "with no number, or one below 1";
      this.#damage.add({ kind: "inserted_later", unit: "number", first: 0, last: 0, rows: strays, detail });
    }
    for await (const page of this.database.rows(this.table, this.columns, { from: lastSeq + 1 })) {
      for (const row of page) {
        this.#verdict.unsealed++;
        if (this.#hasher.isAsStored(row)) continue;
        const { seq, fields } = row;
        const detail = "not sealed yet";
        this.#suspects.add({
          kind: "edited",
          unit: "number",
          first: seq,
          last: seq,
          rows: 1,
          detail,
          fields,
        });
      }
    }
  }
}
