import { createBatcher } from "../_shared/adapters/batcher.ts";
import { isRefusedInput } from "../_shared/adapters/database.ts";
import type { Category } from "../_shared/core/failure/failure.ts";
import type { PreparedReport } from "../_shared/core/recovery/report.ts";
import type { StoredRequest } from "../_shared/core/recovery/stored-request.ts";
import type { Database } from "../_shared/ports.ts";
import { type MissedEvent, type MissedFailure, toFailure } from "./missed-failure.ts";

const MAX_BATCH = 100;
const CLAIM_LEASE_SECONDS = 30;

/** A failure that this worker owns until its lease ends, and all it needs to recover it. */
export interface WorkItem {
  recovery_id: string;
  event_id: string;
  service_name: string;
  user_id: string | null;
  category: Category;
  /** Fencing token: a result with an older one is refused. */
  epoch: number;
  /** Calls made in earlier rounds. */
  attempts: number;
  /** Calls that the retry budget permits in this one. */
  attempts_allowed: number;
  /** True when an earlier worker died over it, perhaps after its call took effect. */
  taken_over: boolean;
  failure_reason: string | null;
  http_status: number | null;
  error_code: string | null;
  /** When the failure was reported (ISO 8601). */
  created_at: string;
  request: StoredRequest | null;
  allowed_hosts: string[];
  idempotency_header: string | null;
  /** Version of the grant's token now; null without a grant. */
  token_version: number | null;
  /** Version of the token that the failed call used, or probably used; null without a grant. */
  token_version_seen: number | null;
}

/** What came of one round. */
export interface RecoveryResult {
  outcome: "resolved" | "failed" | "waiting" | "held" | "gave_up";
  action_taken: string;
  /** Calls made. */
  attempts: number;
  delay_seconds?: number;
  reached_provider: boolean;
  after_refresh?: boolean;
  /** Of the last call that failed. */
  category?: Category;
  http_status?: number | null;
  error_code?: string | null;
  failure_reason?: string;
  signals?: { signals: string[]; advice: string; owner: string; refreshable: boolean | null };
}

/** A recovery as it stands. */
export interface Recovery {
  event_id: string;
  recovery_id: string;
  category: Category;
  status: "pending" | "resolved" | "disabled";
  action_taken: string;
  next_retry_at: string | null;
}

export type ReportAnswer = Recovery & {
  /** `claimed`: the reporter recovers it now; `in_progress`: somebody else does; otherwise nothing is to be done now. */
  state: "claimed" | "recorded" | "duplicate" | "in_progress";
  work?: WorkItem | null;
};

/** The database's side of recoveries. Calls that are made at the same time share a round trip. */
export interface RecoveryStore {
  report(report: PreparedReport): Promise<ReportAnswer>;
  /** Stores a round's result; `accepted` is false when the lease was lost and nothing was written. */
  finish(work: WorkItem, result: RecoveryResult): Promise<Recovery & { accepted: boolean }>;
  get(eventId: string): Promise<Recovery & { in_progress: boolean }>;
  claim(limit: number): Promise<WorkItem[]>;
  missed(windowMinutes: number, limit: number): Promise<MissedFailure[]>;
  expiringGrants(
    limit: number,
  ): Promise<{ service_name: string; user_id: string | null; token_version: number }[]>;
  saveExplanation(recoveryId: string, text: string): Promise<void>;
}

export function createRecoveryStore(database: Database): RecoveryStore {
  const batched = <Item, Result>(run: (items: Item[]) => Promise<Result[]>) =>
    createBatcher(run, { maxBatch: MAX_BATCH, isRefusedInput });
  const finish = batched((results: object[]) =>
    database.rpc<(Recovery & { accepted: boolean })[]>("finish_recoveries", { p_results: results })
  );
  return {
    report: batched((reports: PreparedReport[]) =>
      database.rpc<ReportAnswer[]>("report_failures", { p_reports: reports })
    ),
    finish: ({ recovery_id, epoch, attempts_allowed }, result) =>
      finish({ recovery_id, epoch, attempts_allowed, ...result }),
    get: batched(async (eventIds: string[]) => {
      const rows = await database.rpc<(Recovery & { in_progress: boolean })[]>("get_recoveries", {
        p_event_ids: eventIds,
      });
      const byEvent = new Map(rows.map((row) => [row.event_id, row]));
      return eventIds.map((id) => byEvent.get(id)!);
    }),
    claim: (limit) =>
      database.rpc("claim_recoveries", { p_limit: limit, p_lease_seconds: CLAIM_LEASE_SECONDS }),
    async missed(windowMinutes, limit) {
      const rows = await database.rpc<MissedEvent[]>("missed_events", {
        p_window_minutes: windowMinutes,
        p_limit: limit,
      });
      return rows.map(toFailure);
    },
    expiringGrants: (limit) => database.rpc("expiring_grants", { p_limit: limit }),
    saveExplanation: (recoveryId, text) =>
      database.rpc("save_llm_reasoning", { p_recovery_id: recoveryId, p_text: text }),
  };
}
