/** `deno task verify` against a real project. */
import assert from "node:assert/strict";
import { projectRoot } from "./stack/paths.ts";
import { freePort } from "./stack/ports.ts";
import type { Stack } from "./stack/stack.ts";
import { eventually } from "./testing/healing.ts";
import { testStack } from "./testing/stack.ts";

let stack: Stack;
Deno.test.beforeAll(async () => {
  stack = await testStack();
  // The example's invariants have tests of their own.
  await stack.sql`update invariants set enabled = false`;
  await stack.sql`create table orders (id text primary key, total integer not null)`;
  await stack.sql`create function check_orders(p_entities text[] default null)
    returns table (entity text, expected text, actual text, details jsonb)
    language sql stable set search_path = '' as $$
      select o.id, 'positive', o.total::text, null::jsonb from public.orders o
      where o.total <= 0 and (p_entities is null or o.id = any (p_entities)) order by o.id
    $$`;
});
Deno.test.afterAll(() => stack.stop());

async function verify(env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-env", "--allow-net", "--allow-read", "scripts/verify.ts"],
    cwd: projectRoot,
    env: {
      ...{ NO_COLOR: "1", SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secrets.secretKey },
      ...env,
    },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, output: text(stdout).replace(/\d+ ms/g, "1 ms"), errors: text(stderr) };
}

Deno.test("nothing to check is not the same as nothing wrong", async () => {
  const { code, errors } = await verify();
  assert.deepEqual([code, errors], [3, "There is no invariant to check.\n"]);
});

Deno.test("a project whose invariants all hold is clean", async () => {
  await stack.sql`select register_invariant('ORDER_TOTALS', 'check_orders', 'P1')`;
  await stack.sql`insert into orders values ('good', 5)`;
  const { code, output, errors } = await verify();
  assert.deepEqual([code, errors], [0, ""]);
  assert.match(output, /^invariant +priority +checked +violations +time +first entities\n/);
  assert.match(output, /\nORDER_TOTALS +P1 +all +0 +1 ms\n/);
  assert.match(output, /\nDrift score: 100 of 100\n/);
});

Deno.test("violations are shown with their entities and with each point that they cost", async () => {
  await stack.sql`insert into orders select 'bad' || n, -n from generate_series(1, 5) n`;
  const { code, output } = await verify();
  assert.equal(code, 1);
  assert.match(output, /\nORDER_TOTALS +P1 +all +5 +1 ms +bad\d, bad\d, bad\d, \.\.\.\n/);
  // 25 x (1 + log10(5)), rounded up.
  assert.match(output, /\nDrift score: 57 of 100\n {2}-43 for ORDER_TOTALS \(P1\), violations: 5\n/);
});

Deno.test("the data's own text neither steers the terminal nor fills it", async () => {
  await stack.sql`delete from orders`;
  await stack.sql`insert into orders values (${"\u001b[2J" + "x".repeat(200)}, -5)`;
  const { code, output } = await verify();
  assert.equal(code, 1);
  assert.match(output, /\nORDER_TOTALS +P1 +all +1 +1 ms +\?\[2Jx{36}\.\.\.\n/);
});

Deno.test("violations that are too many to be corrected are known all the same", async () => {
  await stack.sql`create function mend_orders(p_entities text[]) returns setof jsonb
    language sql set search_path = '' as $$
      with mended as (delete from public.orders o where o.id = any (p_entities) returning to_jsonb(o) as row)
      select m.row from mended m
    $$`;
  await stack.sql`delete from orders`;
  await stack.sql`insert into orders values ('bad', -5), ('worse', -6)`;
  await stack
    .sql`select register_invariant('ORDER_TOTALS', 'check_orders', 'P1', p_correct => 'mend_orders', p_correct_limit => 1)`;
  const seen = await verify();
  assert.deepEqual([seen.code, seen.errors], [1, ""]);
  const { code, output } = await verify();
  assert.equal(code, 1);
  assert.match(output, /\nORDER_TOTALS +P1 +all +2 /);
  assert.match(output, /\nORDER_TOTALS: 2 violations would be corrected, more than the limit of 1/);

  await stack.sql`delete from orders where id <> 'bad'`;
  const corrected = await verify();
  assert.equal(corrected.code, 0);
  assert.match(corrected.output, /\nORDER_TOTALS: 1 corrected\n/);
});

Deno.test("an invariant that cannot be checked is unknown, and never clean", async () => {
  await stack.sql`delete from orders`;
  await stack.sql`create function check_nothing(p_entities text[] default null)
    returns table (entity text, expected text, actual text, details jsonb)
    language plpgsql stable set search_path = '' as $$
      begin
        if p_entities is null then raise exception 'the rates are missing'; end if;
      end
    $$`;
  await stack.sql`select register_invariant('RATES', 'check_nothing', 'P2')`;
  const { code, output, errors } = await verify();
  assert.deepEqual([code, errors], [3, "Not everything could be checked.\n"]);
  assert.match(output, /\nORDER_TOTALS +P1 +all +0 /);
  assert.match(output, /\nRATES +P2 +- +unknown +1 ms +invariant\.failed\n/);
  assert.match(output, /\nRATES: .*the rates are missing/);
});

Deno.test("an invariant that the timer is just running is checked when that is over", async () => {
  await stack.sql`select set_invariant_enabled('RATES', false, 'test')`;
  await stack.sql`select register_invariant('ORDER_TOTALS_AGAIN', 'check_orders', 'P4')`;
  const { verifying } = await stack.sql.begin(async (timer) => {
    await timer`select from invariants where name = 'ORDER_TOTALS' for no key update`;
    const verifying = verify();
    // Only then is it certain that the first one was found to be busy.
    await eventually(async () =>
      (await stack
        .sql`select from invariants where name = 'ORDER_TOTALS_AGAIN' and last_run_at is not null`)[0]
    );
    return { verifying };
  });
  const { code, output, errors } = await verifying;
  assert.deepEqual([code, errors], [0, ""]);
  assert.match(output, /\nORDER_TOTALS +P1 +all +0 /);
});

Deno.test("damage of an audit log counts like a violation", async () => {
  await stack
    .sql`insert into audit_damage (table_name, kind, detail) values ('audit_log', 'unguarded', 'off')`;
  const { code, output } = await verify();
  assert.equal(code, 1);
  assert.match(output, /\nDamage of audit_log: 1 findings/);
});

Deno.test("a project that cannot be reached or is not named is unknown", async () => {
  for (
    const [env, expected] of [
      [
        { SUPABASE_URL: `http://127.0.0.1:${freePort()}` },
        /^Nothing is known: The project at .* does not answer/,
      ],
      [{ SUPABASE_SECRET_KEY: "wrong" }, /^Nothing is known: The database refused POST rpc\/\w+ \(401\)/],
      [
        { SUPABASE_URL: "" },
        /^Nothing is known: The environment lacks SUPABASE_URL \(the project's address\)/,
      ],
    ] as [Record<string, string>, RegExp][]
  ) {
    const { code, output, errors } = await verify(env);
    assert.deepEqual([code, output], [3, ""]);
    assert.match(errors, expected);
  }
});
