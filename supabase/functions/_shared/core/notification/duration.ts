const UNITS: [name: string, seconds: number][] = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

/**
 * A span of time for people, in its two largest units: `45 s`, `3 min 20 s`, `2 h`, `1 d 4 h`.
 *
 * @param seconds 0 or more; a fraction of a second is cut
 */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return "less than a second";
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  const parts: string[] = [];
  let rest = Math.floor(seconds);
  for (const [name, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}
