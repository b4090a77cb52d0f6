/** An incident from the row that is wrong to the last message, with everything real but the clock's patience. */
import assert from "node:assert/strict";
import { startReceiver } from "../../../scripts/demo/receiver.ts";
import { callFunction } from "../../../scripts/testing/call-function.ts";
import { eventually } from "../../../scripts/testing/healing.ts";
import { signIn } from "../../../scripts/testing/sign-in.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { type PagerEvent, startPagerDuty } from "../../tests/paging/pager.ts";

const INVARIANT = "SALE_TOTAL_MATCHES_LINE_ITEMS";

Deno.test("a wrong sale is found, followed, escalated, paged, taken by a person, mended and told to be over", async (t) => {
  const people = await startReceiver();
  const pager = await startPagerDuty();
  const stack = await testStack({
    EGRESS_PRIVATE_HOSTS: `${people.host},${pager.host}`,
    SLACK_WEBHOOK_URL: people.slackUrl,
    PAGERDUTY_ROUTING_KEY: pager.routingKey,
    PAGERDUTY_EVENTS_URL: pager.url,
  });
  const { sql } = stack;
  const operator = await signIn(stack, "operator");
  const run = () => callFunction(stack, "POST", "/invariants/run", { names: [INVARIANT] }, operator.headers);
  const incident = async () => (await sql`select * from incidents`)[0]!;
  /** Waits for a message in Slack; returns its text. */
  const told = (heading: string) =>
    eventually(async () => await people.received.find(({ text }) => text.includes(heading))?.text);
  const paged = (action: PagerEvent["event_action"]) =>
    eventually(async () => await pager.events.find(({ event_action }) => event_action === action));

  try {
    await sql`select tests.all_is_well()`;
    await sql`update notification_channels set enabled = (name in ('slack', 'pagerduty')) where purpose in ('people', 'pages')`;
    const [{ id: product }] = await sql`
      insert into products (sku, name, price_minor) values ('A1', 'A lamp', 900) returning id` as [
      { id: number },
    ];
    const [{ id: sale }] = await sql`
      insert into sales (total_minor, currency) values (1000, 'EUR') returning id` as [{ id: number }];
    await sql`insert into sale_items (sale_id, product_id, quantity, unit_price_minor) values (${sale}, ${product}, 1, 900)`;

    await t.step("a run finds the sale, and an incident opens with what is known of it", async () => {
      const { status, body } = await run();
      assert.equal(status, 200);
      const [result] = body.results;
      assert.deepEqual([result.invariant, result.open_violations, result.error], [INVARIANT, 1, null]);
      assert.deepEqual([body.score.score, body.incidents.opened], [75, 1]);
      const { body: { incidents } } = await callFunction(
        stack,
        "GET",
        "/incidents",
        undefined,
        operator.headers,
      );
      assert.deepEqual(
        incidents.map(({ dedup_key, priority, status }: Record<string, string>) => [
          ...[dedup_key, priority, status],
        ]),
        [[`invariant:${INVARIANT}`, "P1", "AUTO_HEALING"]],
      );
      const { body: whole } = await callFunction(stack, "GET", `/incidents/${incidents[0].id}`);
      const [violation] = whole.snapshot.violations;
      assert.deepEqual([violation.entity, violation.expected, violation.actual], [
        String(sale),
        "900",
        "1000",
      ]);
      assert.match(await told("Incident Opened"), new RegExp(INVARIANT));
    });

    await t.step("the guide's own queries show it", async () => {
      const open = await sql.unsafe("SELECT * FROM incidents WHERE status NOT IN ('RESOLVED','CLOSED')");
      assert.equal(open.length, 1);
      const scores = await sql.unsafe("SELECT score FROM drift_scores ORDER BY created_at DESC LIMIT 1");
      assert.deepEqual([...scores], [{ score: 75 }]);
      assert.deepEqual(pager.events, []);
    });

    await t.step("after three more runs it is escalated, and whoever is on call is paged", async () => {
      for (const attempts of [1, 2, 3]) {
        assert.equal((await incident()).status, "AUTO_HEALING");
        await run();
        assert.equal((await incident()).attempts, attempts);
      }
      assert.equal((await incident()).status, "ESCALATED");
      const page = await paged("trigger");
      assert.equal(page.payload!.severity, "critical");
      assert.match(page.dedup_key, new RegExp(`invariant:${INVARIANT}$`));
      await told("Incident Escalated");
    });

    await t.step("an operator takes it, and nobody takes it twice", async () => {
      const path = `/incidents/${(await incident()).id}/acknowledge`;
      const taken = await callFunction(stack, "POST", path, { note: "I look at it" }, operator.headers);
      assert.deepEqual([taken.status, taken.body.status, taken.body.acknowledged_by, taken.body.note], [
        ...[200, "ACKNOWLEDGED", `user:${operator.id}`, "I look at it"],
      ]);
      const again = await callFunction(stack, "POST", path, {}, operator.headers);
      assert.deepEqual([again.status, again.body.error.code], [409, "incident.transition_refused"]);
      assert.match(again.body.error.message, /ACKNOWLEDGED/);
      await paged("acknowledge");
      assert.deepEqual([...pager.alerts.values()], ["acknowledged"]);
      await told("Incident Acknowledged");
    });

    await t.step(
      "when the sale is mended the next run resolves it, and people hear that it is over",
      async () => {
        await sql`update sales set total_minor = 900 where id = ${sale}`;
        const { body } = await run();
        assert.deepEqual([body.results[0].cleared, body.score.score, body.incidents.resolved], [1, 100, 1]);
        const { status, auto_healed } = await incident();
        assert.deepEqual([status, auto_healed], ["RESOLVED", true]);
        await paged("resolve");
        assert.equal(pager.alerts.size, 0);
        await told("Incident Resolved");
        const { body: open } = await callFunction(stack, "GET", "/incidents");
        assert.deepEqual(open, { incidents: [], next: null });
        const resolved = await callFunction(
          stack,
          "GET",
          "/incidents?status=RESOLVED&priority=P1&source=invariant",
        );
        assert.equal(resolved.body.incidents.length, 1);
      },
    );

    await t.step("every message and page was sent once", () => {
      const headings = people.received.map(({ text }) => /Incident (\w+)/.exec(text)![1]);
      assert.deepEqual(headings, ["Opened", "Escalated", "Acknowledged", "Resolved"]);
      assert.deepEqual(pager.events.map(({ event_action }) => event_action), [
        "trigger",
        "acknowledge",
        "resolve",
      ]);
    });
  } finally {
    await stack.stop();
    await Promise.all([people.stop(), pager.stop()]);
  }
});
