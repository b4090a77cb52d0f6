import type { JWK } from "jose";
import { z } from "zod";
import { askedPause, isFinal, isSuccess } from "../../core/notification/delivery.ts";
import { webhookTarget } from "../../core/rules/webhook-target.ts";
import { EgressError, type EgressResponse } from "../../ports.ts";
import type { Action, ActionContext, ActionDeps, ActionOutcome } from "../action.ts";
import { encryptFor, PublicKeyError } from "./webhook-encryption.ts";
import { webhookHeaders } from "./webhook-signature.ts";

const TIMEOUT_MS = 10_000;

export interface WebhookDefinition {
  type: "webhook";
  /** An https URL, or one that begins with a slash: a function of this project. Holds no templates. */
  url: string;
  /** JSON; what the body is. */
  payload: unknown;
  encryption?: { enabled: boolean };
}

/**
 * POSTs the payload. The project's own functions are sent the internal token; anybody else a signature after Standard
 * Webhooks, with a secret that only this receiver can verify with. `webhook-id` is the run's id, the same in every try:
 * receivers that remember it do nothing twice.
 *
 * A refusal and a redirect are final; what may pass is tried again, when the receiver asks for it. Nothing of an answer
 * but its status is kept.
 */
export const webhook: Action<WebhookDefinition> = {
  type: "webhook",
  schema: z.strictObject({
    type: z.literal("webhook"),
    url: z.string().min(1).max(2_000),
    payload: z.unknown().refine((value) => value !== undefined, "is missing"),
    encryption: z.strictObject({ enabled: z.boolean() }).optional(),
  }),
  check({ url }, deps) {
    const target = webhookTarget(url, deps);
    return "problem" in target ? [target.problem] : [];
  },
  simulate({ url, payload, encryption }) {
    return { simulated: true, url, payload, ...(encryption && { encryption }) };
  },
  async run(rendered, context) {
    const { deps } = context;
    const target = webhookTarget(rendered.url, deps);
    if ("problem" in target) return failed("webhook.url_invalid", `${target.problem}. Mend the rule.`);
    if (!target.own && deps.signingKeys.length === 0) return failed("webhook.not_configured", NO_SIGNING_KEY);
    const message = await write(rendered, target.host, deps);
    if ("state" in message) return message;
    return judge(await send(target, message, context), target.host, deps.clock.now());
  },
};

const NO_SIGNING_KEY =
  "WEBHOOK_SIGNING_KEYS is not set, and nothing is sent without a signature. Set it with " +
  '`supabase secrets set WEBHOOK_SIGNING_KEYS="$(openssl rand -base64 32)"`.';

interface Message {
  contentType: string;
  body: string;
}

async function write(
  { payload, encryption }: WebhookDefinition,
  host: string,
  { database }: ActionDeps,
): Promise<Message | ActionOutcome> {
  const body = JSON.stringify(payload);
  if (!encryption?.enabled) return { contentType: "application/json", body };
  const publicKey = await database.rpc<JWK | null>("webhook_public_key", { p_host: host });
  if (!publicKey) {
    const remedy = "Add its public key, a JWK, to the table webhook_receivers under that host.";
    return failed(
      "webhook.no_public_key",
      `The payload is to be encrypted and ${host} has no key. ${remedy}`,
    );
  }
  try {
    return { contentType: "application/jose", body: await encryptFor(publicKey, body) };
  } catch (error) {
    if (!(error instanceof PublicKeyError)) throw error;
    const remedy = "Ask it for another one and update its row of webhook_receivers.";
    return failed("webhook.public_key_invalid", `Nothing was sent to ${host}: ${error.message}. ${remedy}`);
  }
}

async function send(
  { url, host, own }: { url: string; host: string; own: boolean },
  { contentType, body }: Message,
  { run, beforeEffect, deps }: ActionContext,
): Promise<EgressResponse | EgressError> {
  const request = { id: run.id, at: deps.clock.now(), body };
  const headers = {
    "content-type": contentType,
    ...webhookHeaders(request, host, own ? [] : deps.signingKeys),
    ...(own && { "x-internal-token": deps.internalToken }),
  };
  await beforeEffect();
  try {
    return await deps.egress.send({ url, method: "POST", headers, body, timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (error instanceof EgressError) return error;
    throw error;
  }
}

/** Texts name the host only: paths and queries of webhook URLs are often secrets. */
function judge(answer: EgressResponse | EgressError, host: string, now: number): ActionOutcome {
  if (answer instanceof EgressError) {
    const error = `${answer.code}: ${answer.message}.`;
    // An answer that is too large came from a receiver that would give it again.
    const final = isFinal({ failed: answer.code }) || answer.code === "egress.too_large";
    return final ? { state: "failed", error } : { state: "retry", error };
  }
  const { status } = answer;
  if (isSuccess(status)) return { state: "succeeded", result: { status } };
  const told = `${host} answered with HTTP ${status}`;
  if (status >= 300 && status < 400) {
    const remedy = "Redirects are not followed: put the final address into the rule.";
    return failed("webhook.redirected", `${told}. ${remedy}`);
  }
  if (isFinal(answer)) {
    const remedy = "Trying again does not change that: mend the rule or the receiver.";
    return failed("webhook.refused", `${told}. ${remedy}`);
  }
  const retryAfterSeconds = askedPause(answer, new Date(now)) ?? undefined;
  return { state: "retry", error: `webhook.unavailable: ${told}`, retryAfterSeconds };
}

function failed(code: string, text: string): ActionOutcome {
  return { state: "failed", error: `${code}: ${text}` };
}
