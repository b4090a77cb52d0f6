import assert from "node:assert/strict";
import { DatabaseError } from "../_shared/ports.ts";
import { callRoutes } from "../_shared/testing/call-routes.ts";
import { fakeClock } from "../_shared/testing/fake-clock.ts";
import { fakeDatabase } from "../_shared/testing/fake-database.ts";
import { invariantRoutes } from "./routes.ts";
import { START_UNTIL_MS } from "./run-invariants.ts";

const invariants = [
  { name: "STOCK", enabled: true },
  { name: "TOTALS", enabled: true },
  { name: "OLD", enabled: false },
];
const score = { score: 90, lost: [] };
const incidents = { opened: 1 };

/** The endpoint before a database in which a run of an invariant does `run`; `ran` are those that were run. */
function build(run: (name: string) => unknown = () => ({})) {
  const database = fakeDatabase({
    ...{ read_invariants_status: { invariants }, score_drift: score, advance_incidents: incidents },
    run_invariant: ({ p_name }: { p_name: string }) => ({
      ...{ invariant: p_name, error: null },
      ...run(p_name) as object,
    }),
  });
  const clock = fakeClock();
  const call = callRoutes(invariantRoutes({ database, clock }));
  return {
    ...{ database, clock },
    run: (body: unknown = {}) => call("POST", "/invariants/run", body),
    ran: () => database.calls.filter(([name]) => name === "run_invariant").map(([, args]) => args),
  };
}

Deno.test("all that are enabled are run, then the drift is scored and incidents are followed", async () => {
  const { run, database } = build();
  const { status, body } = await run();
  assert.equal(status, 200);
  assert.deepEqual(body, {
    dryRun: false,
    results: [{ invariant: "STOCK", error: null }, { invariant: "TOTALS", error: null }],
    notRun: [],
    score,
    incidents,
  });
  assert.deepEqual(database.calls.map(([name]) => name), [
    ...["read_invariants_status", "run_invariant", "run_invariant", "score_drift", "advance_incidents"],
  ]);
});

Deno.test("those that are named are run once each in the given way, also one that is switched off", async () => {
  const { run, ran } = build();
  await run({ names: ["OLD", "STOCK", "OLD"], mode: "full" });
  assert.deepEqual(ran(), [
    { p_name: "OLD", p_mode: "full", p_dry_run: false },
    { p_name: "STOCK", p_mode: "full", p_dry_run: false },
  ]);
});

Deno.test("a dry run neither scores the drift nor follows incidents", async () => {
  const { run, database, ran } = build(() => ({ would_correct: ["7"] }));
  const { body } = await run({ names: ["STOCK"], dryRun: true });
  assert.deepEqual(body, {
    dryRun: true,
    results: [{ invariant: "STOCK", error: null, would_correct: ["7"] }],
    ...{ notRun: [], score: null, incidents: null },
  });
  assert.deepEqual(ran(), [{ p_name: "STOCK", p_mode: "auto", p_dry_run: true }]);
  assert.ok(!database.calls.some(([name]) => name === "score_drift" || name === "advance_incidents"));
});

Deno.test("one that cannot be run says why, and the others are run all the same", async () => {
  const { run } = build((name) => {
    if (name === "STOCK") throw new DatabaseError("invariant.busy", "Another run of STOCK is under way", 409);
  });
  const { status, body } = await run();
  assert.equal(status, 200);
  assert.deepEqual(body.results, [
    {
      invariant: "STOCK",
      error: { code: "invariant.busy", message: "Another run of STOCK is under way" },
    },
    { invariant: "TOTALS", error: null },
  ]);
  assert.deepEqual(body.score, score);
});

Deno.test("what is no failure of the database is not taken for a result", async () => {
  const { run } = build(() => {
    throw new TypeError("a defect");
  });
  assert.equal((await run()).status, 500);
});

Deno.test("no run begins when the time is over, and the answer names those whose turn did not come", async () => {
  const { run, clock } = build(() => clock.advance(START_UNTIL_MS));
  const { body } = await run();
  assert.deepEqual(body.results.map(({ invariant }: { invariant: string }) => invariant), ["STOCK"]);
  assert.deepEqual(body.notRun, ["TOTALS"]);
  assert.deepEqual(body.score, score);
});

Deno.test("a name that no invariant has is 404 with the names that there are, and nothing is run", async () => {
  const { run, ran } = build();
  const { status, body: { error } } = await run({ names: ["STOCK", "stock", "nothing"] });
  assert.deepEqual([status, error.code], [404, "invariant.unknown"]);
  assert.equal(error.message, 'No invariant is called "stock", "nothing". There are: STOCK, TOTALS, OLD');
  assert.deepEqual(ran(), []);
});

Deno.test("a request that makes no sense is refused before the database is asked", async () => {
  const { run, database } = build();
  for (
    const body of [{ names: [] }, { names: "STOCK" }, { names: [""] }, { mode: "fast" }, { dryRun: "yes" }, {
      dryrun: true,
    }, []]
  ) {
    const answer = await run(body);
    assert.deepEqual([answer.status, answer.body.error.code], [422, "request.invalid"], JSON.stringify(body));
  }
  assert.deepEqual(database.calls, []);
});

Deno.test("the status is read with as many violations as were asked for", async () => {
  const database = fakeDatabase({ read_invariants_status: { score: 100 } });
  const call = callRoutes(invariantRoutes({ database, clock: fakeClock() }));
  assert.deepEqual(await call("GET", "/invariants/status?limit=7"), { status: 200, body: { score: 100 } });
  assert.deepEqual(database.calls, [["read_invariants_status", { p_limit: 7 }]]);
  const limits = ["0", "501", "-1", "1.5", "x", "", "5&limit=6", "5&name=STOCK"];
  for (const limit of limits) {
    assert.equal((await call("GET", `/invariants/status?limit=${limit}`)).status, 422, limit);
  }
});
