/** Calls of a throw-away stack's functions. */
import type { Stack } from "../stack/stack.ts";

export interface FunctionAnswer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/**
 * Calls a function, with a secret key unless other headers are given.
 *
 * @param path from the function's name on: `/incidents/7`
 * @param body sent as JSON
 */
export async function callFunction(
  stack: Stack,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { apikey: stack.secrets.secretKey },
): Promise<FunctionAnswer> {
  const response = await fetch(`${stack.url}/functions/v1${path}`, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
