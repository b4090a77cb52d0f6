/** Transactions that begin, insert, go back and end in any order, with seals between: each row is sealed once. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { createLog, problemsOf, seal } from "./sealed-log.ts";

const steps = [
  "begin",
  "begin isolation level repeatable read",
  "begin isolation level serializable",
  "insert",
  "insert five",
  "insert what is there",
  "insert what is refused",
  "insert, fail and insert in a function",
  "savepoint",
  "release",
  "rollback to",
  "commit",
  "rollback",
  "take a number",
  "seal",
] as const;
type Step = typeof steps[number];

const database = await testDatabase();
const connect = () => postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false });
const sql = connect();
const connections = [connect(), connect(), connect(), connect()];

Deno.test.afterAll(async () => {
  await Promise.all([sql, ...connections].map((connection) => connection.end()));
  await database.stop();
});

/** A session, and which of its rows are there once it commits. */
class Writer {
  /** The keys inserted since the transaction began and since each savepoint; none outside of a transaction. */
  private frames: number[][] = [];
  private failed = false;

  constructor(
    private sql: Sql,
    private table: string,
    private committed: number[],
    private newKey: () => number,
  ) {}

  async take(step: Step): Promise<void> {
    const inTransaction = this.frames.length > 0;
    if (step.startsWith("begin") && !inTransaction) {
      await this.sql.unsafe(step);
      // Repeatable reads see the table as it is now, and insert into it later.
      await this.sql.unsafe(`select count(*) from ${this.table}`);
      this.frames = [[]];
    } else if ((step === "commit" || step === "rollback") && inTransaction) {
      await this.end(step);
    } else if (step === "rollback to" && this.frames.length > 1) {
      await this.sql.unsafe("rollback to s; release s");
      this.frames.pop();
      this.failed = false;
    } else if (!this.failed) {
      await this.write(step, inTransaction);
    }
  }

  async end(how: "commit" | "rollback"): Promise<void> {
    if (this.frames.length === 0) return;
    const rows = this.frames.flat();
    const failed = this.failed;
    this.frames = [];
    this.failed = false;
    // A transaction that failed is rolled back by its commit.
    if (await this.run(how) && how === "commit" && !failed) this.committed.push(...rows);
  }

  private async write(step: Step, inTransaction: boolean): Promise<void> {
    const { table, newKey } = this;
    const inserted = this.frames.at(-1) ?? this.committed;
    const insert = async (keys: number[], statement: string) => {
      if (await this.run(statement)) inserted.push(...keys);
    };
    if (step === "savepoint" && inTransaction) {
      await this.sql.unsafe("savepoint s");
      this.frames.push([]);
    } else if (step === "release" && this.frames.length > 1) {
      await this.sql.unsafe("release s");
      const released = this.frames.pop()!;
      this.frames.at(-1)!.push(...released);
    } else if (step === "insert" || step === "insert five") {
      const keys = Array.from({ length: step === "insert" ? 1 : 5 }, newKey);
      await insert(keys, `insert into ${table} (key) values ${keys.map((key) => `(${key})`).join()}`);
    } else if (step === "insert what is there") {
      const key = newKey();
      await insert([key], `insert into ${table} (key) values (0), (${key}), (0) on conflict do nothing`);
    } else if (step === "insert what is refused") {
      await this.run(`insert into ${table} (key) values (${newKey()}), (-1)`);
    } else if (step === "insert, fail and insert in a function") {
      const kept = newKey();
      const attempt = `insert into ${table} (key) values (${newKey()}), (-1)`;
      await insert(
        [kept],
        `do $$ begin
          begin ${attempt}; exception when check_violation then insert into ${table} (key) values (${kept}); end;
        end $$`,
      );
    } else if (step === "take a number") {
      await this.run(`select nextval('${table}_immutable_seq')`);
    }
  }

  /** Whether it was done; a refused row and a conflict of serializable transactions are what happens to people too. */
  private async run(statement: string): Promise<boolean> {
    try {
      await this.sql.unsafe(statement);
      return true;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "23514" && code !== "40001") throw error;
      this.failed = this.frames.length > 0;
      return false;
    }
  }
}

Deno.test("whatever transactions do between seals, each committed row is sealed once and every other number is void", async () => {
  let tables = 0;
  const action = fc.record({
    writer: fc.nat({ max: connections.length - 1 }),
    step: fc.constantFrom(...steps),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 120 }), async (actions) => {
      const table = `log_${++tables}`;
      // A counterexample may have left transactions open.
      await Promise.all(connections.map((connection) => connection`rollback`));
      await createLog(sql, table);
      await sql.unsafe(`insert into ${table} (key) values (0)`);
      const committed = [0];
      let lastKey = 0;
      const writers = connections.map((sql) => new Writer(sql, table, committed, () => ++lastKey));
      for (const { writer, step } of actions) {
        if (step !== "seal") {
          await writers[writer]!.take(step);
          continue;
        }
        await seal(sql, table);
        deepEqual(await problemsOf(sql, table), []);
      }
      for (const [index, writer] of writers.entries()) await writer.end(index % 2 ? "rollback" : "commit");
      const { waiting, size } = await seal(sql, table);
      equal(waiting, 0);
      equal(size, committed.length);
      deepEqual(await problemsOf(sql, table), []);
      const rows = await sql.unsafe(`select key from ${table} order by 1`);
      deepEqual(rows.map(({ key }) => key), committed.sort((a, b) => a - b));
    }),
    { numRuns: 100 },
  );
});

Deno.test("writers that are always under way delay sealing only until those that were seen have ended", async () => {
  await createLog(sql, "busy");
  const [first, second] = connections as [Sql, Sql];
  await first`begin`;
  await first`insert into busy values (1)`;
  equal((await seal(sql, "busy")).sealed, 0);
  await second`begin`;
  await second`insert into busy values (2)`;
  await first`commit`;
  equal((await seal(sql, "busy")).sealed, 1);
  await first`begin`;
  await first`insert into busy values (3)`;
  await second`rollback`;
  deepEqual(await seal(sql, "busy").then(({ voids, waiting }) => [voids, waiting]), [1, 1]);
  await first`commit`;
  equal((await seal(sql, "busy")).sealed, 1);
  deepEqual(await problemsOf(sql, "busy"), []);
});

Deno.test("a transaction that is open elsewhere delays nothing", async () => {
  await createLog(sql, "quick");
  await createLog(sql, "elsewhere");
  const [first] = connections as [Sql];
  await first`begin isolation level repeatable read`;
  await first`insert into elsewhere values (1)`;
  await first`select count(*) from quick`;
  await sql`insert into quick values (1)`;
  deepEqual(await seal(sql, "quick").then(({ sealed, waiting }) => [sealed, waiting]), [1, 0]);
  await first`rollback`;
});
