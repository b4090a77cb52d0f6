/** What the benchmark reports: figures beside those of their peers, from the same run. */

/** One line of the report. */
export interface Figure {
  what: string;
  unit: string;
  ours: number;
  /** Measured in the same run on the same machine. */
  peer: number;
  /** What the peer is. */
  peerIs: string;
  /** Whether more or less of it is good. */
  better: "more" | "less";
  /** The ratio to reach, where one is set; a ratio above 1 is in our favour. */
  aim?: number;
  /** The value to reach, where that is set instead. */
  goal?: number;
}

/** The counts of a run do not match: something is broken, and its figures mean nothing. */
export class BrokenRun extends Error {
  override name = "BrokenRun";
}

/** @throws BrokenRun unless both numbers are the same */
export function requireEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new BrokenRun(`${what}: ${actual} instead of ${expected}`);
}

/** The figures as a Markdown table. */
export function toTable(figures: Figure[]): string {
  const rows = figures.map((figure) => {
    const { what, unit, ours, peer, peerIs, better, aim, goal } = figure;
    const ratio = better === "more" ? ours / peer : peer / ours;
    let verdict = "";
    if (aim !== undefined) {
      verdict = `≥ ${format(aim)} ×${ratio >= aim ? "" : " (missed)"}`;
    } else if (goal !== undefined) {
      const reached = better === "more" ? ours >= goal : ours <= goal;
      verdict = `${better === "more" ? "≥" : "≤"} ${format(goal)} ${unit}${reached ? "" : " (missed)"}`;
    }
    return [
      what,
      `${format(ours)} ${unit}`,
      `${format(peer)} ${unit} (${peerIs})`,
      `${format(ratio)} ×`,
      verdict,
    ];
  });
  return [["what", "ours", "peer", "ratio", "aim"], ["---", "--:", "--:", "--:", "--:"], ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Three significant digits, thousands separated. */
function format(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** The middle of the values. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}
