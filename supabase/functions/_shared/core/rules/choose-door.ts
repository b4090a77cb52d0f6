/** Which check of an entry is the best to find it by. */
import type { LeafTest } from "./compile-leaf.ts";
import { type Check, getOrSet } from "./event-checks.ts";

/** The rule of a rank matches when all checks hold; a rule may have several entries. */
export interface Entry {
  readonly rank: number;
  readonly checks: Check[];
  /** In how many places it is, because of lists of values: memory is for few of them. */
  readonly copies: number;
}

/** An entry, and which of its checks it waits behind. */
export interface Member {
  readonly entry: Entry;
  readonly behind: Check;
}

/** A door for fewer entries costs more than it saves. */
const FEWEST = 2;
/** Of one entry. */
const MOST_COPIES = 64;

/** To search a text for fewer needles together takes longer than one by one. */
const MANY_NEEDLES = 8;

/** Groups entries by the doors of those of their checks that hold most rarely, as far as can be told from the entries. */
export function groupByDoor(entries: Entry[]): { groups: Member[][]; others: Entry[] } {
  const { chanceOf, doorOf } = survey(entries);
  const others: Entry[] = [];
  const byDoor = new Map<string, Member[]>();
  for (const entry of entries) {
    let behind: Check | undefined;
    let least = 1;
    for (const check of entry.checks) {
      if (copiesBehind(entry, check) > MOST_COPIES) continue;
      const chance = chanceOf(check);
      if (chance < least) behind = check, least = chance;
    }
    if (!behind) others.push(entry);
    else getOrSet(byDoor, doorOf(behind), () => []).push({ entry, behind });
  }
  const groups = [];
  for (const group of byDoor.values()) {
    if (group.length >= FEWEST) groups.push(group);
    else for (const { entry } of group) others.push(entry);
  }
  return { groups, others };
}

/** How many copies of an entry there are when it waits behind one of its checks. */
export function copiesBehind(entry: Entry, check: Check): number {
  return entry.copies * (check.leaf?.keys?.length ?? 1);
}

/** How probable it is that a check holds, 1 when it has no door; and its door. */
function survey(entries: Entry[]): { chanceOf(check: Check): number; doorOf(check: Check): string } {
  const uses = new Map<Check, number>();
  const values = new Map<string, Set<unknown>>();
  for (const { checks } of entries) {
    for (const check of checks) {
      const count = uses.get(check) ?? 0;
      uses.set(check, count + 1);
      if (count > 0 || !check.leaf) continue;
      const { keys, needle, door } = check.leaf;
      if (!keys && needle === undefined) continue;
      const known = getOrSet(values, door, () => new Set());
      if (keys) { for (const key of keys) known.add(key); }
      else known.add(needle);
    }
  }
  const isOneOfMany = ({ needle, door }: LeafTest) =>
    needle !== undefined && values.get(door)!.size >= MANY_NEEDLES;
  return {
    chanceOf: (check) => {
      const { leaf } = check;
      if (!leaf) return 1;
      // Of a field's values, those that rules ask for and one more are taken as equally frequent.
      if (leaf.keys) return leaf.keys.length / (values.get(leaf.door)!.size + 1);
      if (isOneOfMany(leaf)) return 0.5;
      if (leaf.limit) return 0.55;
      return uses.get(check)! >= FEWEST ? 0.6 : 1;
    },
    doorOf: ({ leaf }) => leaf!.needle === undefined || isOneOfMany(leaf!) ? leaf!.door : leaf!.id,
  };
}
