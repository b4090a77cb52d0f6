/** Reads an audit log from its database, in one snapshot, page by page. */
import postgres from "postgres";
import type { Block } from "./block.ts";
import type { Row } from "./row-hasher.ts";
import { splitHashes } from "./merkle.ts";
import { Problem } from "./problem.ts";

/** A block with what its record holds beside. */
export interface StoredBlock extends Block {
  leaves: Buffer;
  frontier: Buffer[];
}

export interface Column {
  name: string;
  isGenerated: boolean;
}

/** Up to which number rows were dropped, and which row of `audit_log` says so. */
export interface Dropped {
  lastSeq: number;
  entry: number;
  isSealed: boolean;
}

const rowsInPage = 500;
const settings: Record<string, string> = {
  // Whoever may not see all rows shall get an error, not a part of them.
  row_security: "off",
  // Under these, every type's text is the same for everybody.
  search_path: "''",
  timezone: "'UTC'",
  datestyle: "'ISO, ymd'",
  intervalstyle: "'iso_8601'",
  extra_float_digits: "1",
  bytea_output: "'hex'",
  lc_monetary: "'C'",
  statement_timeout: "'10min'",
};

/** Runs `read` in a read-only transaction; throws `audit.database_unreachable` and `audit.database_unreadable`. */
export async function withDatabase<T>(
  url: string,
  read: (database: AuditDatabase) => Promise<T>,
): Promise<T> {
  const sql = connect(url);
  try {
    return await sql.begin("isolation level repeatable read read only", async (transaction) => {
      return await read(await AuditDatabase.in(transaction));
    }) as T;
  } catch (error) {
    throw problemOf(error);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function connect(url: string): postgres.Sql {
  try {
    return postgres(url, {
      max: 1,
      prepare: false,
      fetch_types: false,
      onnotice: () => {},
      connect_timeout: 10,
    });
  } catch {
    // What the driver says about it would quote it, with its password.
    throw new Problem(
      "audit.database_unreachable",
      "The database URL is none. Write postgresql://user:password@host:5432/postgres, with % escapes.",
    );
  }
}

/** Messages of the driver and of PostgreSQL never hold the password. */
function problemOf(error: unknown): unknown {
  if (error instanceof Problem) return error;
  if (error instanceof postgres.PostgresError && !/^(28|3D|08|57P)/.test(error.code)) {
    return new Problem(
      "audit.database_unreadable",
      `The database refused to be read: ${error.message}. It needs the tables of the audit log and a role that may read all of them.`,
    );
  }
  const { code, message } = error as { code?: string; message?: string };
  if (code) {
    return new Problem(
      "audit.database_unreachable",
      `The database cannot be reached: ${
        message || code
      }. Check the address, user and password in the database URL.`,
    );
  }
  return error;
}

const text = (value: Buffer | null) => value?.toString() ?? "";
const number = (value: Buffer | null) => Number(text(value));
const bytes = (value: Buffer | null) => Buffer.from(text(value).slice(2), "hex");
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

export class AuditDatabase {
  /** The tables in SQL, by their names. */
  #tables = new Map<string, string>();

  private constructor(private readonly sql: postgres.TransactionSql) {}

  /** Reads what a transaction sees, whose settings it changes. */
  static async in(transaction: postgres.TransactionSql): Promise<AuditDatabase> {
    const set = Object.entries(settings).map(([name, value]) => `set local ${name} = ${value}`);
    await transaction.unsafe(set.join("; "));
    return new AuditDatabase(transaction);
  }

  /** The names of all tables that are immutable, or once were. */
  async immutableTables(): Promise<string[]> {
    const rows = await this.sql<{ name: string }[]>`
      select name from public.immutable_tables union select table_name from public.audit_blocks order by 1`;
    return rows.map(({ name }) => name);
  }

  /** The columns of a table in their order; nothing when there is no such table. */
  async columns(table: string): Promise<Column[] | undefined> {
    const rows = await this.sql<{ schema: string; name: string; column: string; generated: boolean }[]>`
      select n.nspname as schema, c.relname as name, a.attname as column, a.attgenerated <> '' as generated
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
        and case n.nspname when 'public' then c.relname else n.nspname || '.' || c.relname end = ${table}
      order by n.nspname <> 'public', c.oid, a.attnum`;
    const [first] = rows;
    if (!first) return undefined;
    this.#tables.set(table, `${quoted(first.schema)}.${quoted(first.name)}`);
    return rows
      .filter(({ schema, name }) => schema === first.schema && name === first.name)
      .map(({ column, generated }) => ({ name: column, isGenerated: generated }));
  }

  async *blocks(table: string): AsyncGenerator<StoredBlock> {
    for (let after = 0;;) {
      const rows = await this.sql.unsafe<never[]>(
        `select number, first_seq, last_seq, voids, first_position, rows, size, root, array_to_string(columns, ','),
          sealed_at, prev_hash, row_hash, leaves, frontier
        from public.audit_blocks where table_name = $1 and number > $2 order by number limit 1`,
        [table, after],
      ).raw() as unknown as (Buffer | null)[][];
      const [block] = rows.map(toBlock);
      if (!block) return;
      yield block;
      after = block.number;
    }
  }

  /**
   * The rows whose numbers are in a range, in the order of their numbers, in pages. Each field is the text that
   * PostgreSQL sends of itself, which is the type's text output; a cast to text is another one for some types.
   */
  async *rows(
    table: string,
    columns: Column[],
    range: { from: number; to?: number },
  ): AsyncGenerator<Row[]> {
    const skipped = columns.map(({ name, isGenerated }) => isGenerated || name === "leaf_hash");
    const selected = columns.filter((_, i) => !skipped[i]).map(({ name }) => quoted(name));
    const pages = this.sql.unsafe(
      `select immutable_seq, leaf_hash, ${selected.join(", ")} from ${this.#tables.get(table)}
      where immutable_seq >= $1 and immutable_seq <= $2 order by immutable_seq`,
      [range.from, range.to ?? "9223372036854775807"],
    ).raw().cursor(rowsInPage);
    for await (const page of readAhead(pages as unknown as AsyncIterable<(Buffer | null)[][]>)) {
      yield page.map((values) => {
        let next = 2;
        return {
          seq: number(values[0]!),
          storedHex: values[1]!,
          fields: skipped.map((isSkipped) => isSkipped ? null : values[next++]!),
        };
      });
    }
  }

  /** How many rows have a number below 1 or none at all. */
  async strays(table: string): Promise<number> {
    const [row] = await this.sql.unsafe(
      `select count(*)::text as rows from ${
        this.#tables.get(table)
      } where immutable_seq is null or immutable_seq < 1`,
    );
    return Number(row!.rows);
  }

  /** How many of a table's rows were dropped after they had been exported. */
  async dropped(table: string): Promise<Dropped | undefined> {
    const [row] = await this.sql<{ last_seq: string; entry: string; is_sealed: boolean }[]>`
      select payload ->> 'last_seq' as last_seq, immutable_seq::text as entry, immutable_seq <=
        (select max(last_seq) from public.audit_blocks where table_name = 'audit_log') as is_sealed
      from public.audit_log
      where subsystem = 'audit' and action = 'segment.dropped' and resource = ${`table:${table}`}
      order by immutable_seq desc limit 1`;
    return row && { lastSeq: Number(row.last_seq), entry: Number(row.entry), isSealed: row.is_sealed };
  }
}

/** Asks for the next page before the last one is used, so that both sides work at once. */
async function* readAhead<Page>(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  const iterator = pages[Symbol.asyncIterator]();
  const ask = () => {
    const page = iterator.next();
    // Whoever awaits it gets the error; nobody does when the reader has left.
    page.catch?.(() => {});
    return page;
  };
  for (let next = ask();;) {
    const { done, value } = await next;
    if (done) return;
    next = ask();
    yield value;
  }
}

function toBlock(fields: (Buffer | null)[]): StoredBlock {
  const [
    seal,
    first,
    last,
    voids,
    firstPosition,
    rows,
    size,
    root,
    columns,
    sealedAt,
    prev,
    own,
    leaves,
    frontier,
  ] = fields as [Buffer, Buffer, Buffer, Buffer, ...Buffer[]];
  return {
    number: number(seal),
    firstSeq: number(first),
    lastSeq: number(last),
    voids: [...text(voids).matchAll(/\[(\d+),(\d+)\)/g)].map((
      [, from, to],
    ) => [Number(from), Number(to) - 1]),
    firstPosition: number(firstPosition!),
    rows: number(rows!),
    size: number(size!),
    root: bytes(root!),
    columns: text(columns!),
    sealedAt: text(sealedAt!),
    prevHash: bytes(prev!),
    rowHash: bytes(own!),
    leaves: bytes(leaves!),
    frontier: splitHashes(bytes(frontier!)),
  };
}
