import assert from "node:assert/strict";
import { callRoutes } from "../_shared/testing/call-routes.ts";
import { fakeDatabase } from "../_shared/testing/fake-database.ts";
import { incidentRoutes } from "./routes.ts";

function build() {
  const database = fakeDatabase({ read_incidents: { incidents: [], next: null } });
  return { database, call: callRoutes(incidentRoutes({ database })) };
}

Deno.test("a list is narrowed by what the query says, several values separated by commas or given again", async () => {
  for (
    const [query, args] of [
      ["", {}],
      ["?status=ESCALATED,RESOLVED&priority=P1", { p_status: ["ESCALATED", "RESOLVED"], p_priority: ["P1"] }],
      ["?priority=P1&priority=P2", { p_priority: ["P1", "P2"] }],
      ["?source=timer&before=17&limit=200", { p_source: "timer", p_before: 17, p_limit: 200 }],
    ] as const
  ) {
    const { call, database } = build();
    assert.deepEqual(await call("GET", `/incidents${query}`), {
      ...{ status: 200, body: { incidents: [], next: null } },
    });
    const given = Object.fromEntries(
      Object.entries(database.calls[0]![1]!).filter(([, value]) => value !== undefined),
    );
    assert.deepEqual(given, args, query);
  }
});

Deno.test("a query that cannot be understood is refused, and not passed over", async () => {
  const { call, database } = build();
  const queries = ["status=open", "status=", "priority=P5", "limit=0", "limit=201", "limit=5&limit=6"];
  for (const query of [...queries, "before=-1", "before=9007199254740993", "source=", "state=RESOLVED"]) {
    const { status, body } = await call("GET", `/incidents?${query}`);
    assert.deepEqual([status, body.error.code], [422, "request.invalid"], query);
  }
  assert.deepEqual(database.calls, []);
});

Deno.test("only the path says which incident is changed, and the caller is who changed it", async () => {
  const { call, database } = build();
  await call("POST", "/incidents/7/acknowledge", { note: " I look at it ", id: "8" });
  await call("POST", "/incidents/7/resolve");
  assert.deepEqual(database.calls, [
    ["acknowledge_incident", { p_id: 7, p_actor: "key:ci", p_note: "I look at it" }],
    ["resolve_incident", { p_id: 7, p_actor: "key:ci", p_note: undefined }],
  ]);
});

Deno.test("a note or an id that is none is refused", async () => {
  const { call, database } = build();
  for (const body of [{ note: 5 }, { note: " " }, { note: "x".repeat(4_001) }, { actor: "me" }, [], "note"]) {
    assert.equal((await call("POST", "/incidents/7/acknowledge", body)).status, 422, JSON.stringify(body));
  }
  for (const id of ["0", "-1", "seven", "1e3", "99999999999999999999"]) {
    assert.equal((await call("GET", `/incidents/${id}`)).status, 422, id);
    assert.equal((await call("POST", `/incidents/${id}/resolve`)).status, 422, id);
  }
  assert.deepEqual(database.calls, []);
});
