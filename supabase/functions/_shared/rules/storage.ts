import type { MatchableRule, RuleEvent } from "../core/rules/rule.ts";
import type { Database, Firing } from "../ports.ts";
import type { ActionDefinition } from "./action.ts";

/** A rule as it is stored. */
export interface StoredRule extends MatchableRule {
  name: string;
  action: ActionDefinition | ActionDefinition[];
  /** After a firing matches are suppressed for so long. */
  cooldownSeconds: number;
  /** Further matches within an hour are suppressed; null: no limit. */
  maxFiresPerHour: number | null;
  /** Grows with every change. */
  version: number;
  createdAt: string;
  updatedAt: string;
  updatedBy: string;
}

/** An event and its identity. */
export interface StoredEvent {
  id: string;
  event: RuleEvent;
}

/** A rule that matched an event. */
export interface Match {
  rule: Pick<StoredRule, "id" | "version">;
  event: StoredEvent;
}

/** One run of an action, as the database knows it. */
export interface ActionRun {
  id: string;
  rule: { id: string; name: string; version: number };
  eventId: string;
  /** The action's place in the rule's list. */
  position: number;
  type: string;
  /** Its definition in that version of the rule, not rendered. */
  action: unknown;
  /** Null when it is not stored any more. */
  event: RuleEvent | null;
  state: "queued" | "succeeded" | "failed";
  result: Record<string, unknown> | null;
  error: string | null;
  progress: unknown;
}

/** How a run ended. */
export type EndedRun =
  | { id: string; state: "succeeded"; result: Record<string, unknown> }
  | { id: string; state: "failed"; error: string };

/** What rules, their events and their firings are kept in. All methods throw `DatabaseError`. */
export interface RuleStorage {
  /** The active rules, or null in place of them when `knownVersion` of the rule set is the newest. */
  load(knownVersion: number | null): Promise<{ version: number; rules: StoredRule[] | null }>;
  list(): Promise<StoredRule[]>;
  /** Throws `rule.unknown`. */
  read(id: string): Promise<StoredRule>;
  /** Who changed what and when; the newest first. */
  versions(id: string): Promise<Record<string, unknown>[]>;
  /**
   * @param expectedVersion the version that is replaced, 0 to create
   * Throws `rule.exists`, `rule.unknown`, `rule.changed`, `rule.invalid`.
   */
  save(rule: unknown, actor: string, expectedVersion: number): Promise<StoredRule>;
  setStatus(id: string, status: StoredRule["status"], actor: string): Promise<StoredRule>;
  rollback(id: string, version: number, actor: string): Promise<StoredRule>;
  /** Events since an instant, the oldest first, page by page; `next` leads to the following page. */
  readEvents(
    from: Date,
    after: unknown,
    limit: number,
  ): Promise<{ events: (StoredEvent & { createdAt: string })[]; next: unknown }>;
  /** Stores events, and queues the actions of what matched them; a repetition changes nothing and returns what was done. */
  fire(events: StoredEvent[], matches: Match[]): Promise<Firing[]>;
  /** Leases events that nobody evaluated yet; null when none are due, or another worker has them. */
  claimEvents(
    limit: number,
    leaseSeconds: number,
  ): Promise<{ epoch: number; events: StoredEvent[] } | null>;
  /** Ends the lease: marks the events evaluated and fires. False, and nothing done, when the lease was lost. */
  finishEvents(epoch: number, eventIds: string[], matches: Match[]): Promise<boolean>;
  /** The runs of these ids; an unknown one is left out. */
  readRuns(ids: string[]): Promise<ActionRun[]>;
  saveProgress(id: string, progress: Record<string, unknown>, replaces?: unknown): Promise<unknown>;
  /** Records how runs ended; what has ended before stays as it is. */
  finishRuns(runs: EndedRun[]): Promise<void>;
}

/** Rules in the project's database. */
export function createRuleStorage(database: Database): RuleStorage {
  return {
    load: (knownVersion) => database.rpc("load_rules", { p_version: knownVersion }),
    list: () => database.rpc("read_rules", {}),
    read: (id) => database.rpc("read_rules", { p_id: id }),
    versions: (id) => database.rpc("read_rule_versions", { p_id: id }),
    save: (rule, actor, expectedVersion) =>
      database.rpc("save_rule", { p_rule: rule, p_actor: actor, p_expected_version: expectedVersion }),
    setStatus: (id, status, actor) =>
      database.rpc("set_rule_status", { p_id: id, p_status: status, p_actor: actor }),
    rollback: (id, version, actor) =>
      database.rpc("rollback_rule", { p_id: id, p_version: version, p_actor: actor }),
    readEvents: (from, after, limit) =>
      database.rpc("read_events", { p_from: from.toISOString(), p_after: after, p_limit: limit }),
    async fire(events, matches) {
      const firings = await database.rpc<FiringRow[]>("evaluate_events", {
        p_events: events.map(({ id, event }) => ({ id, data: event })),
        p_matches: matches.map(toRow),
      });
      return firings.map(({ rule_id, event_id, ...rest }) => ({
        ruleId: rule_id,
        eventId: event_id,
        ...rest,
      }));
    },
    claimEvents: (limit, leaseSeconds) =>
      database.rpc("claim_events", { p_limit: limit, p_lease_seconds: leaseSeconds }),
    finishEvents: (epoch, eventIds, matches) =>
      database.rpc("finish_events", {
        p_epoch: epoch,
        p_event_ids: eventIds,
        p_matches: matches.map(toRow),
      }),
    async readRuns(ids) {
      const rows = await database.rpc<RunRow[]>("read_action_runs", { p_ids: ids });
      return rows.map(({ rule_id, rule_name, rule_version, event_id, ...rest }) => ({
        ...rest,
        rule: { id: rule_id, name: rule_name, version: rule_version },
        eventId: event_id,
      }));
    },
    saveProgress: (id, progress, replaces = null) =>
      database.rpc("save_action_progress", { p_id: id, p_progress: progress, p_replaces: replaces }),
    async finishRuns(runs) {
      await database.rpc("finish_action_runs", { p_results: runs });
    },
  };
}

type FiringRow = Omit<Firing, "ruleId" | "eventId"> & { rule_id: string; event_id: string };

type RunRow = Omit<ActionRun, "rule" | "eventId"> & {
  rule_id: string;
  rule_name: string;
  rule_version: number;
  event_id: string;
};

function toRow({ rule, event }: Match) {
  return { rule_id: rule.id, rule_version: rule.version, event_id: event.id };
}
