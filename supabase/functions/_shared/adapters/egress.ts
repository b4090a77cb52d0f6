import { lookup } from "node:dns/promises";
import net from "node:net";
import tls from "node:tls";
import { isPublicAddress } from "../core/egress/address.ts";
import { decideTarget } from "../core/egress/target.ts";
import { type Egress, EgressError, type EgressRequest, type EgressResponse } from "../ports.ts";
import { readText } from "./egress-body.ts";

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
  /** Turns a name into IP addresses; the system's resolver unless given. */
  resolve?: (hostname: string) => Promise<string[]>;
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
  try {
    const response = await client.request({
      path: url.pathname + url.search,
      method: request.method as "GET",
      headers: request.headers,
      body: request.body,
      signal: deadline,
      reset: true,
    });
    const answered = flatten(response.headers);
    const maxBytes = request.maxResponseBytes ?? MAX_RESPONSE_BYTES;
    const body = await readText(response.body, answered["content-encoding"], maxBytes);
    return { status: response.statusCode, headers: answered, body };
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

async function resolveAndCheck(
  target: { hostname: string; private: boolean },
  resolve: (hostname: string) => Promise<string[]>,
  deadline: AbortSignal,
): Promise<string[]> {
  const { hostname } = target;
  const late = Promise.withResolvers<never>();
  const onAbort = () => late.reject(timedOut(hostname, false));
  deadline.addEventListener("abort", onAbort);
  try {
    const addresses = await Promise.race([resolve(hostname), late.promise]);
    if (addresses.length === 0) throw new Error("no address");
    if (!target.private && !addresses.every(isPublicAddress)) {
      throw new EgressError(
        "egress.blocked_address",
        `${hostname} resolves to an address that is not public`,
        false,
      );
    }
    return addresses;
  } catch (error) {
    if (error instanceof EgressError) throw error;
    throw new EgressError("egress.dns", `The name ${hostname} does not resolve`, false);
  } finally {
    deadline.removeEventListener("abort", onAbort);
  }
}

async function systemResolve(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  // IPv4 first: many hosts of functions have no way out over IPv6.
  return found.sort((left, right) => left.family - right.family).map((entry) => entry.address);
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

function timedOut(hostname: string, sent: boolean): EgressError {
  return new EgressError("egress.timeout", `${hostname} did not answer completely in time`, sent);
}

function toEgressError(error: unknown, hostname: string, sent: boolean): EgressError {
  if (error instanceof EgressError) return error;
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return new EgressError(
      "egress.invalid_request",
      "The method or a header of the request is not valid",
      false,
    );
  }
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    return new EgressError("egress.too_large", `The headers of ${hostname}'s answer are too large`, sent);
  }
  // A refused certificate ends the handshake, before which TLS lets nothing of the request out.
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code) || /peer certificate/.test(message)) {
    return new EgressError("egress.tls", `The certificate of ${hostname} was not accepted`, false);
  }
  if (/_SSL_|_TLS_/.test(code) || /handshake|corrupt message/.test(message)) {
    return new EgressError("egress.tls", `The TLS connection to ${hostname} failed`, sent);
  }
  const reason = /^[A-Z_]{3,40}$/.test(code) ? ` (${code})` : "";
  return new EgressError("egress.connection", `The connection to ${hostname} failed${reason}`, sent);
}
