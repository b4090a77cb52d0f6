import type { z } from "zod";
import { createBatcher } from "../adapters/batcher.ts";
import { createDatabase, isRefusedInput } from "../adapters/database.ts";
import { readConfig } from "../adapters/env.ts";
import * as shapes from "../core/audit/subsystem-event.ts";
import type { Database } from "../ports.ts";

/** The database takes ten times as many; with large payloads a batch still has to arrive in time. */
const MAX_BATCH = 100;

/**
 * Writes what one subsystem does to the audit log. `actor` is who decided, `resource` what it concerns (`kind:id`),
 * `confidence` a share of 1. Texts have 1 to 500 characters, payloads at most 64 kB as JSON.
 *
 * Each method resolves when the entry is durable; secrets are redacted before it leaves this process.
 *
 * @throws {AuditError} `audit.event_invalid`, when a field is missing or does not fit; nothing was written
 * @throws {DatabaseError} when it could not be written; after `database.timeout` and `database.unreachable` it may
 *   have been
 */
export interface SubsystemLogger {
  /** Something was done; `result` is its outcome in one word. */
  logAction(event: z.input<typeof shapes.action>): Promise<void>;
  /** Something failed. `error` is what was caught; of its text the first 2,000 characters are kept. */
  logError(event: z.input<typeof shapes.error>): Promise<void>;
  /** One of several courses was chosen, for the given reasons. */
  logDecision(event: z.input<typeof shapes.decision>): Promise<void>;
  /** Something is expected to happen; values are anything that JSON holds. */
  logPrediction(event: z.input<typeof shapes.prediction>): Promise<void>;
}

/** What a subsystem logged so far. */
export interface SubsystemStats {
  /** Events per kind: `action`, `error`, `decision`, `prediction`. */
  event_counts: Record<string, number>;
  total_events: number;
  /** ISO 8601. */
  last_logged: string;
}

export interface SubsystemDeps {
  database: Database;
}

/**
 * A logger for a part of the platform or of the project. Get it once, not for each event: events that it is given at
 * the same time share a round trip.
 *
 * @param name of the subsystem, for example `billing`; `audit` is reserved
 * @param deps from the environment unless given
 * @throws {AuditError} `audit.event_invalid`, when the name does not fit
 * @throws {ConfigError} when the environment does not say where the database is
 */
export function getSubsystemLogger(name: string, deps: SubsystemDeps = fromEnvironment()): SubsystemLogger {
  const subsystem = shapes.checkEvent(shapes.subsystemName, name, "subsystem");
  const append = createBatcher(async (events: shapes.SubsystemEvent[]) => {
    await deps.database.rpc("log_subsystem_events", { p_events: events });
    return events.map(() => {});
  }, { maxBatch: MAX_BATCH, isRefusedInput });
  const log = (event: Omit<shapes.SubsystemEvent, "subsystem">) =>
    append(shapes.sanitizeEvent({ subsystem, ...event }));

  return {
    async logAction(event) {
      const { payload = {}, ...fields } = shapes.checkEvent(shapes.action, event, "action");
      await log({ kind: "action", ...fields, payload });
    },
    async logError(event) {
      const { error, ...fields } = shapes.checkEvent(shapes.error, event, "error");
      await log({
        kind: "error",
        ...fields,
        result: "error",
        payload: { error: shapes.describeError(error) },
      });
    },
    async logDecision(event) {
      const { actor, decision_type, resource, decision, ...payload } = shapes.checkEvent(
        shapes.decision,
        event,
        "decision",
      );
      await log({ kind: "decision", actor, action: decision_type, resource, result: decision, payload });
    },
    async logPrediction(event) {
      const { actor, prediction_type, resource, ...payload } = shapes.checkEvent(
        shapes.prediction,
        event,
        "prediction",
      );
      await log({
        ...{ kind: "prediction", actor, action: prediction_type, resource, result: "predicted", payload },
      });
    },
  };
}

/**
 * What each subsystem logged so far, by its name; the database's own parts included.
 *
 * @throws {DatabaseError}
 */
export async function getSubsystemStats(
  { database }: SubsystemDeps = fromEnvironment(),
): Promise<Record<string, SubsystemStats>> {
  return await database.rpc("subsystem_stats");
}

function fromEnvironment(): SubsystemDeps {
  return { database: createDatabase(readConfig(["project"]).project) };
}
