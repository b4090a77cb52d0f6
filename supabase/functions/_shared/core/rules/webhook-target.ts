import { decideTarget } from "../egress/target.ts";

/** Where a webhook goes, or what is wrong with its URL: a sentence that begins with `The url`. */
export type WebhookTarget =
  | {
    url: string;
    /** Whose secret signs, and whose key encrypts, as `receiverOf` names it. */
    host: string;
    /** Whether it is one of the project's own functions, which takes the internal token for a signature. */
    own: boolean;
  }
  | { problem: string };

/**
 * Decides by its URL alone where a webhook goes. One that begins with a slash leads to the project's own functions:
 * `/api/security/lockout` to the function `api`. Any other must be an https URL of a public host; that its name resolves
 * to public addresses is checked when it is called.
 *
 * @param projectUrl without a slash at its end
 * @param privateHosts `host:port`s that may be private, and may be reached without TLS
 */
export function webhookTarget(
  text: string,
  { projectUrl, privateHosts = [] }: { projectUrl: string; privateHosts?: string[] },
): WebhookTarget {
  if (text.includes("{{")) {
    return { problem: "The url holds a template: where a webhook goes is never decided by an event" };
  }
  if (text.startsWith("/")) return ownFunction(text, projectUrl);
  const target = decideTarget(text, { privateHosts });
  if (target.allowed) return { url: target.url.href, host: receiverOf(target.url), own: false };
  const problem = target.code === "egress.blocked_address"
    ? `The url points inside the network, where no webhook goes: ${target.reason}`
    : `The url must be an https URL, or begin with one slash for a function of this project: ${target.reason}`;
  return { problem };
}

function ownFunction(path: string, projectUrl: string): WebhookTarget {
  const functions = new URL(`${projectUrl}/functions/v1/`);
  // Dot segments are resolved here; encoded slashes might be decoded, and then resolved, by whoever routes the request.
  const url = URL.canParse(`.${path}`, functions) ? new URL(`.${path}`, functions) : null;
  const inside = url?.href.startsWith(functions.href) && /^[\w-]/.test(url.href.slice(functions.href.length));
  if (url && inside && !/\\|%2f|%5c/i.test(path)) return { url: url.href, host: receiverOf(url), own: true };
  return {
    problem:
      "The url leads to no function of this project: after one slash comes a function's name, and neither dot " +
      "segments, backslashes nor encoded slashes may lead out of it",
  };
}

/** How the receiver of a webhook is named: by host name, and port unless it is the scheme's own. */
export function receiverOf({ hostname, port }: URL): string {
  return hostname.replace(/\.$/, "") + (port && `:${port}`);
}
