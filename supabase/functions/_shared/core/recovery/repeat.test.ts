import assert from "node:assert/strict";
import { type FailedCall, isRepeatSafe } from "./repeat.ts";

const call = (known: Partial<FailedCall>): FailedCall => ({
  category: "network",
  httpStatus: null,
  errorCode: null,
  errorMessage: null,
  ...known,
});
const request = (method: string, idempotency_key?: string) => ({
  method,
  url: "https://a.test/",
  idempotency_key,
});
const outage = call({ httpStatus: 503 });

Deno.test("idempotent methods may always be repeated, in any spelling", () => {
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "get"]) {
    assert.equal(isRepeatSafe(request(method), outage, null), true, method);
  }
  for (const method of ["POST", "PATCH", "LOCK"]) {
    assert.equal(isRepeatSafe(request(method), outage, null), false, method);
  }
});

Deno.test("a POST with an idempotency key may be repeated only where the provider honours keys", () => {
  assert.equal(isRepeatSafe(request("POST", "k1"), outage, "Idempotency-Key"), true);
  assert.equal(isRepeatSafe(request("POST", "k1"), outage, null), false);
  assert.equal(isRepeatSafe(request("POST"), outage, "Idempotency-Key"), false);
});

Deno.test("a key that was sent as a plain header counts, in any spelling", () => {
  const headers = { "idempotency-KEY": "k1" };
  assert.equal(isRepeatSafe({ ...request("POST"), headers }, outage, "Idempotency-Key"), true);
  assert.equal(isRepeatSafe({ ...request("POST"), headers }, outage, "X-Other-Key"), false);
});

Deno.test("a POST may be repeated when the failure proves that nothing was done", () => {
  const proofs: Partial<FailedCall>[] = [
    { httpStatus: 401, category: "auth" },
    { httpStatus: 403, category: "auth" },
    { httpStatus: 429, category: "rate_limit" },
    { httpStatus: 400, category: "rate_limit" },
    { httpStatus: 503, category: "rate_limit" },
    { httpStatus: 200, category: "auth" },
    { category: "auth", errorMessage: "token expired" },
    { errorCode: "ECONNREFUSED" },
    { errorCode: "egress.dns" },
    { errorCode: "circuit_open" },
    { errorCode: "safe_mode.unknown" },
    { errorMessage: "dial tcp: lookup api.test: no such host" },
    { errorMessage: "getaddrinfo ENOTFOUND api.test" },
    { errorMessage: "unable to get local issuer certificate" },
    { errorMessage: "self-signed certificate in certificate chain" },
    { errorMessage: "unable to verify the first certificate" },
    { errorMessage: "certificate has expired" },
    { errorMessage: "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed" },
    { errorMessage: "tls: failed to verify certificate: x509: certificate signed by unknown authority" },
    { errorMessage: "invalid peer certificate: UnknownIssuer" },
    { errorCode: "egress.tls", errorMessage: "The certificate of api.test was not accepted" },
    { errorCode: "DEPTH_ZERO_SELF_SIGNED_CERT" },
  ];
  for (const proof of proofs) {
    assert.equal(isRepeatSafe(request("POST"), call(proof), null), true, JSON.stringify(proof));
  }
});

Deno.test("a POST is not repeated when its outcome is unknown", () => {
  const ambiguous: Partial<FailedCall>[] = [
    { httpStatus: 500 },
    { httpStatus: 502 },
    { httpStatus: 504 },
    { httpStatus: 408 },
    { httpStatus: 200, category: "unknown" },
    { httpStatus: 500, category: "auth" },
    { httpStatus: 500, category: "rate_limit" },
    { errorCode: "ECONNRESET" },
    { errorCode: "egress.timeout" },
    { errorMessage: "socket hang up" },
    { errorMessage: "read ECONNRESET while sending certificate.pdf" },
    { errorMessage: "timeout: POST /gift-certificates" },
    {},
  ];
  for (const failed of ambiguous) {
    assert.equal(isRepeatSafe(request("POST"), call(failed), null), false, JSON.stringify(failed));
  }
});

Deno.test("words about a refused connection in the answer of a server prove nothing", () => {
  const failed = call({ httpStatus: 502, errorMessage: "upstream: connection refused" });
  assert.equal(isRepeatSafe(request("POST"), failed, null), false);
});
