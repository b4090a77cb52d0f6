import net from "node:net";
import tls from "node:tls";
import { decideTarget } from "../core/egress/target.ts";
import { type Egress, EgressError, type EgressRequest, type EgressResponse } from "../ports.ts";
import { readText } from "./egress-body.ts";
import { timedOut, toEgressError } from "./egress-failure.ts";
import { type Resolve, resolveAndCheck, systemResolve, within } from "./egress-resolve.ts";

const MAX_RESPONSE_BYTES = 1024 * 1024;
const MAX_ADDRESSES = 3;

/** The connection's own business, wrong or dangerous when copied from a stored request. */
const CONNECTION_HEADERS = [
  ...[
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
  ],
  ...["transfer-encoding", "content-length", "expect", "accept-encoding"],
];

export interface EgressConfig {
  /** `host:port`s that may be private and may be reached without TLS. */
  privateHosts: string[];
  /** The system's resolver unless given. */
  resolve?: Resolve;
  /** The certificate authority to trust instead of the system's, in PEM. */
  ca?: string;
}

/**
 * The one way out of the product.
 *
 * A request goes out when its URL is allowed and every address of its host is public. The name is resolved once and the
 * connection made to an address that was checked, so that a second answer of the name server cannot lead it elsewhere;
 * TLS still verifies the name. Redirects are answers, proxies of the environment are not used, each request has its own
 * connection, and `timeoutMs` covers all of it, name resolution and body included.
 *
 * `send` throws `EgressError` with `egress.invalid_url | invalid_request | host_not_allowed | blocked_address | dns | tls |
 * connection | timeout | too_large`.
 */
export function createEgress(config: EgressConfig): Egress {
  return {
    async send(request) {
      const target = decideTarget(request.url, { ...config, allowedHosts: request.allowedHosts });
      if (!target.allowed) throw new EgressError(target.code, target.reason, false);
      const headers = prepareHeaders(request.headers);
      const deadline = AbortSignal.timeout(request.timeoutMs);
      const addresses = await resolveAndCheck(target, config.resolve ?? systemResolve, deadline);

      let failure: unknown;
      for (const address of addresses.slice(0, MAX_ADDRESSES)) {
        try {
          return await exchange(target.url, address, { ...request, headers }, deadline, config.ca);
        } catch (error) {
          failure = error;
          if ((error as EgressError).sent || deadline.aborted) break;
        }
      }
      throw failure;
    },
  };
}

/** Sends one request over one connection to one address. */
async function exchange(
  url: URL,
  address: string,
  request: EgressRequest,
  deadline: AbortSignal,
  ca?: string,
): Promise<EgressResponse> {
  // undici, because it sends over a socket that the caller connected, on Deno 2.1 as on 2.9; node:https refuses `lookup`
  // on 2.1. Loaded on first use: most invocations of a function send nothing.
  const { Client } = await import("undici");
  let sent = false;
  const client = new Client(url.origin, {
    connect: (_options, done) => {
      const socket = connect(url, address, ca);
      deadline.addEventListener("abort", () => socket.destroy());
      socket.once("error", (error) => done(error, null));
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
        sent = true;
        done(null, socket);
      });
    },
    // The deadline covers the whole exchange; timers of undici's own would outlive it.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const answer = async () => {
    const response = await client.request({
      path: url.pathname + url.search,
      method: request.method.toUpperCase() as "GET",
      headers: request.headers,
      body: request.body,
      signal: deadline,
      reset: true,
    });
    const headers = flatten(response.headers);
    const maxBytes = request.maxResponseBytes ?? MAX_RESPONSE_BYTES;
    const body = await readText(response.body, headers["content-encoding"], maxBytes);
    return { status: response.statusCode, headers, body };
  };
  try {
    return await within(deadline, answer());
  } catch (error) {
    throw deadline.aborted ? timedOut(url.hostname, sent) : toEgressError(error, url.hostname, sent);
  } finally {
    client.destroy().catch(() => {}); // Closing is best effort: the answer or the failure is already known.
  }
}

function connect(url: URL, address: string, ca?: string): net.Socket {
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  if (url.protocol === "http:") return net.connect({ host: address, port });
  const servername = url.hostname.startsWith("[") || net.isIP(url.hostname) ? undefined : url.hostname;
  return tls.connect({ host: address, port, servername, ca });
}

function prepareHeaders(headers: Record<string, string> = {}): Record<string, string> {
  let prepared: Headers;
  try {
    prepared = new Headers(headers);
  } catch {
    // The original text quotes the value, which may be a token.
    throw new EgressError(
      "egress.invalid_request",
      "A header's name or value holds characters that are not allowed",
      false,
    );
  }
  for (const name of CONNECTION_HEADERS) prepared.delete(name);
  if (!prepared.has("user-agent")) prepared.set("user-agent", "self-healing-for-supabase");
  return Object.fromEntries(prepared);
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value ?? ""].flat().join(", ")]),
  );
}
