/** Whatever writers do, in whatever order they commit, runs that look at changes only know what a full run would find. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";
import { createShelves, openViolations, runShelves } from "./shelves.ts";

const writers = 4;
const shelves = 12;
const boxesOfAWriter = 8;

const database = await testDatabase();
const connect = () => postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false });
const sql = connect();
const connections = Array.from({ length: writers }, connect);
await createShelves(sql);
await sql`insert into shelves select i, 10 from generate_series(1, ${shelves}) i`;

Deno.test.afterAll(async () => {
  await Promise.all([sql, ...connections].map((connection) => connection.end()));
  await database.stop();
});

type Step =
  | { kind: "begin" | "commit" | "rollback" | "savepoint" | "rollback to"; writer: number }
  | {
    kind: "put" | "move" | "weigh" | "take away";
    writer: number;
    box: number;
    shelf: number;
    weight: number;
  }
  | { kind: "run" | "finish a cycle" };

const writer = fc.nat(writers - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("begin", "commit", "rollback", "savepoint", "rollback to" as const),
    writer,
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("put", "move", "weigh", "take away" as const),
      writer,
      box: fc.nat(boxesOfAWriter - 1),
      shelf: fc.integer({ min: 1, max: shelves }),
      weight: fc.integer({ min: 1, max: 14 }),
    }),
  },
  fc.record({ kind: fc.constantFrom("run", "finish a cycle" as const) }),
);

/** Changes boxes of the writer's own, so that no writer waits for another; the shelves are everybody's. */
async function change(connection: Sql, { kind, writer, box, shelf, weight }: Extract<Step, { box: number }>) {
  const id = writer * boxesOfAWriter + box;
  if (kind === "put") {
    await connection`insert into boxes values (${id}, ${shelf}, ${weight})
      on conflict (id) do update set shelf = excluded.shelf, weight = excluded.weight`;
  } else if (kind === "move") await connection`update boxes set shelf = ${shelf} where id = ${id}`;
  else if (kind === "weigh") {
    await connection`update boxes set weight = ${weight}
    where id between ${writer * boxesOfAWriter} and ${id}`;
  } else await connection`delete from boxes where id = ${id}`;
}

Deno.test("incremental runs know what a full run would find, whoever commits when", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
      const open = connections.map(() => ({ transaction: false, savepoint: false }));
      for (const step of steps) {
        if ("box" in step) await change(connections[step.writer]!, step);
        else if ("writer" in step) {
          const state = open[step.writer]!;
          const allowed = step.kind === "begin"
            ? !state.transaction
            : state.transaction && (step.kind !== "rollback to" || state.savepoint);
          if (!allowed) continue;
          const text = { savepoint: "savepoint s", "rollback to": "rollback to s" }[step.kind as string];
          await connections[step.writer]!.unsafe(text ?? step.kind);
          state.transaction = step.kind !== "commit" && step.kind !== "rollback";
          state.savepoint = state.transaction && (state.savepoint || step.kind === "savepoint");
        } else if (step.kind === "run") await runShelves(sql);
        else await sql`select private.finish_invariant_cycle()`;
      }
      for (const [index, { transaction }] of open.entries()) {
        if (transaction) await connections[index]!`commit`;
      }
      const incremental = await runShelves(sql);
      const { stored, real } = await openViolations(sql);
      deepEqual(stored, real);
      deepEqual([incremental.mode, incremental.open_violations], ["incremental", real.length]);
      const full = await runShelves(sql, "full");
      deepEqual([full.mode, full.opened, full.cleared], ["full", 0, 0]);
    }),
    { numRuns: 40 },
  );
});

Deno.test("so they do while writers and cycles go on at the same time", async () => {
  let running = true;
  const cycles = (async () => {
    let count = 0;
    while (running) {
      await sql`select private.run_scheduled_invariant('SHELVES'), private.finish_invariant_cycle()`;
      count++;
    }
    return count;
  })();
  const samples = fc.sample(fc.array(step, { minLength: 400, maxLength: 400 }), {
    numRuns: writers,
    seed: 7,
  });
  await Promise.all(connections.map(async (connection, writer) => {
    for (const step of samples[writer]!) {
      if (!("box" in step)) continue;
      await connection`begin`;
      await change(connection, { ...step, writer });
      await change(connection, { ...step, writer, kind: "put", box: 0 });
      await connection.unsafe(step.weight % 5 === 0 ? "rollback" : "commit");
    }
  }));
  running = false;
  equal(await cycles > 0, true);
  equal((await runShelves(sql)).mode, "incremental");
  const { stored, real } = await openViolations(sql);
  deepEqual(stored, real);
});
