/**
 * The one port of the stack, with the paths and the manners of the hosted platform's gateway: API keys for the Data, Auth
 * and Storage APIs, `verify_jwt` for functions, preflight requests.
 */
import { jwtVerify } from "jose";
import { type FunctionHost, problem } from "./functions.ts";
import type { StackSecrets } from "./secrets.ts";
import type { ServerProcess } from "./server-process.ts";

/** What the gateway stands in front of. */
export interface Backends {
  api: ServerProcess;
  functions: FunctionHost;
  verifyJwt: (functionName: string) => boolean;
  secrets: StackSecrets;
  timeLimitMs: number;
}

/** Answers one request of a client. */
export async function handleRequest(request: Request, client: string, backends: Backends): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (/^\/(rest|auth|storage)\/v1(\/|$)/.test(pathname)) {
    return isPreflight(request) ? allowAnyOrigin(request) : await callApi(request, backends);
  }
  const functionName = /^\/functions\/v1\/([^/]+)/.exec(pathname)?.[1];
  if (functionName) return await callFunction(functionName, request, client, backends);
  return problem(
    404,
    "NOT_FOUND",
    "No such path: try /rest/v1, /auth/v1, /storage/v1 or /functions/v1/<name>",
  );
}

async function callFunction(
  name: string,
  request: Request,
  client: string,
  backends: Backends,
): Promise<Response> {
  if (!await backends.functions.has(name)) {
    return problem(404, "NOT_FOUND", "Requested function was not found");
  }
  // Preflight requests carry no credentials, so they always reach the function, which answers them itself.
  if (request.method !== "OPTIONS" && backends.verifyJwt(name)) {
    const token = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (!token) return problem(401, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header");
    if (!await isSigned(token, backends.secrets)) {
      return problem(401, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT");
    }
  }
  const headers = new Headers(request.headers);
  headers.set("x-forwarded-for", client);
  return await backends.functions.invoke(name, copyOf(request, request.url, headers));
}

async function isSigned(token: string, secrets: StackSecrets): Promise<boolean> {
  const key = new TextEncoder().encode(secrets.jwtSecret);
  return await jwtVerify(token, key, { algorithms: ["HS256"] }).then(() => true, () => false);
}

/** The local API knows only keys of the form sb_…; the legacy keys, which are signed tokens, stand for the same two. */
async function callApi(request: Request, { api, secrets, timeLimitMs }: Backends): Promise<Response> {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  const key = headers.get("apikey") ?? url.searchParams.get("apikey");
  const modern = new Map([[secrets.anonKey, secrets.publishableKey], [
    secrets.serviceRoleKey,
    secrets.secretKey,
  ]]);
  if (key && modern.has(key)) {
    headers.set("apikey", modern.get(key)!);
    if (headers.get("authorization") === `Bearer ${key}`) headers.delete("authorization");
    url.searchParams.delete("apikey");
  }
  const path = url.pathname + url.search;
  return await api.forward(copyOf(request, url, headers), path, timeLimitMs).catch((error) =>
    problem(503, "API_UNAVAILABLE", `The API did not answer: ${error.message}`)
  );
}

function copyOf({ method, body }: Request, url: string | URL, headers: Headers): Request {
  return new Request(url, { method, body, headers });
}

function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}

function allowAnyOrigin(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
      "access-control-max-age": "3600",
    },
  });
}
