import { z } from "zod";
import { storedRequest } from "../_shared/core/recovery/stored-request.ts";

/** In lower case, as the database answers it. */
const uuid = z.guid().toLowerCase();
const text = (longest: number) => z.string().max(longest);

const report = z.object({
  mode: z.literal("webhook"),
  event_id: uuid,
  service_name: text(100).min(1),
  http_status: z.int().min(0).max(999).nullish(),
  error_code: text(200).nullish(),
  error_message: z.string(),
  payload: z.record(z.string(), z.unknown()).nullish(),
  endpoint: text(4_000).nullish(),
  retry_count: z.int().min(0).max(1_000_000).default(0),
  user_id: uuid.nullish(),
  request: storedRequest.nullish(),
  response_headers: z.record(z.string(), z.unknown()).optional(),
  response_body: z.unknown().optional(),
  useLLM: z.boolean().optional(),
});

// Strict, so that a report that was sent to `?mode=scan` is refused instead of lost.
const scan = z.strictObject({
  mode: z.literal("scan"),
  window_minutes: z.int().min(1).max(1_440).default(15),
  limit: z.int().min(1).max(1_000).default(50),
});

/** What callers may ask for: to heal one reported failure, or to sweep up what is left to do. */
export const healRequest = z.discriminatedUnion("mode", [report, scan]);
export type HealRequest = z.output<typeof healRequest>;

/** The body with its mode, which may also stand in the query; a report is meant unless one of them says otherwise. */
export function withMode(body: unknown, url: URL): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  return { mode: url.searchParams.get("mode") ?? "webhook", ...body };
}
