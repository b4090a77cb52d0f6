import assert from "node:assert/strict";
import { type Publishing, restore, rewrite, startPublishing } from "./publishing.ts";

let world: Publishing;
Deno.test.beforeAll(async () => {
  world = await startPublishing();
});
Deno.test.afterAll(() => world.stop());
Deno.test.beforeEach(async () => {
  // Each test is about its own log.
  await world.stack.sql`delete from outbox`;
  await world.stack.sql`update notification_channels set leased_until = null`;
  world.storage.fails =
    world.witness.fails =
    world.witness.deaf =
    world.witness.fickle =
      false;
});

/** A run's counts: published, to be repeated, held. */
async function counts(...tables: string[]): Promise<number[]> {
  const { published_count, retry_count, held_count } = await world.publish(...tables);
  return [published_count, retry_count, held_count];
}

Deno.test("what is sealed is signed, stored, and sent to the witness, once", async () => {
  const table = await world.logOf(5);
  assert.deepEqual(await counts(table), [2, 0, 0]);
  const [head] = await world.stack.sql`select audit_head(${table}) as head`;
  const [checkpoint, ...others] = await world.stored(table);
  assert.deepEqual(others, []);
  assert.deepEqual(checkpoint, { origin: `local/${table}`, size: 5, root: head!.head.root });
  const statement = world.witnessed.at(-1)!;
  assert.deepEqual([statement.table, statement.size, statement.previous_size], [table, 5, 0]);
  assert.deepEqual(await counts(table), [0, 0, 0]);
});

Deno.test("a log that grew is published with a proof that it only grew", async () => {
  const table = await world.logOf(5);
  for (const rows of [1, 6, 100]) {
    await world.publish(table);
    await world.grow(table, rows);
  }
  assert.deepEqual(await counts(table), [2, 0, 0]);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 6, 12, 112]);
  const statement = world.witnessed.at(-1)!;
  assert.deepEqual([statement.size, statement.previous_size], [112, 12]);
  assert.ok(statement.consistency_proof.length > 0);
});

for (
  const [what, rows, publications] of [
    ["that has grown since", 9, false],
    ["of the same size", 5, false],
    ["whose record of publications went, too", 9, true],
  ] as const
) {
  Deno.test(`a log rewritten with fresh hashes, ${what}, is never signed, and people are told once`, async () => {
    const table = await world.logOf(5);
    await world.publish(table);
    const before = await world.stored(table);
    await rewrite(world, table, rows, { publications });
    for (let round = 0; round < 3; round++) {
      assert.equal((await world.publish(table)).success, false);
    }
    assert.deepEqual(await world.stored(table), before);
    assert.deepEqual(await world.told(table), [{ kind: "damage", damage: "rewritten", place: "store" }]);
    assert.equal(world.witnessed.findLast((statement) => statement.table === table)!.size, 5);
  });
}

Deno.test("a restored backup is noticed with its next row, and goes on when people have settled it", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  await world.grow(table, 5);
  await world.publish(table);
  await restore(world, table);
  await world.grow(table, 1);
  assert.equal((await world.publish(table)).published_count, 0);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 10]);
  assert.deepEqual(await world.told(table), [{ kind: "damage", damage: "tail_cut", place: "store" }]);

  // Somebody takes note of what is lost, and keeps that checkpoint elsewhere.
  await world.tamper(`${table}/${"10".padStart(20, "0")}.txt`, null);
  await world.publish(table);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 6]);
  assert.deepEqual(await world.told(table), [
    { kind: "damage", damage: "tail_cut", place: "store" },
    { kind: "damage_over", damage: null, place: "store" },
    // The witness has a memory of its own.
    { kind: "damage", damage: "tail_cut", place: "witness" },
  ]);
});

Deno.test("one log that is refused does not hold up the others", async () => {
  const forged = await world.logOf(5);
  await world.publish(forged);
  await rewrite(world, forged, 9, { publications: true });
  const honest = [await world.logOf(3), await world.logOf(4)];
  await world.publish(forged, ...honest);
  for (const table of honest) assert.equal((await world.stored(table)).length, 1);
  assert.equal((await world.stored(forged)).length, 1);
});

Deno.test("a store that cannot be reached stops nothing, and the next proof spans the gap", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  world.storage.fails = true;
  for (let round = 1; round <= 3; round++) {
    await world.grow(table, round);
    assert.deepEqual(await counts(table), [0, 2, 0]);
    const [paused] = await world.stack.sql`select attempts, last_error, failed_at from outbox
      where channel = 'store' and payload ->> 'table_name' = ${table}`;
    assert.equal(paused!.attempts, round);
    assert.match(paused!.last_error, /^checkpoint_store\.unreachable: /);
    assert.equal(paused!.failed_at, null);
  }
  world.storage.fails = false;
  assert.equal((await world.publish(table)).success, true);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 11]);
  const statement = world.witnessed.at(-1)!;
  assert.deepEqual([statement.size, statement.previous_size], [11, 5]);
  assert.deepEqual(await world.told(table), []);
});

Deno.test("a witness that cannot be reached gets a proof since the last checkpoint that it took", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  world.witness.fails = true;
  for (let round = 1; round <= 3; round++) {
    await world.grow(table, round);
    assert.deepEqual(await counts(table), [1, 1, 0]);
  }
  world.witness.fails = false;
  assert.equal((await world.publish(table)).success, true);
  const statement = world.witnessed.at(-1)!;
  assert.deepEqual([statement.size, statement.previous_size], [11, 5]);
});

Deno.test("a witness whose answer got lost says what it has seen, and gets a proof since then", async () => {
  const table = await world.logOf(5);
  world.witness.deaf = true;
  assert.equal((await world.publish(table)).retry_count, 1);
  world.witness.deaf = false;
  await world.grow(table, 2);
  assert.equal((await world.publish(table)).success, true);
  const sizes = world.witnessed.filter((statement) => statement.table === table)
    .map(({ previous_size, size }) => [previous_size, size]);
  assert.deepEqual(sizes, [[0, 5], [5, 7]]);
});

Deno.test("a witness that lost its memory gets a proof since what it remembers", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  await world.grow(table, 2);
  await world.publish(table);
  world.witnessed.pop();
  await world.grow(table, 1);
  assert.equal((await world.publish(table)).success, true);
  const statement = world.witnessed.at(-1)!;
  assert.deepEqual([statement.size, statement.previous_size], [8, 5]);
});

Deno.test("a witness that says something else each time is not followed", async () => {
  const table = await world.logOf(50);
  world.witness.fickle = true;
  assert.deepEqual(await counts(table), [1, 0, 1]);
  const [waiting] = await world.stack.sql`select last_error from outbox
    where channel = 'witness' and payload ->> 'table_name' = ${table}`;
  assert.match(waiting!.last_error, /409/);
});

Deno.test("a worker that is killed after it stored a checkpoint leaves it to the next one to record it", async () => {
  const table = await world.logOf(5);
  world.storage.onStored = async () => {
    world.storage.onStored = () => Promise.resolve();
    await world.stack.killFunction("publish-checkpoints");
  };
  await world.publish(table);
  const recorded = () =>
    world.stack.sql`select size from audit_publications where table_name = ${table} and place = 'store'`;
  assert.deepEqual([...await recorded()], []);
  assert.equal((await world.stored(table)).length, 1);
  await world.grow(table, 2);
  await world.publish(table);
  assert.deepEqual([...await recorded()], [], "The dead worker's lease must be respected");
  await world.stack.sql`update notification_channels set leased_until = now()`;
  assert.equal((await world.publish(table)).success, true);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 7]);
  assert.deepEqual([...await recorded()], [{ size: "7" }]);
  assert.deepEqual(await world.told(table), []);
});

Deno.test("workers at once, and one that lost its lease, store each checkpoint once", async () => {
  const table = await world.logOf(5);
  await Promise.all(Array.from({ length: 8 }, async (_, index) => {
    // A lease that ends too early brings two workers together.
    if (index % 2) await world.stack.sql`update notification_channels set leased_until = now()`;
    await world.publish(table);
  }));
  assert.equal((await world.stored(table)).length, 1);
  assert.deepEqual(await world.told(table), []);
});

Deno.test("a checkpoint of a database that was replaced while it was being stored is noticed", async () => {
  const table = await world.logOf(5);
  await world.publish(table);
  await world.grow(table, 5);
  world.storage.onStoring = async () => {
    world.storage.onStoring = () => Promise.resolve();
    // The backup knows nothing of the lease, and has other rows soon.
    await restore(world, table);
    await world.grow(table, 1);
    await world.grow(table, 6);
    await world.stack.sql`update notification_channels set leased_until = null`;
    await world.publish(table);
  };
  await world.publish(table);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 10, 12]);
  const told = await world.told(table);
  assert.deepEqual(told, [{ kind: "damage", damage: "rewritten", place: "store" }]);
});

Deno.test("sealing wakes the function by itself", async () => {
  const table = await world.logOf(1);
  const { sql } = world.stack;
  await sql`insert into ${sql(table)} (deed) values ('another')`;
  await sql`select seal_audit(${table})`;
  const deadline = Date.now() + 60_000;
  while (!world.witnessed.some((statement) => statement.table === table) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(world.witnessed.at(-1)!.size, 2);
});

Deno.test("only holders of a secret key and internal callers may publish", async () => {
  const status = async (headers: Record<string, string>) => {
    const url = `${world.stack.url}/functions/v1/publish-checkpoints`;
    const response = await fetch(url, { method: "POST", headers, body: "{}" });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status({}), 401);
  assert.equal(await status({ apikey: world.stack.secrets.publishableKey }), 401);
  assert.equal(await status({ "x-internal-token": world.stack.secrets.internalWebhookToken }), 200);
});
