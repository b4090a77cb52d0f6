/** Reads an immutable table with its blocks, and says what is wrong with them, by a tree of its own. */
import { createHash } from "node:crypto";
import type { Sql } from "postgres";

interface Row {
  seq: number;
  leaf: string;
}

interface Block {
  number: number;
  first: number;
  last: number;
  /** Inclusive. */
  voids: [number, number][];
  first_position: number;
  rows: number;
  size: number;
  root: string;
  leaves: string;
  prev_hash: string;
  row_hash: string;
}

/** The RFC 6962 root of leaf hashes in hex, by its definition. */
export function naiveRoot(leaves: string[]): string {
  if (leaves.length === 0) return createHash("sha256").digest("hex");
  if (leaves.length === 1) return leaves[0]!;
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  const children = naiveRoot(leaves.slice(0, half)) + naiveRoot(leaves.slice(half));
  return createHash("sha256").update("01" + children, "hex").digest("hex");
}

/**
 * Each row that is committed must be in one block exactly, unless it is newer than the last; every other number must be
 * void; blocks must follow each other, and their roots must be those of the rows. Verification must see no damage.
 *
 * @returns what is wrong; nothing when all is well
 */
export async function problemsOf(sql: Sql, table: string): Promise<string[]> {
  const [{ rows, blocks }] = await sql.unsafe<[{ rows: Row[]; blocks: Block[] }]>(`
    select
      (select coalesce(json_agg(json_build_object('seq', immutable_seq, 'leaf', encode(leaf_hash, 'hex')) order by immutable_seq), '[]')
        from ${table}) as rows,
      (select coalesce(json_agg(json_build_object(
          'number', number, 'first', first_seq, 'last', last_seq, 'first_position', first_position, 'rows', rows, 'size', size,
          'voids', (select coalesce(json_agg(json_build_array(lower(v), upper(v) - 1)), '[]') from unnest(voids) v), 'root', encode(root, 'hex'),
          'leaves', encode(leaves, 'hex'), 'prev_hash', encode(prev_hash, 'hex'), 'row_hash', encode(row_hash, 'hex')) order by number), '[]')
        from audit_blocks where table_name = '${table}') as blocks`);
  const problems: string[] = [];
  const leaves: string[] = [];
  let last: Partial<Block> = { number: 0, last: 0, size: 0, row_hash: "00".repeat(32) };
  let index = 0;
  for (const block of blocks) {
    const complain = (what: string) => problems.push(`block ${block.number}: ${what}`);
    if (block.number !== last.number! + 1 || block.first !== last.last! + 1) complain("does not follow");
    if (block.prev_hash !== last.row_hash) complain("is not chained to the one before");
    if (block.first_position !== last.size) complain("begins at another position");
    let number = block.first;
    for (const [from, to] of [...block.voids, [block.last + 1, block.last + 1]] as [number, number][]) {
      for (; number < from; number++) {
        if (rows[index]?.seq !== number) complain(`number ${number} is neither void nor a row`);
        else leaves.push(rows[index++]!.leaf);
      }
      if (rows[index] && rows[index]!.seq <= Math.min(to, block.last)) {
        complain(`row ${rows[index++]!.seq} is void`);
      }
      number = to + 1;
    }
    if (leaves.length !== block.size || block.rows !== block.size - block.first_position) {
      complain("counts wrong");
    }
    if (block.leaves !== leaves.slice(block.first_position).join("")) complain("has other leaves");
    if (block.root !== naiveRoot(leaves)) complain("has another root");
    last = block;
  }
  if (rows[index] && rows[index]!.seq <= last.last!) problems.push(`row ${rows[index]!.seq} is in no block`);
  const [{ verdict }] = await sql<[{ verdict: { valid: boolean; damage: unknown[] } }]>`
    select verify_audit_integrity(${table}) as verdict`;
  return verdict.valid ? problems : [...problems, `false alarm: ${JSON.stringify(verdict.damage)}`];
}

/** What `seal_audit` answers for one table. */
export interface Sealed {
  table: string;
  sealed: number;
  voids: number;
  size: number;
  root: string;
  waiting: number;
}

export async function seal(sql: Sql, table: string): Promise<Sealed> {
  const [row] = await sql<[{ sealed: [Sealed] }]>`select seal_audit(${table}) as sealed`;
  return row.sealed[0];
}

/** Makes an immutable table whose keys are unique and not negative. */
export async function createLog(sql: Sql, name: string): Promise<void> {
  await sql.unsafe(`create table ${name} (key integer unique check (key >= 0))`);
  await sql`select private.make_immutable(${name})`;
}
