/** What verifying one table, or one export, came to. */
import type { Damage, DamageList } from "./damage.ts";

export interface Verdict {
  table: string;
  blocks: number;
  /** Sealed rows that were compared with their leaf hashes. */
  rows: number;
  voids: number;
  /** The highest sealed number. */
  lastSeq: number;
  /** Rows that are not sealed yet. */
  unsealed: number;
  /** Rows whose leaf hashes were verified, but not the rows themselves. */
  notLookedAt: number;
  notes: string[];
  checkpoints: { agreeing: number; newestSize: number };
  damage: Damage[];
  /** Damaged ranges that were counted only. */
  more: number;
}

/** A verdict before anything was looked at. */
export function newVerdict(table: string): Verdict {
  return {
    table,
    blocks: 0,
    rows: 0,
    voids: 0,
    lastSeq: 0,
    unsealed: 0,
    notLookedAt: 0,
    notes: [],
    checkpoints: { agreeing: 0, newestSize: 0 },
    damage: [],
    more: 0,
  };
}

/**
 * Moves the damage to the verdict. What is missing at the end of the sealed rows was cut off.
 *
 * @param lastSeq the number of the last sealed row
 */
export function conclude(verdict: Verdict, damage: DamageList, lastSeq: number): Verdict {
  verdict.damage = damage.list().map((found) =>
    found.kind === "deleted" && found.unit === "number" && found.last === lastSeq
      ? { ...found, kind: "tail_cut" }
      : found
  );
  verdict.more = damage.more;
  return verdict;
}

const mostPrinted = 100;
const words = { number: "number", block: "record of block", position: "position" };

/** The verdict as lines for people. */
export function describe(verdict: Verdict): string[] {
  const { table, blocks, rows, voids, lastSeq, unsealed, notLookedAt, checkpoints } = verdict;
  const count = (n: number, what: string) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const lines = [
    `${table}: ${isSound(verdict) ? "sound" : "DAMAGED"}. Compared ${count(rows, "row")} in ${
      count(blocks, "block")
    }, ` +
    `numbers up to ${lastSeq} (${voids.toLocaleString("en")} void); ${
      count(unsealed, "row")
    } not sealed yet.`,
    ...verdict.damage.slice(0, mostPrinted).map((damage) => `  ${describeDamage(damage)}`),
  ];
  const more = verdict.damage.length - mostPrinted + verdict.more;
  if (more > 0) lines.push(`  and ${count(more, "range")} more`);
  if (notLookedAt > 0) {
    lines.push(`  ${count(notLookedAt, "row")} not looked at, only their leaf hashes.`);
  }
  lines.push(...verdict.notes.map((note) => `  ${note}`));
  if (checkpoints.newestSize > 0) {
    lines.push(
      `  ${count(checkpoints.agreeing, "checkpoint")} agreed, up to a size of ${checkpoints.newestSize}.`,
    );
  } else if (isSound(verdict)) {
    lines.push("  Without a checkpoint: a cut tail and a full rewrite cannot be seen.");
  }
  return lines;
}

function describeDamage({ kind, unit, first, last, rows, detail }: Damage): string {
  const range = first === last ? `${words[unit]} ${first}` : `${words[unit]}s ${first} to ${last}`;
  const size = rows && rows > 1 ? ` (${rows.toLocaleString("en")} rows)` : "";
  return `${kind}: ${range}${size}${detail ? `: ${detail}` : ""}`;
}

export function isSound({ damage, more }: Verdict): boolean {
  return damage.length + more === 0;
}
