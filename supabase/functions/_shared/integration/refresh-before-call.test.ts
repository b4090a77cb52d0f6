import assert from "node:assert/strict";
import { until } from "../../../../scripts/demo/checks.ts";
import { createWorld } from "../../../../scripts/demo/world.ts";
import { testStack } from "../../../../scripts/testing/stack.ts";

Deno.test("50 calls with a token that is about to expire cause one refresh, and all succeed at the first try", async () => {
  const stack = await testStack();
  const world = await createWorld(stack);
  try {
    await stack.sql`update public.user_integrations set token_expires_at = now() + interval '30 seconds'`;
    const crm = world.integration("demo-crm");
    const request = { method: "GET", url: `${world.provider.url}/private/contacts`, auth: "bearer" as const };
    const results = await Promise.all(
      Array.from({ length: 50 }, () => crm.call({ event_type: "contacts", request })),
    );
    assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(["success"]));
    assert.deepEqual(world.oauth.tokenAnswers, [200]);
    assert.equal(world.provider.requests.length, 50);

    await until("all calls to be recorded", async () => {
      const [row] = await stack
        .sql`select count(*)::int from public.integration_events where status = 'success'`;
      return row!.count === 50;
    });
    const token = world.provider.requests[0]!.headers.authorization!.replace("Bearer ", "");
    const [row] = await stack.sql`select
      (select count(*)::int from public.user_integrations u where u::text like ${`%${token}%`}) +
      (select count(*)::int from public.integration_events e where e::text like ${`%${token}%`}) as copies`;
    assert.equal(row!.copies, 0, "The token must not be stored in plain text");
  } finally {
    await world.stop();
    await world.receiver.stop();
    await stack.stop();
  }
});
