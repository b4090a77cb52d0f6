import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";
import { Webhook } from "standardwebhooks";

/**
 * The secret with which the receivers of a host verify webhooks, in the form that Standard Webhooks gives secrets. It is
 * derived (HKDF-SHA256, RFC 5869), so that nothing is stored and no receiver can sign for another.
 *
 * @param key base64
 * @param host as `receiverOf` names it
 */
export function webhookSecret(key: string, host: string): string {
  const derived = hkdfSync("sha256", Buffer.from(key, "base64"), new Uint8Array(), `webhook:${host}`, 32);
  return `whsec_${Buffer.from(derived).toString("base64")}`;
}

/**
 * Signs a request as Standard Webhooks (standardwebhooks.com, version 1.0) wants it.
 *
 * @param request `id` stays the same however often it is sent; `at` is when it is sent, in milliseconds
 * @param keys base64; there is one signature for each, so that receivers can change from one to the other
 */
export function webhookHeaders(
  { id, at, body }: { id: string; at: number; body: string },
  host: string,
  keys: string[],
): Record<string, string> {
  const signatures = keys.map((key) => new Webhook(webhookSecret(key, host)).sign(id, new Date(at), body));
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at / 1_000)),
    ...(signatures.length > 0 && { "webhook-signature": signatures.join(" ") }),
  };
}
