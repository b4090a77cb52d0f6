/** The peer of integration-self-heal: a handler that stores each report with three calls, one after the other. */
import { createClient } from "@supabase/supabase-js";
import { analyzePlainly } from "./plain-analyzer.ts";

const { default: secretKey } = JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS")!);
const supabase = createClient(Deno.env.get("SUPABASE_URL")!, secretKey, { auth: { persistSession: false } });

async function receive(request: Request): Promise<Response> {
  if (request.headers.get("x-internal-token") !== Deno.env.get("INTERNAL_WEBHOOK_TOKEN")) {
    return new Response(null, { status: 401 });
  }
  const { event_id, service_name, http_status, error_code, error_message } = await request.json();
  const analysis = analyzePlainly({ http_status, error_message });
  await supabase.from("integration_events").insert({
    ...{ id: event_id, service_name, http_status, error_code, error_message },
    event_type: "call.failed",
    status: "error",
  }).throwOnError();
  const { data: recovery } = await supabase.from("system_integrity_events").insert({
    ...{ event_id, service_name, failure_reason: error_message, failure_category: analysis.category },
    analyzer_signals: analysis,
    action_taken: analysis.advice,
  }).select("id").single().throwOnError();
  await supabase.from("audit_log").insert({
    ...{ subsystem: "self-heal", actor: "system", action: "failure.reported", result: "pending" },
    resource: `recovery:${recovery.id}`,
    payload: { service_name, category: analysis.category },
  }).throwOnError();
  return Response.json({
    success: true,
    recovery_id: recovery.id,
    category: analysis.category,
    status: "pending",
  });
}

export default { fetch: receive };
