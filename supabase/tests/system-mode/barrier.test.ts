/** After a change to safe mode has returned, no write commits: under many writers, in every isolation level. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const WRITERS = 64;
const TOGGLES = 200;

const database = await testDatabase();
const superuserUrl = database.url.replace("//postgres:", "//supabase_admin:");
let opened: Sql[] = [];
function connect(max = 1, url = database.url): Sql {
  const sql = postgres(url, { max, onnotice: () => {}, connection: { statement_timeout: 30_000 } });
  opened.push(sql);
  return sql;
}
const admin = postgres(database.url, { max: 1, onnotice: () => {} });
await admin.unsafe(`
  create table public.notes (id bigint generated always as identity, note text);
  create table public.more_notes (id bigint generated always as identity, note text);
  select guard_table('public.notes'), guard_table('public.more_notes');`).simple();

Deno.test.beforeEach(async () => {
  await admin`update system_mode set mode = 'normal', override_token = null`;
});
Deno.test.afterEach(async () => {
  await Promise.all(opened.map((sql) => sql.end({ timeout: 1 })));
  opened = [];
});
Deno.test.afterAll(async () => {
  await admin.end();
  await database.stop();
});

function enter(sql: Sql) {
  return sql`select enter_safe_mode('a drill', 'ada', 'user:1') as mode`;
}

/** The hint of an error that this product raised, else Postgres's code. */
async function outcome(work: PromiseLike<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    return error.hint ?? error.code;
  }
}

/** Until so many sessions wait for a lock of the barrier. */
async function untilWaiting(sessions: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const [row] = await admin`
      select count(*)::int as count from pg_locks where relation = 'private.write_barrier'::regclass and not granted`;
    if (row!.count >= sessions) return;
    ok(Date.now() < deadline, "nobody waits for the barrier");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test(`nothing is written in safe mode while ${WRITERS} writers go on and the mode changes ${TOGGLES} times`, async () => {
  const ways = [
    (sql: Sql) => sql`insert into notes (note) values ('one')`,
    (sql: Sql) =>
      sql`with n as (insert into notes (note) values ('two') returning 1) insert into more_notes (note) select 'two' from n`,
    (sql: Sql) =>
      sql.begin("isolation level repeatable read", (tx) => tx`insert into notes (note) values ('three')`),
    (sql: Sql) =>
      sql.begin("isolation level serializable", (tx) => tx`insert into more_notes (note) values ('four')`),
  ];
  let stopped = false;
  const outcomes = new Map<string, number>();
  const writers = Array.from({ length: WRITERS }, async (_, index) => {
    const sql = connect();
    while (!stopped) {
      const result = await outcome(ways[index % ways.length]!(sql));
      outcomes.set(result, (outcomes.get(result) ?? 0) + 1);
      // Who is refused comes back later.
      if (result !== "done") await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  const written = async () =>
    (await admin`select (select count(*)::int from notes) as notes, (select count(*)::int from more_notes) as more`)[
      0
    ];
  try {
    for (let toggle = 0; toggle < TOGGLES; toggle++) {
      if (toggle % 2 === 0) await enter(admin);
      else await admin`update system_mode set mode = 'safe'`;
      const atOnce = await written();
      const refused = outcomes.get("safe_mode.active") ?? 0;
      const deadline = Date.now() + 30_000;
      while ((outcomes.get("safe_mode.active") ?? 0) === refused && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      deepEqual(await written(), atOnce, `change ${toggle}`);
      await admin`update system_mode set mode = 'normal'`;
    }
  } finally {
    stopped = true;
    await Promise.all(writers);
  }
  ok(outcomes.get("done")! > 0);
  outcomes.delete("done");
  outcomes.delete("40001");
  deepEqual([...outcomes.keys()], ["safe_mode.active"], "nobody met a deadlock or a timeout");
});

for (const level of ["repeatable read", "serializable"]) {
  Deno.test(`a ${level} transaction that began before the change writes nothing after it`, async () => {
    const writer = await connect().reserve();
    await writer.unsafe(`begin isolation level ${level}`);
    await writer`select count(*) from notes`;
    await enter(admin);
    equal(await outcome(writer`insert into notes (note) values ('late')`), "40001");
    await writer`rollback`;
    writer.release();
  });
}

Deno.test("a change waits for a writer that is under way, and goes before those that come later", async () => {
  const [first, changer, later] = [await connect().reserve(), connect(), connect()];
  await first`begin`;
  await first`insert into notes (note) values ('first')`;
  const change = outcome(enter(changer));
  await untilWaiting(1);
  const late = outcome(later`insert into notes (note) values ('later')`);
  await untilWaiting(2);
  await first`insert into more_notes (note) values ('first')`;
  await first`commit`;
  first.release();
  deepEqual(await Promise.all([change, late]), ["done", "safe_mode.active"]);
  equal((await admin`select from notes where note = 'first'`).length, 1);
});

Deno.test("a change gives up before the API's role is cut off, and names the process that it waited for", async () => {
  const api = connect();
  await api`select set_config('statement_timeout', substr(c, 19), false)
    from pg_roles r, unnest(r.rolconfig) c where r.rolname = 'authenticator' and c like 'statement_timeout=%'`;
  const stuck = await connect().reserve();
  await stuck`begin`;
  const [{ pid }] = await stuck<[{ pid: number }]>`select pg_backend_pid() as pid`;
  await stuck`insert into notes (note) values ('stuck')`;
  const error = await enter(api).then(() => undefined, (error) => error);
  deepEqual([error.code, error.hint], ["PT503", "safe_mode.writers_in_flight"]);
  match(error.message, new RegExp(`process ${pid}\\b`));
  equal((await admin`select mode from system_mode`)[0]!.mode, "normal");
  await admin`select pg_terminate_backend(${pid}, 30000)`;
  equal(await outcome(enter(admin)), "done");
  stuck.release();
});

Deno.test("who enters and leaves at once does not meet a deadlock", async () => {
  const sessions = Array.from({ length: 20 }, () => connect());
  const outcomes = await Promise.all(sessions.flatMap((sql, index) => [
    outcome(enter(sql)),
    outcome(
      index % 2
        ? sql`update system_mode set mode = 'normal'`
        : sql`select leave_safe_mode('wrong', 'ada', 'user:1')`,
    ),
    outcome(sql`insert into notes (note) values ('meanwhile')`),
  ]));
  deepEqual(outcomes.filter((one) => one !== "done" && one !== "safe_mode.active"), []);
});

Deno.test("of a hundred guesses at once five are looked at, and all are counted", async () => {
  await admin`update system_mode set override_token = 'your-secret'`;
  await enter(admin);
  const guesser = connect(40);
  const guesses = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const [row] =
      await guesser`select leave_safe_mode(${`wrong-${index}`}, 'eve', 'user:2') ->> 'code' as code`;
    return row!.code;
  }));
  equal(guesses.filter((code) => code === "safe_mode.token_wrong").length, 5);
  equal(guesses.filter((code) => code === "safe_mode.token_blocked").length, 95);
  equal((await admin`select failed_attempts from system_mode`)[0]!.failed_attempts, 100);
});

Deno.test("neither copying nor a superuser in replica mode gets past a guard", async () => {
  const superuser = connect(1, superuserUrl);
  await enter(admin);
  await superuser`set session_replication_role = replica`;
  equal(await outcome(superuser`copy notes (note) from program 'echo copied'`), "safe_mode.active");
  equal(await outcome(superuser`insert into notes (note) values ('copied')`), "safe_mode.active");
  equal(await outcome(superuser`delete from notes`), "safe_mode.active");
  equal(await outcome(superuser`truncate notes`), "safe_mode.active");
});
