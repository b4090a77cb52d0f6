import Stripe from "stripe";
import type { Database } from "../_shared/ports.ts";
import { errorResponse } from "../_shared/http/errors.ts";

const TOLERANCE_SECONDS = 300;

const cryptoProvider = Stripe.createSubtleCryptoProvider();

/**
 * Takes an event of Stripe: verifies its signature over the raw body (at most 300 s old), and records it once, however
 * often Stripe sends it.
 *
 * The row in `integration_events` is the event's only effect here. Work of your own belongs behind it, keyed by the
 * event's id: events repeat and arrive out of order.
 *
 * @returns 200 `{ received: true, duplicate }`, or 400 `webhook.signature_invalid`
 * @throws {ConfigError} without a signing secret
 * @throws {DatabaseError} Stripe sends the event again then
 */
export async function receiveEvent(
  request: Request,
  rawBody: Uint8Array,
  requestId: string,
  { database, secret, logRefusal }: {
    database: Database;
    secret: () => string;
    logRefusal: () => Promise<void>;
  },
): Promise<Response> {
  const signingSecret = secret();
  let event: Stripe.Event;
  try {
    event = await Stripe.webhooks.constructEventAsync(
      rawBody,
      request.headers.get("stripe-signature") ?? "",
      signingSecret,
      TOLERANCE_SECONDS,
      cryptoProvider,
    );
  } catch {
    await logRefusal();
    // The SDK's text quotes parts of the request; whoever forges events learns nothing.
    const message = "The Stripe-Signature header does not fit the body, or is older than five minutes";
    return errorResponse({ status: 400, code: "webhook.signature_invalid", message }, requestId);
  }
  const isNew = await database.rpc<boolean>("record_webhook_event", {
    p_service_name: "stripe",
    p_external_id: event.id,
    p_event_type: event.type,
    p_payload: {
      ...{ stripe_event_id: event.id, created: event.created, livemode: event.livemode },
      object: { id: objectId(event), type: event.data.object.object },
    },
  });
  return Response.json({ received: true, duplicate: !isNew });
}

function objectId(event: Stripe.Event): string | null {
  return "id" in event.data.object ? event.data.object.id ?? null : null;
}
