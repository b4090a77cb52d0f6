import assert from "node:assert/strict";
import { z } from "zod";
import { DatabaseError, EgressError, type Logger } from "../ports.ts";
import { createEndpoint, type EndpointOptions } from "./endpoint.ts";
import { HttpError } from "./errors.ts";
import { fakeMode } from "../testing/fake-mode.ts";

const KEYS = {
  url: "https://project.test",
  publishableKeys: { default: "sb_publishable_1", anon: "legacy.anon.jwt" },
  secretKeys: { default: "sb_secret_1", ci: "sb_secret_2", service_role: "legacy.service.jwt" },
};
const INTERNAL_TOKEN = "an internal token of some length";
const SECRET = { apikey: "sb_secret_1" };

interface Line {
  level: string;
  event: string;
  fields: Record<string, unknown>;
}

function recordingLogger(): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (event: string, fields: Record<string, unknown> = {}) => {
    lines.push({ level, event, fields });
  };
  return { logger: { info: at("info"), warn: at("warn"), error: at("error") }, lines };
}

/** An endpoint that echoes its input, and the calls its handler saw. */
function build<Input>(options: Partial<EndpointOptions<Input>> = {}) {
  const { logger, lines } = recordingLogger();
  const handled: { input: unknown; caller: unknown; rawBody: string }[] = [];
  const endpoint = createEndpoint<Input>({
    name: "echo",
    auth: "secret",
    keys: KEYS,
    internalToken: INTERNAL_TOKEN,
    logger,
    mode: fakeMode(),
    schema: z.object({ name: z.string() }) as unknown as z.ZodType<Input>,
    handler: (input, { caller, rawBody }) => {
      handled.push({ input, caller, rawBody: new TextDecoder().decode(rawBody) });
      return Promise.resolve({ success: true });
    },
    ...options,
  });
  return { endpoint, lines, handled };
}

function post(
  body: BodyInit | null = '{"name":"x"}',
  headers: Record<string, string> = SECRET,
  path = "/echo",
): Request {
  return new Request(`https://project.test${path}`, { method: "POST", body, headers });
}

async function errorOf(response: Response): Promise<{ status: number; code: string; details?: unknown }> {
  const { error } = await response.json();
  assert.equal(error.request_id, response.headers.get("x-request-id"));
  assert.equal(typeof error.message, "string");
  return { status: response.status, code: error.code, ...(error.details && { details: error.details }) };
}

Deno.test("a valid request reaches the handler and its result is the answer", async () => {
  const { endpoint, handled, lines } = build();
  const response = await endpoint(post());
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { success: true });
  assert.match(response.headers.get("server-timing")!, /auth;dur=[\d.]+, read;dur=.*total;dur=[\d.]+$/);
  assert.deepEqual(handled, [{
    input: { name: "x" },
    caller: { kind: "secret", keyName: "default" },
    rawBody: '{"name":"x"}',
  }]);
  assert.equal(lines.length, 1);
  assert.equal(lines[0]!.fields.request_id, response.headers.get("x-request-id"));
});

Deno.test("every way to show a valid credential is accepted, and the log says who called", async () => {
  const accepted: [auth: "secret" | "publishable", headers: Record<string, string>, caller: unknown][] = [
    ["secret", { apikey: "sb_secret_2" }, { kind: "secret", keyName: "ci" }],
    ["secret", { authorization: "Bearer sb_secret_1" }, { kind: "secret", keyName: "default" }],
    ["secret", { authorization: "Bearer legacy.service.jwt" }, { kind: "secret", keyName: "service_role" }],
    ["secret", { apikey: "wrong", authorization: "Bearer sb_secret_1" }, {
      kind: "secret",
      keyName: "default",
    }],
    ["secret", { "x-internal-token": INTERNAL_TOKEN }, { kind: "internal" }],
    ["secret", { "x-internal-token": INTERNAL_TOKEN, authorization: "Bearer legacy.anon.jwt" }, {
      kind: "internal",
    }],
    ["publishable", { authorization: "Bearer legacy.anon.jwt" }, { kind: "publishable", keyName: "anon" }],
    ["publishable", { apikey: "sb_publishable_1" }, { kind: "publishable", keyName: "default" }],
    ["publishable", { apikey: "sb_secret_1" }, { kind: "secret", keyName: "default" }],
  ];
  for (const [auth, headers, caller] of accepted) {
    const { endpoint, handled, lines } = build({ auth });
    assert.equal((await endpoint(post(undefined, headers))).status, 200, JSON.stringify(headers));
    assert.deepEqual(handled[0]!.caller, caller);
    assert.equal(lines[0]!.fields.caller, handled[0]!.caller && (caller as { kind: string }).kind);
  }
});

Deno.test("everything else is 401, always with the same text, and nothing of it reaches the log", async () => {
  const refused: Record<string, string>[] = [
    {},
    { apikey: "canary" },
    { authorization: "Bearer canary" },
    { authorization: "sb_secret_1" },
    { authorization: "Basic sb_secret_1" },
    { apikey: "sb_publishable_1" },
    { authorization: "Bearer legacy.anon.jwt" },
    { "x-internal-token": "canary" },
    { "x-internal-token": INTERNAL_TOKEN + "x" },
    { "x-internal-token": "" },
  ];
  const texts = new Set<string>();
  for (const headers of refused) {
    const { endpoint, handled, lines } = build();
    const response = await endpoint(post(undefined, headers));
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code, handled.length], [401, "auth.required", 0]);
    texts.add(error.message);
    assert.ok(!JSON.stringify(lines).includes("canary"));
  }
  assert.equal(texts.size, 1);
});

Deno.test("without an internal token configured, none is accepted", async () => {
  for (const token of ["", "undefined", INTERNAL_TOKEN]) {
    const { endpoint } = build({ internalToken: undefined });
    assert.equal((await endpoint(post(undefined, { "x-internal-token": token }))).status, 401);
  }
});

Deno.test("a project without keys refuses instead of failing", async () => {
  const { endpoint } = build({ keys: { url: "https://project.test", publishableKeys: {}, secretKeys: {} } });
  assert.equal((await endpoint(post())).status, 401);
});

Deno.test("a browser's preflight needs no key", async () => {
  const { endpoint, lines } = build();
  const response = await endpoint(new Request("https://project.test/echo", { method: "OPTIONS" }));
  assert.equal(response.status, 204);
  assert.match(response.headers.get("access-control-allow-headers")!, /authorization/);
  assert.equal(lines.length, 0);
});

Deno.test("browsers may read errors too", async () => {
  const response = await build().endpoint(post("{}", {}));
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
});

Deno.test("other methods are 405 and name the right one", async () => {
  const response = await build().endpoint(new Request("https://project.test/echo", { headers: SECRET }));
  assert.equal(response.headers.get("allow"), "POST, OPTIONS");
  assert.deepEqual(await errorOf(response), { status: 405, code: "request.method_not_allowed" });
});

Deno.test("a body of exactly the limit is accepted, one byte more is 413", async () => {
  const fitting = JSON.stringify({ name: "x".repeat(100 - '{"name":""}'.length) });
  assert.equal((await build({ maxBytes: 100 }).endpoint(post(fitting))).status, 200);
  const { endpoint, handled } = build({ maxBytes: 100 });
  assert.deepEqual(await errorOf(await endpoint(post(fitting + " "))), {
    status: 413,
    code: "request.too_large",
  });
  assert.equal(handled.length, 0);
});

Deno.test("an honest content length over the limit is refused before anything is read", async () => {
  let pulled = 0;
  const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
  const { endpoint } = build({ maxBytes: 100 });
  assert.equal((await endpoint(post(body, { ...SECRET, "content-length": "101" }))).status, 413);
  assert.equal(pulled, 0);
});

Deno.test("an endless body without a length is cut off at the limit", async () => {
  let sent = 0;
  let cancelled = false;
  const body = new ReadableStream({
    pull: (controller) => {
      sent += 60;
      controller.enqueue(new Uint8Array(60));
    },
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  assert.equal((await build({ maxBytes: 100 }).endpoint(post(body))).status, 413);
  assert.equal(sent, 120);
  assert.ok(cancelled);
});

Deno.test("a body that stops arriving is given up", async () => {
  const body = new ReadableStream({ pull: () => new Promise(() => {}) });
  const { endpoint } = build({ bodyTimeoutMs: 20 });
  assert.deepEqual(await errorOf(await endpoint(post(body))), { status: 408, code: "request.timeout" });
});

Deno.test("a sender that goes away in the middle is no internal error", async () => {
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("connection reset")) });
  assert.deepEqual(await errorOf(await build().endpoint(post(body))), {
    status: 400,
    code: "request.incomplete",
  });
});

Deno.test("what is not JSON in UTF-8 is 400 and is not quoted back", async () => {
  for (const body of ["{canary", "canary", '{"name":"canary"}}', new Uint8Array([0x22, 0xff, 0x22])]) {
    const { endpoint, lines } = build();
    const response = await endpoint(post(body));
    const text = await response.clone().text();
    assert.deepEqual(await errorOf(response), { status: 400, code: "request.invalid_json" });
    assert.ok(!(text + JSON.stringify(lines)).includes("canary"));
  }
});

Deno.test("what does not fit the schema is 422 with the path of each field", async () => {
  const schema = z.object({ id: z.uuid(), list: z.array(z.object({ status: z.number() })) });
  const { endpoint, handled } = build({ schema });
  const response = await endpoint(post('{"list":[{"status":1},{"status":"2"}]}'));
  const { status, code, details } = await errorOf(response);
  assert.deepEqual([status, code], [422, "request.invalid"]);
  assert.deepEqual((details as { path: string }[]).map((field) => field.path), ["id", "list.1.status"]);
  assert.equal(handled.length, 0);
});

Deno.test("an empty body is told what is missing", async () => {
  const { status, details } = await errorOf(await build().endpoint(post("")));
  assert.equal(status, 422);
  assert.equal((details as { path: string }[])[0]!.path, "name");
});

Deno.test("a body with thousands of wrong fields gets a short answer", async () => {
  const { endpoint } = build({ schema: z.object({ list: z.array(z.string()) }) });
  const response = await endpoint(post(JSON.stringify({ list: Array(10_000).fill(1) })));
  assert.ok((await response.text()).length < 5_000);
});

Deno.test("an endpoint can take a part of its input from the query", async () => {
  const { endpoint, handled } = build({
    input: (body, url) => ({ name: url.searchParams.get("name"), ...(body as object) }),
  });
  await endpoint(post("", SECRET, "/echo?name=query"));
  await endpoint(post('{"name":"body"}', SECRET, "/echo?name=query"));
  assert.deepEqual(handled.map((call) => call.input), [{ name: "query" }, { name: "body" }]);
});

Deno.test("a public webhook gets the raw body to verify, unparsed", async () => {
  const { endpoint, handled } = build({ auth: "none", schema: undefined });
  assert.equal((await endpoint(post("not json, signed", {}))).status, 200);
  assert.deepEqual(handled[0], {
    input: undefined,
    caller: { kind: "anonymous" },
    rawBody: "not json, signed",
  });
});

Deno.test("a handler may answer with a response of its own", async () => {
  const { endpoint } = build({
    handler: () => Promise.resolve(new Response("queued", { status: 202, headers: { "retry-after": "5" } })),
  });
  const response = await endpoint(post());
  assert.deepEqual([response.status, response.headers.get("retry-after")], [202, "5"]);
  assert.ok(response.headers.get("x-request-id"));
});

Deno.test("known failures keep their code and get their status", async () => {
  const expected: [failure: Error, status: number, code: string, message: RegExp][] = [
    [new HttpError("request.incomplete"), 400, "request.incomplete", /ended before/],
    [
      new DatabaseError("safe_mode.active", "Writes are off.", 409),
      409,
      "safe_mode.active",
      /^Writes are off\.$/,
    ],
    [new DatabaseError("report.invalid", "No id.", 400), 400, "report.invalid", /^No id\.$/],
    [
      new DatabaseError("database.unreachable", "canary", 503),
      503,
      "database.unreachable",
      /send the request/,
    ],
    [new DatabaseError("database.timeout", "canary", 504), 504, "database.timeout", /may have taken effect/],
    [new DatabaseError("database.error", "canary", 500), 500, "internal", /request id/],
    [new EgressError("egress.timeout", "canary", true), 500, "internal", /request id/],
  ];
  for (const [failure, status, code, message] of expected) {
    const { endpoint } = build({ handler: () => Promise.reject(failure) });
    const response = await endpoint(post());
    const { error } = await response.clone().json();
    assert.match(error.message, message);
    assert.deepEqual(await errorOf(response), { status, code });
  }
});

Deno.test("an unknown failure is 500 with a request id and no internals, and the log has the cause", async () => {
  for (
    const failure of [
      new Error("canary"),
      "canary",
      { code: "canary" },
      { code: "toString" },
      null,
      undefined,
    ]
  ) {
    const { endpoint, lines } = build({ handler: () => Promise.reject(failure) });
    const response = await endpoint(post());
    const text = await response.clone().text();
    assert.deepEqual(await errorOf(response), { status: 500, code: "internal" });
    assert.ok(!text.includes("canary"));
    assert.equal(lines[0]!.level, "error");
    if (failure instanceof Error) assert.match(String(lines[0]!.fields.error), /canary/);
  }
});

Deno.test("a handler that throws before it returns a promise is answered too", async () => {
  const { endpoint } = build({
    handler: () => {
      throw new Error("at once");
    },
  });
  assert.equal((await endpoint(post())).status, 500);
});
