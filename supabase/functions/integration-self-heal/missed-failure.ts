import { z } from "zod";
import type { FailureReport } from "../_shared/core/recovery/report.ts";

/** A failed call that nobody reported; `created_at` (ISO 8601) is when it was recorded. */
export type MissedFailure = FailureReport & { created_at: string };

/** A row of `integration_events`, perhaps written by a project's own code. */
export interface MissedEvent {
  id: string;
  service_name: string;
  user_id: string | null;
  http_status: number | null;
  error_code: string | null;
  error_message: string | null;
  retry_count: number | null;
  created_at: string;
  payload: unknown;
}

/** What an event's payload may tell of its failure beyond the columns, or instead of them. */
const told = z.object({
  http_status: z.int().optional().catch(undefined),
  error_code: z.string().optional().catch(undefined),
  error_message: z.string().optional().catch(undefined),
  response_headers: z.record(z.string(), z.unknown()).optional().catch(undefined),
}).catch({});

/** The failure as it would have been reported; payload and request stay in the row, where they are needed. */
export function toFailure({ id, payload, ...row }: MissedEvent): MissedFailure {
  const { http_status, error_code, error_message, response_headers } = told.parse(payload);
  return {
    ...{ event_id: id, service_name: row.service_name, user_id: row.user_id, created_at: row.created_at },
    http_status: row.http_status ?? http_status,
    error_code: row.error_code ?? error_code,
    error_message: row.error_message ?? error_message ?? "",
    retry_count: row.retry_count ?? 0,
    response_headers,
  };
}
