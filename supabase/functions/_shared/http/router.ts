import type { Logger, SystemMode } from "../ports.ts";
import {
  type Auth,
  authenticate,
  type Caller,
  type Credentials,
  isRole,
  requireRole,
} from "./authenticate.ts";
import { errorResponse, HttpError, type PublicError, toPublicError } from "./errors.ts";
import { parseJson, readBody } from "./read-body.ts";
import { createFinder, isClosedInSafeMode, type Route } from "./route.ts";
import { validate } from "./validate.ts";

/** Browsers may call every endpoint: what protects it is the key, not the origin. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "authorization, apikey, content-type, x-client-info, x-internal-token, x-force-failure",
  "access-control-expose-headers": "x-request-id, server-timing, retry-after",
  "access-control-max-age": "86400",
};

/** From the one that most may call to the one that fewest may. */
const WEAKEST_FIRST: Auth[] = ["publishable", "viewer", "operator", "admiral", "secret"];

export interface RouterOptions extends Credentials {
  /** The function's name, for the log. */
  name: string;
  logger: Logger;
  routes: Route[];
  /** Needed unless every route is a `GET` or open in safe mode. */
  mode?: SystemMode;
}

/**
 * The one way a request enters: preflight, authentication, path and method, size, JSON, schema, mode, handler, error
 * mapping, and one log line. Answers carry `X-Request-Id` and `Server-Timing`; errors look like
 * `{ "error": { "code", "message", "details"?, "request_id" } }`.
 *
 * To a caller who is not known every path and method that needs a credential looks alike, whether it exists or not.
 */
export function createRouter(options: RouterOptions): (request: Request) => Promise<Response> {
  const { name, roles, routes } = options;
  if (!roles && routes.some(({ auth }) => isRole(auth))) {
    throw new TypeError(`A route of ${name} asks for a role: give the router a source of roles`);
  }
  if (!options.mode && routes.some(isClosedInSafeMode)) {
    throw new TypeError(`A route of ${name} is closed in safe mode: give the router the system's mode`);
  }
  const find = createFinder(routes);
  const leastAuth = WEAKEST_FIRST.find((auth) => routes.some((route) => route.auth === auth)) ?? "none";
  const methods = [...new Set(routes.map(({ method }) => method)), "OPTIONS"];
  const cors = { ...CORS, "access-control-allow-methods": methods.join(", ") };

  return async (request) => {
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
    const run: Run = { requestId: crypto.randomUUID(), timings: [], last: performance.now() };
    const started = run.last;
    let response: Response;
    let failure: { error: unknown; shown: PublicError } | undefined;
    try {
      const found = find(request.method, new URL(request.url).pathname);
      run.route = found instanceof HttpError ? undefined : found.route;
      const auth = run.route?.auth ?? leastAuth;
      run.caller = await authenticate(request, auth, options);
      if (!run.caller) throw new HttpError("auth.required");
      requireRole(run.caller, auth);
      lap(run, "auth");
      if (found instanceof HttpError) throw found;
      response = await handle(request, { ...found, caller: run.caller }, run, options.mode);
    } catch (error) {
      failure = { error, shown: toPublicError(error) };
      response = errorResponse(failure.shown, run.requestId);
    }
    lap(run, "handle");
    const milliseconds = performance.now() - started;
    log(options, request, run, response.status, milliseconds, failure);
    return decorate(request, response, cors, run, milliseconds);
  };
}

async function handle(
  request: Request,
  { route, params, caller }: { route: Route; params: Record<string, string>; caller: Caller },
  run: Run,
  mode: SystemMode | undefined,
): Promise<Response> {
  const { schema, handler, input: select = (body) => body } = route;
  const rawBody = await readBody(request, route.maxBytes ?? 64 * 1024, route.bodyTimeoutMs ?? 10_000);
  const input = schema && validate(schema, select(parseJson(rawBody), new URL(request.url), params));
  lap(run, "read");
  if (isClosedInSafeMode(route)) {
    if (await mode!.isSafe()) throw new HttpError("safe_mode.active");
    lap(run, "mode");
  }

  const result = await handler(input, { request, rawBody, caller, params, requestId: run.requestId });
  return result instanceof Response ? result : Response.json(result);
}

/** The state of one request on its way through the pipeline. */
interface Run {
  requestId: string;
  caller?: Caller | null;
  route?: Route;
  timings: string[];
  last: number;
}

function decorate(
  request: Request,
  response: Response,
  cors: Record<string, string>,
  run: Run,
  milliseconds: number,
): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(cors)) headers.set(name, value);
  headers.set("x-request-id", run.requestId);
  headers.set("server-timing", [...run.timings, timing("total", milliseconds)].join(", "));
  const body = request.method === "HEAD" ? null : response.body;
  return new Response(body, { status: response.status, headers });
}

function log(
  { logger, name, routes }: RouterOptions,
  request: Request,
  { caller, route, requestId }: Run,
  status: number,
  milliseconds: number,
  failure?: { error: unknown; shown: PublicError },
): void {
  const fields = {
    function: name,
    method: request.method,
    route: routes.length > 1 ? route?.path : undefined,
    status,
    code: failure?.shown.code,
    caller: caller?.kind,
    key_name: caller && "keyName" in caller ? caller.keyName : undefined,
    user_id: caller?.kind === "user" ? caller.userId : undefined,
    duration_ms: Math.round(milliseconds),
    request_id: requestId,
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
