import assert from "node:assert/strict";
import { AuditError } from "../core/audit/audit-error.ts";
import { type Database, DatabaseError } from "../ports.ts";
import { getSubsystemLogger, getSubsystemStats } from "./subsystem-logger.ts";

const ACTION = { actor: "system", action: "process_data", resource: "data_pipeline", result: "success" };

/** A database that keeps what it is given; `answer` may refuse a batch or hold it up. */
function fakeDatabase(answer: (events: { resource: string }[]) => unknown = () => {}) {
  const batches: { resource: string }[][] = [];
  const database: Database = {
    async rpc<T>(name: string, args: Record<string, unknown> = {}) {
      assert.equal(name, "log_subsystem_events");
      const events = args.p_events as { resource: string }[];
      batches.push(events);
      await answer(events);
      return events.length as T;
    },
  };
  return { batches, database };
}

Deno.test("each kind of event has its own fields", async () => {
  const { batches, database } = fakeDatabase();
  const logger = getSubsystemLogger("my_subsystem", { database });
  await logger.logAction({ ...ACTION, payload: { records: 1000, duration_ms: 245 } });
  await logger.logError({
    ...{ actor: "worker_3", action: "transform_data", resource: "dataset_123" },
    error: new RangeError("Column 7 has no type"),
  });
  await logger.logDecision({
    ...{
      actor: "policy_engine",
      decision_type: "approval",
      resource: "deployment_456",
      decision: "approved",
    },
    ...{ reasoning: ["low risk", "within window", "trust score > 0.8"], confidence: 0.92 },
  });
  await logger.logPrediction({
    ...{ actor: "ml_model", prediction_type: "capacity", resource: "api_cluster" },
    ...{ predicted_value: 1500, confidence: 0.85, current_value: 1000 },
  });
  assert.deepEqual(
    batches.flat(),
    [
      { ...ACTION, payload: { records: 1000, duration_ms: 245 }, kind: "action" },
      {
        ...{ kind: "error", actor: "worker_3", action: "transform_data", resource: "dataset_123" },
        ...{ result: "error", payload: { error: { name: "RangeError", message: "Column 7 has no type" } } },
      },
      {
        ...{ kind: "decision", actor: "policy_engine", action: "approval", resource: "deployment_456" },
        ...{ result: "approved" },
        payload: { reasoning: ["low risk", "within window", "trust score > 0.8"], confidence: 0.92 },
      },
      {
        ...{ kind: "prediction", actor: "ml_model", action: "capacity", resource: "api_cluster" },
        ...{ result: "predicted", payload: { predicted_value: 1500, confidence: 0.85, current_value: 1000 } },
      },
    ].map((event) => ({ subsystem: "my_subsystem", ...event })),
  );
});

Deno.test("no secret reaches the database", async () => {
  const { batches, database } = fakeDatabase();
  const logger = getSubsystemLogger("billing", { database });
  await logger.logAction({ ...ACTION, payload: { api_key: "canary" } });
  const error = new Error("POST https://me:canary@api.example.com/ failed: Authorization: Bearer canary");
  await logger.logError({ actor: "a", action: "b", resource: "c", error });
  const reasoning = ["the password=canary was right"];
  await logger.logDecision({
    ...{ actor: "a", decision_type: "b", resource: "c", decision: "d", reasoning, confidence: 1 },
  });
  assert.equal(batches.flat().length, 3);
  assert.ok(!JSON.stringify(batches).includes("canary"));
});

Deno.test("events that come together share a round trip, and each waits for its own", async () => {
  const first = Promise.withResolvers<void>();
  const { batches, database } = fakeDatabase((events) => events[0]!.resource === "1" && first.promise);
  const logger = getSubsystemLogger("billing", { database });
  const done: string[] = [];
  const all = ["1", "2", "3", "4"].map((resource) =>
    logger.logAction({ ...ACTION, resource }).then(() => done.push(resource))
  );
  await Promise.resolve();
  assert.deepEqual([batches.length, done], [1, []]);
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(batches.map((events) => events.map(({ resource }) => resource)), [["1"], ["2", "3", "4"]]);
});

Deno.test("an event that the database refuses fails alone", async () => {
  const { batches, database } = fakeDatabase((events) => {
    if (events.some(({ resource }) => resource === "bad")) {
      throw new DatabaseError("audit.event_invalid", "p_events[1].payload must be an object", 422);
    }
  });
  const logger = getSubsystemLogger("billing", { database });
  const resources = ["first", "good", "bad", "better"];
  const results = await Promise.allSettled(
    resources.map((resource) => logger.logAction({ ...ACTION, resource })),
  );
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  assert.ok(batches.length > 2);
});

Deno.test("a database that fails is never passed over", async () => {
  const down = new DatabaseError("database.unreachable", "try again", 503);
  const { database } = fakeDatabase(() => Promise.reject(down));
  const logger = getSubsystemLogger("billing", { database });
  await assert.rejects(logger.logAction(ACTION), down);
  await assert.rejects(logger.logError({ ...{ actor: "a", action: "b", resource: "c" }, error: 1 }), down);
  const failing: Database = { rpc: () => Promise.reject(down) };
  await assert.rejects(getSubsystemStats({ database: failing }), down);
});

Deno.test("what cannot be logged is refused before it leaves the process", async () => {
  const { batches, database } = fakeDatabase();
  const logger = getSubsystemLogger("billing", { database });
  const invalid = (error: unknown) => error instanceof AuditError && error.code === "audit.event_invalid";
  await assert.rejects(logger.logAction({ ...ACTION, actor: "" }), invalid);
  await assert.rejects(logger.logAction({ ...ACTION, payload: { text: "x".repeat(65_536) } }), invalid);
  assert.throws(() => getSubsystemLogger("audit", { database }), invalid);
  assert.equal(batches.length, 0);
});

Deno.test("without a database's address there is no logger", () => {
  assert.throws(() => getSubsystemLogger("billing"), /SUPABASE_URL/);
});
