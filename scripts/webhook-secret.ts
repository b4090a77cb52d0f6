/**
 * `deno task webhook-secret <url>`: prints the secret with which the receiver of a URL verifies webhooks. It is derived
 * from the first of `WEBHOOK_SIGNING_KEYS` and the URL's host.
 */
import { exitWithUsage, readArguments } from "./command-line.ts";
import { ConfigError, readConfig } from "../supabase/functions/_shared/adapters/env.ts";
import { receiverOf } from "../supabase/functions/_shared/core/rules/webhook-target.ts";
import { webhookSecret } from "../supabase/functions/_shared/rules/actions/webhook-signature.ts";

const USAGE = "webhook-secret <url>, for example webhook-secret https://alerts.example.com/webhook";

const { words: [text = ""] } = readArguments(USAGE, {}, 1);
const url = URL.canParse(text) ? new URL(text) : null;
if (!url || !/^https?:$/.test(url.protocol)) {
  exitWithUsage(
    "The url must be a whole one: the project's own functions get the internal token instead",
    USAGE,
  );
}
try {
  const [key] = readConfig(["webhookKeys"]).webhookKeys;
  if (!key) exitWithUsage("WEBHOOK_SIGNING_KEYS is not set. Set it as the functions have it", USAGE);
  console.log(webhookSecret(key, receiverOf(url)));
} catch (error) {
  if (error instanceof ConfigError) exitWithUsage(error.message, USAGE);
  throw error;
}
