/**
 * Whether a provider's answer says that the request succeeded: a 2xx status whose body does not say otherwise.
 *
 * Bodies count only by the few conventions that unmistakably mean failure (Slack and Telegram `ok: false`, GraphQL
 * `errors`, `success: false`, `error`, `status: "error"`, SOAP faults). Anything vaguer would take successes for
 * failures and repeat them.
 *
 * @param response `body` as text, of any media type
 */
export function isSuccess(response: { status: number; body: string }): boolean {
  if (response.status < 200 || response.status > 299) return false;
  const text = response.body.trimStart();
  if (text.startsWith("<")) return !/<(?:[\w-]{1,40}:)?Fault[\s>]/.test(text.slice(0, 2_000));
  return !text.startsWith("{") || !saysItFailed(parse(text));
}

function saysItFailed(body: Record<string, unknown>): boolean {
  return body.ok === false || body.success === false || body.success === "false" ||
    isFilled(body.error) || (Array.isArray(body.errors) && body.errors.length > 0) ||
    // What has an id is a thing with a state of its own: a payout that failed was read successfully.
    (!("id" in body) && typeof body.status === "string" &&
      /^(?:error|fail|failed|failure)$/i.test(body.status));
}

function isFilled(error: unknown): boolean {
  return typeof error === "string"
    ? error !== ""
    : typeof error === "object" && error !== null
    ? Object.keys(error).length > 0
    : error === true;
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // Not JSON after all, so it says nothing by these conventions.
  }
}
