/** A service provider that fails in the ways real ones do, for the demo and tests. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { listen, readBody } from "./listen.ts";

/** How to answer one request. */
export type Behaviour = (response: ServerResponse) => void;

/** One request that the provider saw. */
export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
  /** `Date.now()` of its arrival. */
  at: number;
}

export interface Provider {
  /** `127.0.0.1:port`, as allowed hosts name it. */
  host: string;
  /** Base address, for example `http://127.0.0.1:40000`. */
  url: string;
  /** Every request, in the order of arrival. */
  requests: SeenRequest[];
  /** The bodies that had an effect: all that were answered with success, except repetitions of an idempotency key. */
  effects: string[];
  /** Answers the next requests to `path` with `next`, one each, and all that follow with `later` (success by default). */
  plan(path: string, next: Behaviour[], later?: Behaviour): void;
  stop(): Promise<void>;
}

/** The answers of real providers. */
export const behaviours = {
  ok: json(200, { ok: true }),
  /** RFC 6750, section 3.1. */
  expiredToken: json(401, { error: "invalid_token", error_description: "The access token expired" }, {
    "www-authenticate": 'Bearer error="invalid_token", error_description="The access token expired"',
  }),
  rateLimited: (seconds: number): Behaviour =>
    json(429, { error: { code: "rate_limit_exceeded", message: "Too many requests" } }, {
      "retry-after": String(seconds),
    }),
  /** What a load balancer shows when nothing is behind it. */
  unavailable: answer(503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>", {
    "content-type": "text/html",
  }),
  validation: json(400, {
    error: { code: "validation_error", message: "email: is not a valid address", field: "email" },
  }),
  /** Slack tells failures with status 200. */
  slackNotOk: json(200, { ok: false, error: "channel_not_found" }),
  reset: (response: ServerResponse) => void response.socket?.resetAndDestroy(),
  /** One byte a second, so that only a limit on the whole exchange ends it. */
  slowDrip: (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/json" });
    const timer = setInterval(() => response.write(" "), 1_000);
    response.on("close", () => clearInterval(timer));
  },
};

/**
 * Starts the provider on a free port. Requests below `/private/` need a bearer token that `isActive` accepts. A request
 * with an `Idempotency-Key` that had its effect already gets the answer of then, as at Stripe.
 */
export async function startProvider(
  { isActive = () => Promise.resolve(false) }: { isActive?: (token: string) => Promise<boolean> } = {},
): Promise<Provider> {
  const requests: SeenRequest[] = [];
  const effects: string[] = [];
  const knownKeys = new Set<string>();
  const plans = new Map<string, { next: Behaviour[]; later: Behaviour }>();

  async function choose(request: SeenRequest): Promise<Behaviour> {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (request.path.startsWith("/private/") && !await isActive(bearer)) return behaviours.expiredToken;
    const key = request.headers["idempotency-key"];
    if (knownKeys.has(String(key))) return behaviours.ok;
    const plan = plans.get(request.path);
    const behaviour = plan?.next.shift() ?? plan?.later ?? behaviours.ok;
    if (behaviour === behaviours.ok) {
      effects.push(request.body);
      if (key) knownKeys.add(String(key));
    }
    return behaviour;
  }

  const { host, stop } = await listen(async (request, response) => {
    // Clients silently repeat a request whose kept-alive connection was reset; a new connection shows the reset.
    response.shouldKeepAlive = false;
    const { method = "", headers, url = "" } = request;
    const seen = { method, headers, path: url.split("?")[0]!, at: Date.now(), body: await readBody(request) };
    requests.push(seen);
    (await choose(seen))(response);
  });
  return {
    ...{ host, url: `http://${host}`, requests, effects, stop },
    plan: (path, next, later = behaviours.ok) => void plans.set(path, { next: [...next], later }),
  };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Behaviour {
  return answer(status, JSON.stringify(body), { "content-type": "application/json", ...headers });
}

function answer(status: number, body: string, headers: Record<string, string>): Behaviour {
  return (response) => void response.writeHead(status, headers).end(body);
}
