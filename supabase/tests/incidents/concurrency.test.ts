/** Incidents are followed by timers, runs of invariants and people at the same time. */
import { deepEqual, equal } from "node:assert/strict";
import postgres from "postgres";
import { testDatabase } from "../../../scripts/testing/stack.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 16, onnotice: () => {} });

Deno.test.beforeEach(async () => {
  await sql`truncate incidents, outbox, integrations_master cascade`;
  await sql`select tests.all_is_well()`;
});
Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
});

async function breakServices(count: number): Promise<void> {
  await sql`select tests.break(variadic array(select 's' || n from generate_series(1, ${count}::int) n))`;
}

async function followTogether(after: string): Promise<Record<string, number>> {
  const answers = await Promise.all(
    Array.from({ length: 16 }, () => sql`select tests.follow(${after}::text::interval) as done`),
  );
  const sum: Record<string, number> = {};
  for (const [row] of answers) {
    for (const [what, count] of Object.entries((row!.done ?? {}) as Record<string, number>)) {
      sum[what] = (sum[what] ?? 0) + count;
    }
  }
  return sum;
}

Deno.test("sixteen who follow incidents at the same time do nothing twice", async () => {
  await breakServices(50);
  deepEqual(await followTogether("0"), { opened: 50 });
  deepEqual(await followTogether("00:15"), { retried: 50, escalated: 50 });
  deepEqual(await followTogether("01:15"), { reminded: 50 });
  await sql`select tests.mend(variadic array(select service_name from integrations_master))`;
  deepEqual(await followTogether("01:16"), { resolved: 50 });
  deepEqual(await followTogether("25:16"), { closed: 50 });
  const told = await sql`
    select array_agg(distinct tests.said(service_name)) as said from integrations_master`;
  deepEqual(told[0]!.said, ["opened, escalated, page trigger, reminder, resolved, page resolve"]);
});

Deno.test("of many people who take an incident while it is escalated one does, and the page ends", async () => {
  await breakServices(1);
  await sql`select tests.follow('0')`;
  const people = Array.from(
    { length: 12 },
    (_, n) => sql`select acknowledge_incident((tests.incident('s1')).id, ${`person ${n}`})`,
  );
  const [following, ...answers] = await Promise.allSettled([
    sql`select tests.follow('00:15')`.execute(),
    ...people.map((person) => person.execute()),
  ]);
  equal(following!.status, "fulfilled");
  const refused = answers.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
  deepEqual(refused.map(({ reason }) => reason.hint), Array(11).fill("incident.transition_refused"));
  const [incident] = await sql`
    select i.status, i.escalated_at is not null as escalated, tests.said('s1') as said from tests.incident('s1') i`;
  equal(incident!.status, "ACKNOWLEDGED");
  equal(
    incident!.said,
    incident!.escalated
      ? "opened, escalated, page trigger, acknowledged, page acknowledge"
      : "opened, acknowledged",
  );
});

Deno.test("two thousand different things that are wrong at once are two thousand incidents, in one pass", async () => {
  await breakServices(2_000);
  deepEqual((await sql`select tests.follow('0') as done`)[0]!.done, { opened: 2_000 });
  deepEqual((await sql`select tests.follow('00:01') as done`)[0]!.done, null);
  await sql`select tests.mend(variadic array(select service_name from integrations_master))`;
  deepEqual((await sql`select tests.follow('00:02') as done`)[0]!.done, { resolved: 2_000 });
});
