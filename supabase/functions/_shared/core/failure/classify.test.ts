import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { classifyFailure } from "./classify.ts";
import type { Category, Failure } from "./failure.ts";

/** Classifies every sample and compares all answers at once, so that one wrong row does not hide the others. */
function expectCategories(samples: [Category, Failure][]): void {
  const got = samples.map(([, failure]) => [classifyFailure(failure).category, failure]);
  deepStrictEqual(got, samples);
}

const text = (error_message: string): Failure => ({ error_message });
const json = (http_status: number, body: unknown, provider?: string): Failure => ({
  http_status,
  body,
  provider,
});

Deno.test("the status decides when nobody says more", () => {
  expectCategories([
    ["auth", { http_status: 401 }],
    ["auth", { http_status: 403 }],
    ["rate_limit", { http_status: 429 }],
    ["network", { http_status: 408 }],
    ["network", { http_status: 500 }],
    ["network", { http_status: 503 }],
    ["network", { http_status: 522 }],
    ["network", { http_status: 529 }],
    ["data", { http_status: 400 }],
    ["data", { http_status: 402 }],
    ["data", { http_status: 404 }],
    ["data", { http_status: 413 }],
    ["data", { http_status: 422 }],
    ["unknown", { http_status: 304 }],
    ["unknown", { http_status: 200 }],
    ["unknown", {}],
  ]);
});

Deno.test("the provider's code beats its message, and the message beats the status", () => {
  expectCategories([
    ["auth", { http_status: 400, error_code: "invalid_grant", error_message: "Bad Request" }],
    ["rate_limit", { http_status: 403, error_code: "userRateLimitExceeded", error_message: "Access denied" }],
    ["rate_limit", { http_status: 403, error_message: "You have exceeded a secondary rate limit." }],
    ["data", { http_status: 403, error_message: "The requested blob is too large to fetch via the API." }],
    ["network", { http_status: 400, error_message: "Service temporarily unavailable" }],
  ]);
});

Deno.test("a text to the point beats a code that is used for everything", () => {
  expectCategories([
    ["auth", { http_status: 400, error_code: "INVALID_ARGUMENT", error_message: "API key not valid." }],
    ["data", {
      http_status: 400,
      error_code: "invalid_request_error",
      error_message: "Your credit balance is too low. Please upgrade or purchase credits.",
    }],
  ]);
});

Deno.test("a success status whose body tells of a failure is a failure", () => {
  expectCategories([
    ["rate_limit", json(200, { ok: false, error: "ratelimited" })],
    ["auth", json(200, { ok: false, error: "invalid_auth" })],
    ["rate_limit", json(200, { errors: [{ message: "Throttled", extensions: { code: "THROTTLED" } }] })],
    ["data", json(200, { errors: [{ message: "x", extensions: { code: "BAD_USER_INPUT" } }] })],
    ["data", json(200, { data: { productCreate: { userErrors: [{ field: ["title"], message: "?" }] } } })],
    ["rate_limit", json(200, "<Error><Code>SlowDown</Code><Message>Reduce it.</Message></Error>")],
  ]);
});

Deno.test("a limit of throughput is a rate limit whatever the status; one of storage, plan or licence is data", () => {
  expectCategories([
    ["rate_limit", { http_status: 400, error_code: "ThrottlingException" }],
    ["rate_limit", { http_status: 503, error_code: "SlowDown" }],
    ["rate_limit", { http_status: 403, error_code: "REQUEST_LIMIT_EXCEEDED" }],
    ["rate_limit", { http_status: 401, error_message: "Exceeded 2 calls per second for api client." }],
    ["rate_limit", { http_status: 403, headers: { "X-RateLimit-Remaining": "0" } }],
    ["data", { http_status: 403, error_code: "storageQuotaExceeded" }],
    ["data", { http_status: 400, error_code: "STORAGE_LIMIT_EXCEEDED" }],
    ["data", { http_status: 403, error_message: "This endpoint is not available on your current plan." }],
    ["data", { http_status: 401, error_message: "This feature needs a premium account." }],
  ]);
});

Deno.test("too much at once is a rate limit, however gateways and clients put it", () => {
  expectCategories([
    ["rate_limit", json(200, "<Fault><faultstring>MS_MAX_CONCURRENT_REQ</faultstring></Fault>")],
    ["rate_limit", text("Concurrency limit reached")],
    ["rate_limit", { http_status: 403, error_message: "You have used all your API calls for today" }],
    ["rate_limit", { http_status: 500, error_code: "policies.ratelimit.SpikeArrestViolation" }],
    ["rate_limit", text("Max retries exceeded with url: / (ResponseError('too many 429 error responses'))")],
    ["network", text("Max retries exceeded with url: / (ResponseError('too many 503 error responses'))")],
    ["network", text("Too many concurrent connections")],
    ["rate_limit", { http_status: 429, error_message: "Access exceeds what was consented to" }],
  ]);
});

Deno.test("numbers mean something in their provider's table only", () => {
  expectCategories([
    ["rate_limit", { ...json(400, { error: { code: 4, type: "OAuthException" } }), provider: "facebook" }],
    ["rate_limit", { ...json(200, { code: 45009 }), service_name: "wechat-notify" }],
    ["data", { http_status: 400, error_code: "21211", provider: "twilio" }],
    ["data", { http_status: 400, error_code: "4" }],
    ["network", { error_code: "40001", error_message: "could not serialize access" }],
    ["auth", { error_code: "40001", provider: "wechat" }],
  ]);
});

Deno.test("transport faults of every runtime are network", () => {
  expectCategories([
    "connect ECONNREFUSED 127.0.0.1:5432",
    "getaddrinfo EAI_AGAIN api.example.com",
    "socket hang up",
    "error sending request for url (https://x/): client error (Connect): dns error",
    'Get "https://api.example.com/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    "dial tcp 10.0.0.1:443: i/o timeout",
    "x509: certificate signed by unknown authority",
    "java.net.SocketTimeoutException: Read timed out",
    "javax.net.ssl.SSLHandshakeException: PKIX path building failed",
    "HTTPSConnectionPool(host='x', port=443): Max retries exceeded (Caused by NewConnectionError('Connection refused'))",
    "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    "cURL error 28: Operation timed out after 10001 milliseconds",
    "Net::ReadTimeout with #<TCPSocket:(closed)>",
    "The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing.",
    "READONLY You can't write against a read only replica.",
    "upstream connect error or disconnect/reset before headers",
    "Host key verification failed.",
    'could not translate host name "db" to address',
    "* BYE Autologout; idle for too long",
    "A network-related error occurred while establishing a connection. The server was not found.",
    "<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>",
  ].map((message) => ["network", text(message)]));
});

Deno.test("a request that the caller built wrongly is data", () => {
  expectCategories([
    "Invalid URL: 'not a url'",
    "Failed to parse URL from /api/x",
    "Request with GET/HEAD method cannot have body.",
    'unsupported protocol scheme ""',
    "options.port should be >= 0 and < 65536. Received 99999.",
    "cURL error 3: URL using bad/illegal format or missing URL",
    'null value in column "n" violates not-null constraint',
  ].map((message) => ["data", text(message)]));
});

Deno.test("a recipient's refusal is data, the caller's own credential is auth", () => {
  expectCategories([
    ["data", { http_status: 403, error_message: "Forbidden: bot was blocked by the user" }],
    ["data", {
      http_status: 400,
      error_message: "The registration token is not a valid FCM registration token",
    }],
    ["data", { http_status: 410, body: { reason: "Unregistered" } }],
    ["data", text("550 5.1.1 The email account that you tried to reach does not exist")],
    ["auth", text("535 5.7.8 Username and Password not accepted")],
    ["auth", { http_status: 403, error_message: "Insufficient privileges to complete the operation." }],
    ["auth", { http_status: 200, error_message: "User has not granted consent to the application" }],
  ]);
});

Deno.test("what a customer or an address lacks is data, not a credential or an outage", () => {
  expectCategories([
    ["data", json(400, { message: "Payment failed because of an incorrect OTP" })],
    ["data", {
      http_status: 400,
      error_message: "The service is unavailable between the selected locations.",
    }],
    ["data", text("The customer's address is incomplete")],
    ["data", { http_status: 422, error_message: "The account has run out of credits" }],
    ["data", { http_status: 409, error_message: "These dates are unavailable" }],
    ["data", { http_status: 400, error_message: "The file is password-protected" }],
  ]);
});

Deno.test("the commonest sentences are known in other languages, and English is not taken for one of them", () => {
  expectCategories([
    ["rate_limit", text("Zu viele Anfragen")],
    ["rate_limit", text("Trop de requêtes")],
    ["auth", text("Acceso denegado")],
    ["network", text("Zeitüberschreitung der Verbindung")],
    ["network", text("系统繁忙")],
    ["data", text("Champ obligatoire manquant")],
    ["network", { http_status: 500, error_message: "Got an invalid answer" }],
  ]);
});

Deno.test("a mistake of the calling program, or an end without a reason, is unknown", () => {
  expectCategories([
    "Cannot read properties of null (reading 'id')",
    "undefined method `foo' for nil:NilClass",
    "The signal has been aborted",
    "Exceeded 30 redirects.",
    "Unexpected token < in JSON at position 0",
    "Something happened",
    "Unknown error",
  ].map((message) => ["unknown", text(message)]));
});

Deno.test("a crash that a server reports is that server's trouble, not a riddle", () => {
  expectCategories([
    ["network", { http_status: 500, error_message: "Cannot read properties of undefined (reading 'id')" }],
    ["data", { http_status: 400, error_message: "Unexpected token < in JSON at position 0" }],
    ["network", { http_status: 500, error_code: "UNKNOWN_ERROR" }],
    ["network", { http_status: 500, body: { exception: "NullPointerException" } }],
  ]);
});

/** Asserts the same answer to "would a fresh token help?" for failures of one kind. */
function expectRefreshable(expected: boolean | null, failures: Failure[]): void {
  const wrong = failures.filter((failure) => classifyFailure(failure).refreshable !== expected);
  deepStrictEqual(wrong, []);
}

const refused = (error_message: string): Failure => ({ http_status: 401, error_message });
const challenged = (challenge: string): Failure => ({
  http_status: 401,
  headers: { "WWW-Authenticate": challenge },
});

Deno.test("a fresh token helps where an access token or session is stale, whatever the text adds", () => {
  expectRefreshable(true, [
    text("The access token expired"),
    text("JWT expired"),
    { error_code: "INVALID_SESSION_ID" },
    refused("The access token provided is expired, revoked, malformed, or invalid for other reasons."),
    refused("Your session has expired, please re-authenticate."),
    refused("Access denied. Token has expired."),
    refused("invalid token: signature is invalid"),
    refused("Invalid OAuth access token."),
    refused("ExpiredToken: . Reference:0"),
    refused("oauth_problem=token_expired&oauth_problem_advice=It%20has%20expired"),
    refused("Your login session has timed out"),
    challenged('Bearer realm="api"'),
    challenged('Bearer error="invalid_token"'),
  ]);
});

Deno.test("a stale token is known in other languages", () => {
  expectRefreshable(
    true,
    [
      "Das Token ist abgelaufen",
      "Le jeton d'accès a expiré",
      "El token ha expirado",
      "O token expirou",
      "Il token è scaduto",
      "Срок действия токена истёк",
      "不合法的access_token",
      "トークンの有効期限が切れています",
      "토큰이 만료되었습니다",
    ].map(text),
  );
});

Deno.test("a fresh token does not help where a grant, a permission or an account is gone", () => {
  expectRefreshable(false, [
    { http_status: 400, error_code: "invalid_grant" },
    { http_status: 401, error_code: "invalid_token", error_message: "Token was revoked." },
    { http_status: 403, error_code: "missing_scope" },
    { http_status: 403, error_message: "Your account has been suspended" },
    { http_status: 403, error_message: "This user is not a member of the organization" },
    { http_status: 403 },
    refused("Refresh token has expired, please re-authenticate"),
    refused("The consent was given but has expired"),
    refused("Team not authorized"),
    refused("unauthorized permission requested"),
    refused("IP not whitelisted"),
    refused("E-mail address not confirmed"),
  ]);
});

Deno.test("a fresh token does not help where keys, passwords or signatures are checked", () => {
  expectRefreshable(false, [
    refused("Incorrect API key provided"),
    refused("Invalid email or password"),
    refused("Invalid Access License number"),
    refused("Personal access token expired"),
    refused("Invalid nonce"),
    refused("Request not signed"),
    challenged('Basic realm="a, b", charset="UTF-8"'),
    challenged("Negotiate, NTLM"),
    { http_status: 401, provider: "telegram", error_message: "Unauthorized" },
    text("All configured authentication methods failed"),
    text("530 5.7.0 Authentication required"),
    text('connection to server at "db" failed: FATAL: no pg_hba.conf entry for host "1.2.3.4", SSL off'),
    text("Tunnel connection failed: 407 Proxy Authentication Required"),
  ]);
});

Deno.test("where nobody says what was refused, nobody knows whether a fresh token helps", () => {
  expectRefreshable(null, [
    { http_status: 401 },
    refused("Unauthorized"),
    text("websocket: bad handshake: HTTP 401"),
    challenged('OAuth realm="api"'),
    { http_status: 429 },
  ]);
});

Deno.test("the answer names who must act", () => {
  const owner = (failure: Failure) => classifyFailure(failure).owner;
  strictEqual(owner(text("JWT expired")), "us");
  strictEqual(owner({ http_status: 429 }), "us");
  strictEqual(owner(text("socket hang up")), "us");
  strictEqual(owner({ http_status: 503 }), "provider");
  strictEqual(owner({ http_status: 422 }), "you");
  strictEqual(owner({ http_status: 400, error_code: "invalid_grant" }), "you");
  strictEqual(owner({ http_status: 429, error_code: "insufficient_quota" }), "you");
});

Deno.test("evidence is found wherever clients and gateways put it", () => {
  expectCategories([
    [
      "auth",
      text('Error 400: {"error":"invalid_grant","error_description":"Token has been expired or revoked."}'),
    ],
    ["auth", json(400, "error=bad_verification_code&error_description=The+code+is+incorrect")],
    ["auth", { http_status: 400, headers: { "WWW-Authenticate": 'Bearer error="insufficient_scope"' } }],
    ["auth", { http_status: 400, body: { __type: "com.amazon.coral.service#ExpiredTokenException" } }],
    ["rate_limit", text("Request failed with status code 429")],
    ["network", { error_message: "fetch failed", body: { cause: { code: "UND_ERR_SOCKET" } } }],
    ["data", json(400, { errors: { title: ["can't be blank"] } })],
    [
      "data",
      json(
        500,
        "<s:Envelope><s:Fault><faultstring>Missing required element: Id</faultstring></s:Fault></s:Envelope>",
      ),
    ],
  ]);
});

Deno.test("signals say what was seen, the way people know it", () => {
  const { signals } = classifyFailure({
    http_status: 401,
    error_code: "token_expired",
    error_message: "Token expired",
  });
  ok(signals.includes("HTTP 401") && signals.includes("token_expired"), signals.join());
  deepStrictEqual(classifyFailure({}).signals, ["No pattern match"]);
});

Deno.test("a key that the text quotes does not reach the signals", () => {
  const { signals } = classifyFailure(text("API key sk_live_51HvX9 is invalid"));
  ok(!JSON.stringify(signals).includes("51HvX9"), signals.join());
});

Deno.test("agreeing evidence makes the answer more certain than contradicting evidence", () => {
  const agreeing = classifyFailure({
    http_status: 429,
    error_code: "rate_limited",
    error_message: "Too many requests",
  });
  const contradicting = classifyFailure({ http_status: 404, error_message: "Too many requests" });
  ok(agreeing.confidence > contradicting.confidence);
});

Deno.test("the wait that a rate limit asks for is part of the answer", () => {
  const failure = { http_status: 429, headers: { "Retry-After": "7" }, body: { retry_after: 9 } };
  strictEqual(classifyFailure(failure).retry_after_seconds, 9);
  const harmless = { "X-RateLimit-Remaining": "4989", "X-RateLimit-Reset": "1603378104" };
  const refused = { http_status: 403, error_message: "Must have push access", headers: harmless };
  strictEqual(classifyFailure({ ...refused, now: "2020-10-22T14:26:10Z" }).retry_after_seconds, null);
});

Deno.test("nothing that a provider sends makes it throw", () => {
  const any = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true });
  const anything = fc.record({
    http_status: any,
    provider: any,
    service_name: any,
    error_code: any,
    error_message: fc.oneof(fc.string(), fc.json(), any),
    headers: any,
    body: fc.oneof(fc.json(), fc.object(), any),
    now: any,
  }, { requiredKeys: [] });
  fc.assert(
    fc.property(anything, (failure) => {
      const { confidence, signals, retry_after_seconds: wait } = classifyFailure(failure as Failure);
      ok(confidence >= 0 && confidence <= 1 && signals.length > 0);
      ok(wait === null || (wait >= 0 && wait <= 86_400));
    }),
    { numRuns: 500 },
  );
});

Deno.test("a hostile text of 64 kB is answered: a pattern that backtracks would not end", () => {
  const pieces = [
    "a ",
    "<a>",
    "[{",
    '{"a":',
    "token ",
    "invalid ",
    "not authorized ",
    "1m",
    "_a",
    "a.",
    "'",
    "retry ",
  ];
  for (const piece of pieces) {
    const error_message = piece.repeat(Math.ceil(65_536 / piece.length));
    const code = error_message.slice(0, 200);
    const { confidence } = classifyFailure({ error_message, body: error_message, error_code: code });
    ok(confidence >= 0 && confidence <= 1, piece);
  }
});
