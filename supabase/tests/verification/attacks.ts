/** What an owner of the tables can do to a log, and what verification must call it. */

/** What a log consists of. */
export interface Log {
  /** Numbers of its rows, sealed or not, in order. */
  rows: number[];
  /** The last number that was given. */
  lastNumber: number;
  /** The last number that is sealed. */
  sealedSeq: number;
  /** Sealed numbers that no row has. */
  voids: number[];
  blocks: { number: number; firstSeq: number; lastSeq: number; size: number }[];
  /** SQL for the leaf text of row `t`. */
  leafExpression: string;
  /** Its newest checkpoint. */
  head: { size: number; root: string };
}

/** A random choice: where, and what exactly. */
export interface Place {
  at: number;
  what: number;
}

/** What is done, and what must be found. */
export interface Attack {
  sql: string;
  damage: { kind: string; first: number; last: number }[];
  gaps?: number[];
  /** Whether only a checkpoint from outside the database can show it. */
  needsCheckpoint?: boolean;
}

const pick = <T>(list: T[], place: Place): T => list[place.at % list.length]!;
const sealed = (log: Log) => log.rows.filter((seq) => seq <= log.sealedSeq);
const list = (numbers: number[]) => numbers.join(", ");
const blockOf = (log: Log, seq: number) => log.blocks.find(({ lastSeq }) => lastSeq >= seq)!;

/** Up to three different rows. */
function some(rows: number[], places: Place[]): number[] {
  return [...new Set(places.map((place) => pick(rows, place)))].sort((a, b) => a - b);
}

/** Numbers whose rows stand beside each other in the tree make one finding. */
function runs(kind: string, numbers: number[], all: number[]): Attack["damage"] {
  const found: Attack["damage"] = [];
  for (const seq of numbers) {
    const last = found.at(-1);
    if (last && all.indexOf(seq) === all.indexOf(last.last) + 1) last.last = seq;
    else found.push({ kind, first: seq, last: seq });
  }
  return found;
}

/** As `runs`, and what reaches to the newest sealed row is a tail that was cut. */
function missing(log: Log, numbers: number[]): Attack["damage"] {
  return runs("deleted", numbers, sealed(log)).map((range) =>
    range.last === sealed(log).at(-1) ? { ...range, kind: "tail_cut" } : range
  );
}

const rehash = (log: Log, where: string) =>
  `update public.log t set leaf_hash = sha256('\\x0001'::bytea || convert_to(${log.leafExpression}, 'UTF8')) where ${where};`;
const changes = [
  "amount = coalesce(amount, 0) + 1",
  "name = name || ' '",
  "name = ''",
  `details = details || '{"b": null}'`,
  "amount = null",
  "id = gen_random_uuid()",
  "at = at + interval '1 microsecond'",
];
const settings = "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD';";

function edit(numbers: number[], place: Place): string {
  return `update public.log set ${changes[place.what % changes.length]} where immutable_seq in (${
    list(numbers)
  });`;
}

function swap(a: number, b: number): string {
  return `update public.log set immutable_seq = -1 where immutable_seq = ${a}; update public.log set immutable_seq = ${a} where immutable_seq = ${b};
    update public.log set immutable_seq = ${b} where immutable_seq = -1;`;
}

/** Takes the blocks away and seals everything anew. */
const reseal =
  `alter table public.audit_nodes disable trigger user; delete from public.audit_nodes where table_name = 'log';
  delete from public.audit_blocks where table_name = 'log'; update public.immutable_tables set sealed_seq = 0 where name = 'log';
  select public.seal_audit('log');`;

/** Changes of one block's record. */
const flip = (column: string) => `${column} = set_byte(${column}, 3, 255 - get_byte(${column}, 3))`;
const blockChanges = [
  flip("root"),
  flip("frontier"),
  flip("prev_hash"),
  flip("row_hash"),
  "sealed_at = sealed_at - interval '1 second'",
  "columns = columns[2:]",
  "columns[1] = 'id text'",
  "voids = case when first_seq <@ voids then '{}' else voids + int8multirange(int8range(first_seq, first_seq + 1)) end",
  "leaves = substr(leaves, 33) || substr(leaves, 1, 32), root = sha256(root)",
];

/** Each: from a log and random choices, what is done; null where the log has nothing to do it to. */
export const attacks: Record<string, (log: Log, places: Place[]) => Attack | null> = {
  "rows are edited"(log, places) {
    const numbers = some(sealed(log), places);
    return { sql: edit(numbers, places[0]!), damage: runs("edited", numbers, sealed(log)) };
  },
  "rows are edited and hashed anew"(log, places) {
    const numbers = some(sealed(log), places);
    return {
      sql: settings + edit(numbers, places[0]!) + rehash(log, `t.immutable_seq in (${list(numbers)})`),
      damage: runs("edited", numbers, sealed(log)),
    };
  },
  "a leaf hash is changed"(log, places) {
    const seq = pick(sealed(log), places[0]!);
    return {
      sql: `update public.log set leaf_hash = sha256(leaf_hash) where immutable_seq = ${seq}`,
      damage: [{ kind: "edited", first: seq, last: seq }],
    };
  },
  "rows are deleted"(log, places) {
    const numbers = some(sealed(log), places);
    return {
      sql: `delete from public.log where immutable_seq in (${list(numbers)})`,
      damage: missing(log, numbers),
      gaps: numbers,
    };
  },
  "the tail is deleted"(log, [place]) {
    const numbers = sealed(log).slice(place!.at % sealed(log).length);
    return {
      sql: `delete from public.log where immutable_seq >= ${numbers[0]}`,
      damage: missing(log, numbers),
      gaps: numbers,
    };
  },
  "the tail is deleted, with its blocks"(log, [place]) {
    const block = pick(log.blocks, place!);
    return {
      sql:
        `delete from public.log where immutable_seq >= ${block.firstSeq}; delete from public.audit_blocks where table_name = 'log' and number >= ${block.number}`,
      damage: [{ kind: "tail_cut", first: block.firstSeq, last: log.sealedSeq }],
    };
  },
  "the table is truncated"(log) {
    return { sql: "truncate public.log", damage: missing(log, sealed(log)), gaps: sealed(log) };
  },
  "a row is inserted under a void number"(log, [place]) {
    if (log.voids.length === 0) return null;
    const seq = pick(log.voids, place!);
    return {
      sql:
        `${settings} insert into public.log (amount, immutable_seq, leaf_hash) values (1, ${seq}, sha256('')); ${
          rehash(log, `t.immutable_seq = ${seq}`)
        }`,
      damage: [{ kind: "inserted_later", first: seq, last: seq }],
    };
  },
  "a row is inserted before the first number"(_log, [place]) {
    const seq = -(place!.at % 3);
    return {
      sql: `insert into public.log (amount, immutable_seq, leaf_hash) values (1, ${seq}, sha256(''))`,
      damage: [{ kind: "inserted_later", first: seq, last: seq }],
    };
  },
  "a row is inserted under another one's number"(log, [place]) {
    const seq = pick(sealed(log), place!);
    return {
      sql:
        `alter table public.log drop constraint log_immutable_seq_is_unique; insert into public.log (amount, immutable_seq, leaf_hash)
        select amount, immutable_seq, leaf_hash from public.log where immutable_seq = ${seq}`,
      damage: [{ kind: "inserted_later", first: seq, last: seq }],
    };
  },
  "two rows are swapped"(log, [one, other]) {
    const rows = sealed(log);
    const [a, b] = [pick(rows, one!), pick(rows, other!)].sort((x, y) => x - y) as [number, number];
    if (a === b) return null;
    const hashes = one!.what % 2 ? rehash(log, `t.immutable_seq in (${a}, ${b})`) : "";
    return { sql: settings + swap(a, b) + hashes, damage: runs("reordered", [a, b], rows) };
  },
  "a row is moved to a void number"(log, [one, other]) {
    if (log.voids.length === 0) return null;
    const [from, to] = [pick(sealed(log), one!), pick(log.voids, other!)];
    return {
      sql: `update public.log set immutable_seq = ${to} where immutable_seq = ${from}`,
      damage: [{ kind: "inserted_later", first: to, last: to }, ...missing(log, [from])],
      gaps: [from],
    };
  },
  "an unsealed row is edited"(log, [place]) {
    const rows = log.rows.filter((seq) => seq > log.sealedSeq);
    if (rows.length === 0) return null;
    const seq = pick(rows, place!);
    return { sql: edit([seq], place!), damage: [{ kind: "edited", first: seq, last: seq }] };
  },
  "a block's record is edited"(log, [place]) {
    const block = pick(log.blocks, place!);
    const change = blockChanges[place!.what % blockChanges.length];
    return {
      sql: `update public.audit_blocks set ${change} where table_name = 'log' and number = ${block.number}`,
      damage: [{ kind: "rewritten", first: block.firstSeq, last: block.lastSeq }],
    };
  },
  "a block's list of leaves is edited"(log, [place]) {
    const block = blockOf(log, pick(sealed(log), place!));
    return {
      sql: `update public.audit_blocks set ${
        flip("leaves")
      } where table_name = 'log' and number = ${block.number}`,
      damage: [{ kind: "rewritten", first: block.firstSeq, last: block.lastSeq }],
    };
  },
  "a block's record is edited and hashed anew"(log, [place]) {
    const next = pick(log.blocks, place!);
    const block = log.blocks[log.blocks.indexOf(next) - 1];
    if (!block) return null;
    return {
      sql:
        `update public.audit_blocks set sealed_at = sealed_at - interval '1 second' where table_name = 'log' and number = ${block.number};
        update public.audit_blocks b set row_hash = private.block_hash(b) where table_name = 'log' and number = ${block.number}`,
      damage: [{ kind: "rewritten", first: next.firstSeq, last: next.lastSeq }],
    };
  },
  "rows and their block are made to fit"(log, [place]) {
    const seq = pick(sealed(log), place!);
    const block = blockOf(log, seq);
    return {
      sql: `${settings} ${edit([seq], place!)} ${rehash(log, `t.immutable_seq = ${seq}`)}
        update public.audit_blocks set leaves = (select string_agg(leaf_hash, '' order by immutable_seq) from public.log where immutable_seq between first_seq and last_seq)
        where table_name = 'log' and number = ${block.number}`,
      damage: [{ kind: "rewritten", first: block.firstSeq, last: block.lastSeq }],
    };
  },
  "a block's record is deleted"(log, [place]) {
    const block = pick(log.blocks, place!);
    return {
      sql: `delete from public.audit_blocks where table_name = 'log' and number = ${block.number}`,
      damage: [{
        kind: block === log.blocks.at(-1) ? "tail_cut" : "rewritten",
        first: block.firstSeq,
        last: block.lastSeq,
      }],
    };
  },
  "everything is rewritten with fresh hashes"(log, [place]) {
    const seq = pick(sealed(log), place!);
    return {
      sql: `${settings} ${edit([seq], place!)} ${rehash(log, `t.immutable_seq = ${seq}`)} ${reseal}`,
      // One block holds everything now, the rows that were not sealed too.
      damage: [{ kind: "rewritten", first: 1, last: log.lastNumber }],
      needsCheckpoint: true,
    };
  },
  "a row is taken out of everything"(log, [place]) {
    const seq = pick(sealed(log), place!);
    const size = log.rows.length - 1;
    return {
      sql: `delete from public.log where immutable_seq = ${seq}; ${reseal}`,
      damage: [
        size < log.head.size
          ? { kind: "tail_cut", first: log.lastNumber + 1, last: log.lastNumber + log.head.size - size }
          : { kind: "rewritten", first: 1, last: log.lastNumber },
      ],
      needsCheckpoint: true,
    };
  },
  "an old backup is restored"(log, [place]) {
    const index = place!.at % log.blocks.length;
    const before = log.blocks[index - 1] ?? { lastSeq: 0, size: 0 };
    // Blocks of void numbers only say nothing about any row.
    if (before.size === log.head.size) return null;
    return {
      sql:
        `delete from public.log where immutable_seq > ${before.lastSeq}; delete from public.audit_blocks where table_name = 'log' and number > ${index};
        update public.immutable_tables set sealed_seq = ${before.lastSeq} where name = 'log'`,
      damage: [{
        kind: "tail_cut",
        first: before.lastSeq + 1,
        last: before.lastSeq + log.head.size - before.size,
      }],
      needsCheckpoint: true,
    };
  },
  "an old backup is restored and filled up"(log, [place]) {
    const index = place!.at % log.blocks.length;
    const before = log.blocks[index - 1] ?? { lastSeq: 0, size: 0 };
    // Blocks of void numbers only say nothing about any row.
    if (before.size === log.head.size) return null;
    // With fewer rows than were sealed before, the tail would be cut.
    const rows = log.head.size + 1;
    return {
      sql:
        `delete from public.log where immutable_seq > ${before.lastSeq}; delete from public.audit_blocks where table_name = 'log' and number > ${index};
        update public.immutable_tables set sealed_seq = ${before.lastSeq} where name = 'log'; select setval('public.log_immutable_seq', ${
          before.lastSeq + 1
        }, false);
        alter table public.log enable trigger user; insert into public.log (amount) select n from generate_series(1, ${rows}) n; select public.seal_audit('log')`,
      damage: [{ kind: "rewritten", first: 1, last: before.lastSeq + rows }],
      needsCheckpoint: true,
    };
  },
};
