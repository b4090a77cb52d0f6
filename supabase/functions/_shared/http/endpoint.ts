import type { z } from "zod";
import type { Logger } from "../ports.ts";
import { type Auth, authenticate, type Caller, type Keys } from "./authenticate.ts";
import { errorResponse, HttpError, type PublicError, toPublicError } from "./errors.ts";
import { parseJson, readBody } from "./read-body.ts";
import { validate } from "./validate.ts";

/** Browsers may call every endpoint: what protects it is the key, not the origin. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "authorization, apikey, content-type, x-client-info, x-internal-token, x-force-failure",
  "access-control-allow-methods": "POST, OPTIONS",
  "access-control-expose-headers": "x-request-id, server-timing, retry-after",
  "access-control-max-age": "86400",
};

/** What a handler learns about the request besides its input. */
export interface Context {
  request: Request;
  /** The body as it arrived, for signatures. */
  rawBody: Uint8Array;
  caller: Caller;
  requestId: string;
}

export interface EndpointOptions<Input> {
  /** The function's name, for the log. */
  name: string;
  auth: Auth;
  keys: Keys;
  internalToken?: string;
  logger: Logger;
  /** The shape of the input. Without it the body is not parsed, and the handler works on `context.rawBody`. */
  schema?: z.ZodType<Input>;
  /** What the schema sees of the request; the parsed body unless given. */
  input?: (body: unknown, url: URL) => unknown;
  /** Its result is the JSON answer with status 200, or the answer itself when it is a `Response`. */
  handler: (input: Input, context: Context) => Promise<unknown>;
  maxBytes?: number;
  /** Limit for the body to arrive, in milliseconds. */
  bodyTimeoutMs?: number;
}

/**
 * The one way a request enters: preflight, authentication, method, size, JSON, schema, handler, error mapping, and one
 * log line. Answers carry `X-Request-Id` and `Server-Timing`; errors look like
 * `{ "error": { "code", "message", "details"?, "request_id" } }`.
 */
export function createEndpoint<Input = undefined>(
  options: EndpointOptions<Input>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
    const run: Run = { requestId: crypto.randomUUID(), timings: [], last: performance.now() };
    const started = run.last;
    let response: Response;
    let failure: { error: unknown; shown: PublicError } | undefined;
    try {
      response = await answer(request, options, run);
    } catch (error) {
      failure = { error, shown: toPublicError(error) };
      response = errorResponse(failure.shown, run.requestId);
    }
    lap(run, "handle");
    const milliseconds = performance.now() - started;
    log(options, request, run, response.status, milliseconds, failure);
    return decorate(response, run, milliseconds);
  };
}

/** The state of one request on its way through the pipeline. */
interface Run {
  requestId: string;
  caller?: Caller;
  timings: string[];
  last: number;
}

async function answer<Input>(
  request: Request,
  options: EndpointOptions<Input>,
  run: Run,
): Promise<Response> {
  const caller = await authenticate(request, options.auth, options.keys, options.internalToken);
  lap(run, "auth");
  if (!caller) throw new HttpError("auth.required");
  run.caller = caller;
  if (request.method !== "POST") throw new HttpError("request.method_not_allowed", "Use POST");

  const rawBody = await readBody(request, options.maxBytes ?? 64 * 1024, options.bodyTimeoutMs ?? 10_000);
  const select = options.input ?? ((body) => body);
  const input = options.schema &&
    validate(options.schema, select(parseJson(rawBody), new URL(request.url)));
  lap(run, "read");

  const context = { request, rawBody, caller, requestId: run.requestId };
  const result = await options.handler(input as Input, context);
  return result instanceof Response ? result : Response.json(result);
}

function decorate(response: Response, run: Run, milliseconds: number): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(CORS)) headers.set(name, value);
  headers.set("x-request-id", run.requestId);
  headers.set("server-timing", [...run.timings, timing("total", milliseconds)].join(", "));
  return new Response(response.body, { status: response.status, headers });
}

function log<Input>(
  { logger, name }: EndpointOptions<Input>,
  request: Request,
  run: Run,
  status: number,
  milliseconds: number,
  failure?: { error: unknown; shown: PublicError },
): void {
  const fields = {
    function: name,
    method: request.method,
    status,
    code: failure?.shown.code,
    caller: run.caller?.kind,
    key_name: run.caller?.keyName,
    duration_ms: Math.round(milliseconds),
    request_id: run.requestId,
  };
  if (status < 500) return logger.info("request", fields);
  logger.error("request", { ...fields, error: describe(failure?.error) });
}

function describe(error: unknown): string | undefined {
  return error instanceof Error
    ? error.stack ?? error.message
    : error === undefined
    ? undefined
    : String(error);
}

function lap(run: Run, step: string): void {
  const now = performance.now();
  run.timings.push(timing(step, now - run.last));
  run.last = now;
}

function timing(step: string, milliseconds: number): string {
  return `${step};dur=${milliseconds.toFixed(1)}`;
}
