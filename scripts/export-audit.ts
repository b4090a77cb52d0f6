/**
 * `deno task export-audit`: writes sealed rows with all that proves them to a file, as .github/AUDIT.md describes.
 * Afterwards the rows can be dropped; the command to do so is printed.
 */
import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import postgres, { type Sql, type TransactionSql } from "postgres";
import { exitWithUsage, readArguments } from "./command-line.ts";
import { exists } from "./stack/files.ts";

const USAGE = "export-audit <table> --out=<file> [--before=<YYYY-MM-DD>] [--database-url=<url>]";

interface Segment {
  table: string;
  first: number;
  last: number;
  lastSize: number;
  start: { size: number; frontier: string[] };
}

interface Checkpoint {
  size: number;
  note: string;
}

const { values, words: [table] } = readArguments(USAGE, {
  out: { type: "string" },
  before: { type: "string" },
  "database-url": { type: "string" },
}, 1);
const out = values.out as string | undefined;
const before = values.before as string | undefined;
const url = (values["database-url"] as string | undefined) ?? Deno.env.get("DATABASE_URL");
if (!table || !out) exitWithUsage("A table and a file are needed.", USAGE);
if (!url) exitWithUsage("No database is named: set DATABASE_URL or use --database-url.", USAGE);
if (before && !/^\d{4}-\d\d-\d\d$/.test(before)) exitWithUsage(`"${before}" is no date.`, USAGE);

try {
  await exportTo(out, url, table, before ?? null);
} catch (error) {
  const { hint, message } = error as { hint?: string; message: string };
  console.error(hint ? `${hint}: ${message}` : `Nothing was exported: ${message}`);
  Deno.exit(1);
}

async function exportTo(path: string, url: string, table: string, before: string | null): Promise<void> {
  if (await exists(path)) throw new Error(`There is already a file ${path}. Choose another name.`);
  const sql = connect(url);
  try {
    // One snapshot, so that blocks and rows fit however long it takes.
    await sql.begin("isolation level repeatable read", async (snapshot) => {
      const segment = await findSegment(snapshot, table, before);
      const checkpoint = await coveringCheckpoint(snapshot, segment);
      const sha256 = await writeLines(path, lines(snapshot, segment, checkpoint));
      console.log(
        `Exported blocks ${segment.first} to ${segment.last} of ${segment.table} to ${path}, SHA-256 ${sha256}.`,
      );
      console.log("Check the file, keep it, and then drop the rows with:");
      console.log(`  select private.drop_audit_segment('${segment.table}', ${segment.last}, '${sha256}');`);
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function connect(url: string): Sql {
  try {
    return postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 10 });
  } catch {
    // What the driver says about it would quote it, with its password.
    throw new Error("the database URL is none. Write postgresql://user:password@host:5432/postgres.");
  }
}

/** The oldest blocks whose rows are still there, up to the newest that a checkpoint covers. */
async function findSegment(sql: TransactionSql, table: string, before: string | null): Promise<Segment> {
  const [range] = await sql`
    select t.name, min(b.number)::float8 as first, max(b.number)::float8 as last, max(b.size)::float8 as size
    from private.immutable_table(${table}) t join public.audit_blocks b on b.table_name = t.name
    where b.last_seq > private.dropped_seq(t.name) and (${before}::timestamptz is null or b.sealed_at < ${before})
      and b.size <= (select max(p.size) from public.audit_publications p
        where p.table_name = t.name and p.place = 'store' and p.published_at is not null)
    group by t.name`;
  if (!range) {
    throw new Error(
      `There is nothing to export of ${table}: no block${
        before ? ` sealed before ${before}` : ""
      } is covered by ` +
        "a published checkpoint and still has its rows.",
    );
  }
  const [start] = await sql`
    select size::float8, array(
      select encode(substr(frontier, i * 32 + 1, 32), 'base64') from generate_series(0, octet_length(frontier) / 32 - 1) i
    ) as frontier
    from public.audit_blocks where table_name = ${range.name} and number = ${range.first - 1}`;
  return {
    table: range.name,
    first: range.first,
    last: range.last,
    lastSize: range.size,
    start: { size: start?.size ?? 0, frontier: start?.frontier ?? [] },
  };
}

async function coveringCheckpoint(sql: TransactionSql, { table, lastSize }: Segment): Promise<Checkpoint> {
  const [checkpoint] = await sql<[Checkpoint]>`
    select size::float8, note from public.audit_publications
    where table_name = ${table} and place = 'store' and published_at is not null and size >= ${lastSize}
    order by size limit 1`;
  return checkpoint;
}

async function* lines(sql: TransactionSql, segment: Segment, checkpoint: Checkpoint): AsyncGenerator<string> {
  yield JSON.stringify({
    ...{ type: "segment", format: 1, table: segment.table },
    ...{ first_block: segment.first, last_block: segment.last, start: segment.start },
  });
  for (let number = segment.first; number <= segment.last; number++) {
    const block = await sql`select line from private.export_audit_block(${segment.table}, ${number}) line`;
    for (const { line } of block) yield line;
  }
  const [{ proof }] = await sql`
    select public.audit_consistency_proof(${segment.table}, ${segment.lastSize}, ${checkpoint.size}) -> 'proof' as proof` as [
    { proof: string[] },
  ];
  const consistency = { old_size: segment.lastSize, new_size: checkpoint.size, proof };
  yield JSON.stringify({ type: "checkpoint", note: checkpoint.note, consistency });
}

/** Writes lines to a file that has its name only when it is complete; resolves to its SHA-256 in hex. */
async function writeLines(path: string, lines: AsyncIterable<string>): Promise<string> {
  const part = `${path}.part`;
  const hash = createHash("sha256");
  const file = await open(part, "w");
  try {
    let pending = "";
    const flush = async () => {
      hash.update(pending);
      await file.appendFile(pending);
      pending = "";
    };
    for await (const line of lines) {
      pending += line + "\n";
      if (pending.length > 1_000_000) await flush();
    }
    await flush();
    await file.sync();
    await rename(part, path);
  } catch (error) {
    await rm(part);
    throw error;
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}
