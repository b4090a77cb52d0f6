import type { z } from "zod";
import type { Auth, Caller } from "./authenticate.ts";
import { HttpError } from "./errors.ts";

/** What a handler learns about the request besides its input. */
export interface Context {
  request: Request;
  /** The body as it arrived, for signatures. */
  rawBody: Uint8Array;
  caller: Caller;
  /** What stands for the `:name`s of the route's path, decoded. */
  params: Record<string, string>;
  requestId: string;
}

/** How requests of one kind are answered. */
export interface Handling<Input> {
  auth: Auth;
  /**
   * `open`: answered in safe mode, too, as it only keeps account of what happens, or is the way out. Otherwise safe mode
   * refuses every method but GET.
   */
  inSafeMode?: "open";
  /** The shape of the input. Without it the body is not parsed, and the handler works on `context.rawBody`. */
  schema?: z.ZodType<Input>;
  /** What the schema sees of the request; the parsed body unless given. A request without a body has `{}`. */
  input?: (body: unknown, url: URL, params: Record<string, string>) => unknown;
  /** Its result is the JSON answer with status 200, or the answer itself when it is a `Response`. */
  handler: (input: Input, context: Context) => Promise<unknown>;
  maxBytes?: number;
  /** Limit for the body to arrive, in milliseconds. */
  bodyTimeoutMs?: number;
}

/** One method on one path. */
export interface Route<Input = unknown> extends Handling<Input> {
  /** A `GET` answers `HEAD`, too. */
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As the function sees it, so it begins with the function's name; `:id` stands for one segment: `/rules/:id`. */
  path: string;
}

/** A route among others: only its own handler has to know the type of its input. */
export function route<Input = undefined>(route: Route<Input>): Route {
  return route as Route;
}

/** Whether safe mode closes a route. */
export function isClosedInSafeMode({ method, inSafeMode }: Route): boolean {
  return method !== "GET" && inSafeMode !== "open";
}

/**
 * Finds what answers a request: of the routes that match the first one.
 *
 * @returns the route and its params, or the error to answer with: `request.not_found`, `request.method_not_allowed`
 */
export function createFinder(
  routes: Route[],
): (method: string, pathname: string) => { route: Route; params: Record<string, string> } | HttpError {
  const patterns = routes.map((route) => ({ route, pattern: new URLPattern({ pathname: route.path }) }));
  return (method, pathname) => {
    const matching = patterns.filter(({ pattern }) => pattern.test({ pathname }));
    if (matching.length === 0) return new HttpError("request.not_found");
    const wanted = method === "HEAD" ? "GET" : method;
    const found = matching.find(({ route }) => route.method === wanted);
    if (!found) return methodNotAllowed(matching.map(({ route }) => route.method));
    const params = decode(found.pattern.exec({ pathname })!.pathname.groups);
    return params ? { route: found.route, params } : new HttpError("request.not_found");
  };
}

function methodNotAllowed(methods: string[]): HttpError {
  const used = [...new Set(methods)];
  const allow = [...used.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]), "OPTIONS"];
  const headers = { allow: allow.join(", ") };
  return new HttpError("request.method_not_allowed", `Use ${used.join(" or ")}`, undefined, headers);
}

/** Null when it is not valid percent-encoding. */
function decode(groups: Record<string, string | undefined>): Record<string, string> | null {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value ?? "")]),
    );
  } catch {
    return null;
  }
}
