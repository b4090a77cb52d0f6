/** Real failures, and what must become of each. Every scenario checks itself and throws when healing went wrong. */
import assert from "node:assert/strict";
import { assertOnce, breaker, enabled, failed, held, post, seen, settled, until } from "./checks.ts";
import { behaviours } from "./provider.ts";
import type { World } from "./world.ts";

export interface Scenario {
  title: string;
  service: string;
  /** What the provider does wrong. */
  failure: string;
  category: string;
  status: "resolved" | "pending";
  /** Which wait the demo cuts short, for people. */
  shortened?: string;
  /** Plays it to its end and returns the id of the event that tells its story. */
  play(world: World): Promise<string>;
}

const RETRY_AFTER_SECONDS = 9;

export const scenarios: Scenario[] = [
  {
    title: "Token refreshed, call repeated",
    service: "demo-crm",
    failure: "401, the access token has expired",
    category: "auth",
    status: "resolved",
    async play(world) {
      const path = "/private/contacts";
      const request = { method: "GET", url: world.provider.url + path, auth: "bearer" as const };
      const id = failed(await world.integration("demo-crm").call({ event_type: "contacts", request }), 401);
      await settled(world, id, "resolved");
      const [first, second, ...more] = seen(world, path);
      assert.equal(more.length, 0);
      assert.notEqual(second!.headers.authorization, first!.headers.authorization);
      assert.deepEqual(world.oauth.tokenAnswers, [200], "The token must be refreshed once");
      return id;
    },
  },
  {
    title: "Rate limit waited out",
    service: "demo-payments",
    failure: `429, Retry-After: ${RETRY_AFTER_SECONDS}`,
    category: "rate_limit",
    status: "resolved",
    async play(world) {
      world.provider.plan("/charges", [behaviours.rateLimited(RETRY_AFTER_SECONDS)]);
      const id = failed(await post(world, "demo-payments", "/charges", "a charge"), 429);
      await until(`${id} to be due`, async () => {
        const [row] = await world.sql`select from public.system_integrity_events
          where event_id = ${id} and next_retry_at <= now()`;
        return row !== undefined;
      });
      await world.scan();
      await settled(world, id, "resolved");
      const [first, second] = seen(world, "/charges");
      const waited = (second!.at - first!.at) / 1_000;
      assert.ok(waited >= RETRY_AFTER_SECONDS, `Repeated after ${waited} s, before the provider allowed it`);
      assertOnce(world, ["a charge"]);
      return id;
    },
  },
  {
    title: "Outage ridden through by the breaker",
    service: "demo-mail",
    failure: "503 to every call, for a while",
    category: "network",
    status: "resolved",
    shortened: "the breaker's pause of 30 s",
    async play(world) {
      world.provider.plan("/mails", [], behaviours.unavailable);
      const mails = Array.from({ length: 6 }, (_, index) => `mail ${index + 1}`);
      const results = await Promise.all(mails.map((mail) => post(world, "demo-mail", "/mails", mail)));
      const ids = results.map((result) => failed(result, 503));
      await breaker(world, "demo-mail", "open");
      ids.push(held(await post(world, "demo-mail", "/mails", "mail while open"), "circuit_open"));
      const reached = seen(world, "/mails").some(({ body }) => body === "mail while open");
      assert.equal(reached, false, "An open breaker must keep calls from the provider");

      world.provider.plan("/mails", []);
      await world
        .sql`update public.integrations_master set breaker_until = now() where service_name = 'demo-mail'`;
      ids.push(...await postProbe(world, "demo-mail", "/mails", "the probe"));
      await breaker(world, "demo-mail", "closed");
      await world.scan();
      for (const id of ids) await settled(world, id, "resolved");
      assertOnce(world, [...mails, "mail while open", "the probe"]);
      return ids[0]!;
    },
  },
  {
    title: "Lost connection, call repeated",
    service: "demo-shipping",
    failure: "the connection is reset",
    category: "network",
    status: "resolved",
    async play(world) {
      world.provider.plan("/shipments", [behaviours.reset]);
      const id = failed(await post(world, "demo-shipping", "/shipments", "a shipment"), null);
      await settled(world, id, "resolved");
      assertOnce(world, ["a shipment"]);
      return id;
    },
  },
  {
    title: "Endless answer cut off, call repeated",
    service: "demo-files",
    failure: "the answer drips, one byte a second",
    category: "network",
    status: "resolved",
    async play(world) {
      world.provider.plan("/files", [behaviours.slowDrip]);
      const id = failed(await post(world, "demo-files", "/files", "a file", { timeoutMs: 1_500 }), null);
      await settled(world, id, "resolved");
      assertOnce(world, ["a file"]);
      return id;
    },
  },
  {
    title: "Data error told to people",
    service: "demo-orders",
    failure: "400, an address is not valid",
    category: "data",
    status: "pending",
    play: (world) => toldToPeople(world, "demo-orders", "/orders", behaviours.validation, 400),
  },
  {
    title: "Failure behind a 200 told to people",
    service: "demo-chat",
    failure: "200, ok: false, channel_not_found",
    category: "data",
    status: "pending",
    play: (world) => toldToPeople(world, "demo-chat", "/chat.postMessage", behaviours.slackNotOk, 200),
  },
  {
    title: "Integration disabled and brought back",
    service: "demo-billing",
    failure: "400 to five calls in a row",
    category: "data",
    status: "resolved",
    shortened: "the pause of 15 min before a disabled integration is probed",
    async play(world) {
      world.provider.plan("/invoices", [], behaviours.validation);
      const ids: string[] = [];
      for (let number = 1; number <= 5; number++) {
        ids.push(failed(await post(world, "demo-billing", "/invoices", `invoice ${number}`), 400));
      }
      await enabled(world, "demo-billing", false);
      ids.push(held(await post(world, "demo-billing", "/invoices", "invoice while disabled"), "disabled"));

      world.provider.plan("/invoices", []);
      await world
        .sql`update public.integrations_master set breaker_until = now() where service_name = 'demo-billing'`;
      ids.push(...await postProbe(world, "demo-billing", "/invoices", "the right invoice"));
      await enabled(world, "demo-billing", true);
      await world.scan();
      for (const id of ids) await settled(world, id, "resolved");
      assertOnce(world, ["invoice while disabled", "the right invoice"]);
      return ids[0]!;
    },
  },
];

/** Makes the call that is the probe, unless the timer's scan was faster: then this call is held until it has passed. */
async function postProbe(world: World, service: string, path: string, body: string): Promise<string[]> {
  const result = await post(world, service, path, body);
  if (result.outcome === "held") return [result.event_id];
  assert.equal(result.outcome, "success");
  return [];
}

async function toldToPeople(
  world: World,
  service: string,
  path: string,
  behaviour: (typeof behaviours)["validation"],
  status: number,
): Promise<string> {
  world.provider.plan(path, [behaviour]);
  const id = failed(await post(world, service, path, service), status);
  await settled(world, id, "pending");
  assert.equal(seen(world, path).length, 1, "What is wrong in itself must not be repeated");
  return id;
}
