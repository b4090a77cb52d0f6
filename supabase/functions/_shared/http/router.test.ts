import assert from "node:assert/strict";
import { z } from "zod";
import { DatabaseError, type Role, type RoleSource, type SystemMode } from "../ports.ts";
import { fakeMode } from "../testing/fake-mode.ts";
import { recordingLogger } from "../testing/recording-logger.ts";
import { actorOf, type Auth, type Caller } from "./authenticate.ts";
import { route } from "./route.ts";
import { createRouter } from "./router.ts";

const INTERNAL_TOKEN = "an internal token of some length";
const KEYS = {
  url: "https://project.test",
  publishableKeys: { default: "sb_publishable_1" },
  secretKeys: { ci: "sb_secret_1" },
};
const USER = "3f0c6a52-6f0e-4c57-9b0a-1c1b7e6f9d10";
const SECRET = { apikey: "sb_secret_1" };
const signedIn = (token: string) => ({ apikey: "sb_publishable_1", authorization: `Bearer ${token}` });

/** Knows a user by each role's name, one without a role, and a database that is gone. */
const roles: RoleSource = {
  roleOf(token) {
    if (token === "outage") return Promise.reject(new DatabaseError("database.unreachable", "canary", 503));
    const known = ["viewer", "operator", "admiral", "none"].includes(token);
    return Promise.resolve(known ? { userId: USER, role: token === "none" ? null : token as Role } : null);
  },
};

function build(routes = houses(), mode: SystemMode = fakeMode()) {
  const logger = recordingLogger();
  const router = createRouter({
    name: "houses",
    keys: KEYS,
    internalToken: INTERNAL_TOKEN,
    roles,
    logger,
    routes,
    mode,
  });
  return {
    lines: logger.lines,
    async call(method: string, path: string, headers: Record<string, string> = SECRET, body?: unknown) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      return await router(new Request(`https://project.test${path}`, { method, headers, body: text }));
    },
  };
}

/** Routes that answer with what their handler was given. */
function houses() {
  const echo = (name: string) => (input: unknown, { params, caller }: { params: unknown; caller: Caller }) =>
    Promise.resolve({ name, input, params, actor: actorOf(caller) });
  return [
    route({ method: "GET", path: "/houses", auth: "viewer", handler: echo("list") }),
    route({
      method: "POST",
      path: "/houses",
      auth: "operator",
      schema: z.object({ rooms: z.number() }),
      handler: echo("build"),
    }),
    route({ method: "GET", path: "/houses/schema", auth: "viewer", handler: echo("schema") }),
    route({
      method: "GET",
      path: "/houses/:id",
      auth: "viewer",
      schema: z.object({ id: z.string(), floor: z.string().optional() }),
      input: (_body, url, params) => ({ ...params, ...Object.fromEntries(url.searchParams) }),
      handler: echo("read"),
    }),
    route({ method: "DELETE", path: "/houses/:id", auth: "admiral", handler: echo("demolish") }),
    route({ method: "POST", path: "/houses/:id/sell", auth: "operator", handler: echo("sell") }),
  ];
}

async function errorOf(response: Response): Promise<{ status: number; code: string; details?: unknown }> {
  const { error } = await response.json();
  return { status: response.status, code: error.code, ...(error.details && { details: error.details }) };
}

Deno.test("each method on each path has its handler, which gets the path's params and the schema's input", async () => {
  const { call } = build();
  const answered = async (...request: [string, string, Record<string, string>?, unknown?]) => {
    const response = await call(...request);
    const { name, input, params } = await response.json();
    return [response.status, name, input, params];
  };
  assert.deepEqual(await answered("GET", "/houses"), [200, "list", undefined, {}]);
  assert.deepEqual(await answered("POST", "/houses", SECRET, { rooms: 3 }), [200, "build", { rooms: 3 }, {}]);
  assert.deepEqual(await answered("GET", "/houses/7?floor=2"), [200, "read", { id: "7", floor: "2" }, {
    id: "7",
  }]);
  assert.deepEqual(await answered("DELETE", "/houses/7"), [200, "demolish", undefined, { id: "7" }]);
  assert.deepEqual(await answered("POST", "/houses/7/sell"), [200, "sell", undefined, { id: "7" }]);
});

Deno.test("of two routes that match, the first one answers", async () => {
  assert.equal((await (await build().call("GET", "/houses/schema")).json()).name, "schema");
});

Deno.test("a param is decoded, and is one segment whatever it holds", async () => {
  const { params } = await (await build().call("GET", "/houses/a%2Fb%20%C3%BC")).json();
  assert.deepEqual(params, { id: "a/b ü" });
  assert.deepEqual(await errorOf(await build().call("GET", "/houses/%zz")), {
    status: 404,
    code: "request.not_found",
  });
});

Deno.test("an input that does not fit its route's schema is 422, a body over its route's limit 413", async () => {
  const { status, code, details } = await errorOf(
    await build().call("POST", "/houses", SECRET, { rooms: "3" }),
  );
  assert.deepEqual([status, code, (details as { path: string }[])[0]!.path], [
    422,
    "request.invalid",
    "rooms",
  ]);
  const small = [route({ ...houses()[1]!, maxBytes: 10 })];
  assert.equal((await build(small).call("POST", "/houses", SECRET, { rooms: 1000 })).status, 413);
});

Deno.test("a path that nothing answers is 404, another method on a known path 405 with those that it has", async () => {
  const { call } = build();
  for (const path of ["/", "/house", "/houses/", "/houses/7/sell/now", "/functions/v1/houses"]) {
    assert.deepEqual(
      await errorOf(await call("GET", path)),
      { status: 404, code: "request.not_found" },
      path,
    );
  }
  const allowed = async (method: string, path: string) => {
    const response = await call(method, path);
    assert.deepEqual(await errorOf(response), { status: 405, code: "request.method_not_allowed" });
    return response.headers.get("allow");
  };
  assert.equal(await allowed("PUT", "/houses"), "GET, HEAD, POST, OPTIONS");
  assert.equal(await allowed("POST", "/houses/7"), "GET, HEAD, DELETE, OPTIONS");
  assert.equal(await allowed("POST", "/houses/schema"), "GET, HEAD, DELETE, OPTIONS");
  assert.equal(await allowed("GET", "/houses/7/sell"), "POST, OPTIONS");
});

Deno.test("HEAD answers as GET does, without the body", async () => {
  const response = await build().call("HEAD", "/houses/7");
  assert.deepEqual([response.status, await response.text()], [200, ""]);
  assert.equal((await build().call("HEAD", "/houses/7/sell")).status, 405);
});

Deno.test("a preflight names all methods in use, whatever the path", async () => {
  for (const path of ["/houses", "/nowhere"]) {
    const response = await build().call("OPTIONS", path, {});
    assert.equal(response.status, 204);
    assert.equal(response.headers.get("access-control-allow-methods"), "GET, POST, DELETE, OPTIONS");
  }
});

Deno.test("who is not authenticated cannot tell a path that exists from one that does not", async () => {
  const { call } = build();
  const answers = new Set<string>();
  const unknown: Record<string, string>[] = [
    {},
    signedIn("forged"),
    { apikey: "sb_publishable_1" },
    { authorization: "Basic x" },
  ];
  for (const headers of unknown) {
    for (const path of ["/houses", "/houses/7", "/houses/7/sell", "/nowhere", "/houses/%zz"]) {
      for (const method of ["GET", "POST", "PUT", "DELETE"]) {
        const response = await call(method, path, headers);
        const { error } = await response.json();
        answers.add([response.status, error.code, error.message, [...response.headers.keys()]].join());
      }
    }
  }
  assert.equal(answers.size, 1);
  assert.match([...answers][0]!, /^401,auth\.required,/);
});

Deno.test("a public route among others does not give away which paths exist beside it", async () => {
  const hook = route({
    method: "POST",
    path: "/houses/hook",
    auth: "none",
    handler: () => Promise.resolve({}),
  });
  const { call } = build([...houses(), hook]);
  assert.equal((await call("POST", "/houses/hook", {})).status, 200);
  assert.equal((await call("GET", "/houses/7", {})).status, 401);
  assert.equal((await call("GET", "/nowhere", {})).status, 401);
});

Deno.test("a user may do what his role and every lesser one may, and a machine everything", async () => {
  const needed: [auth: Auth, method: string, path: string, body?: unknown][] = [
    ["viewer", "GET", "/houses"],
    ["operator", "POST", "/houses", { rooms: 1 }],
    ["admiral", "DELETE", "/houses/7"],
  ];
  const allowed: Record<string, string[]> = {};
  for (const who of ["none", "viewer", "operator", "admiral"]) {
    for (const [auth, method, path, body] of needed) {
      const { status } = await build().call(method, path, signedIn(who), body);
      assert.ok(status === 200 || status === 403, `${who} on ${path}: ${status}`);
      if (status === 200) (allowed[who] ??= []).push(auth);
    }
  }
  assert.deepEqual(allowed, {
    viewer: ["viewer"],
    operator: ["viewer", "operator"],
    admiral: ["viewer", "operator", "admiral"],
  });
  const machines: Record<string, string>[] = [SECRET, { authorization: "Bearer sb_secret_1" }, {
    "x-internal-token": INTERNAL_TOKEN,
  }];
  for (const headers of machines) {
    assert.equal((await build().call("DELETE", "/houses/7", headers)).status, 200);
  }
});

Deno.test("a refused user learns which role he needs and how it is granted", async () => {
  for (const [who, has] of [["none", null], ["viewer", "viewer"]]) {
    const response = await build().call("POST", "/houses/7/sell", signedIn(who!));
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code], [403, "auth.role_required"]);
    assert.deepEqual(error.details, { required: "operator", role: has });
    assert.match(error.message, /"operator"/);
    assert.ok(error.message.includes(`insert into operators (user_id, role) values ('${USER}', 'operator')`));
  }
});

Deno.test("an access token needs no key beside it, and does not replace one where no role is asked for", async () => {
  assert.equal((await build().call("GET", "/houses", { authorization: "Bearer viewer" })).status, 200);
  for (const auth of ["secret", "publishable"] as const) {
    const machines = [route({ method: "GET", path: "/houses", auth, handler: () => Promise.resolve({}) })];
    const { status } = await build(machines).call("GET", "/houses", { authorization: "Bearer admiral" });
    assert.equal(status, 401);
  }
});

Deno.test("when roles cannot be read nobody is let in, and it is not called a missing role", async () => {
  const response = await build().call("GET", "/houses", signedIn("outage"));
  const text = await response.clone().text();
  assert.deepEqual(await errorOf(response), { status: 503, code: "database.unreachable" });
  assert.ok(!text.includes("canary"));
});

Deno.test("the log says who called what, by the route and not by the path, and who was refused", async () => {
  const { call, lines } = build();
  await call("GET", "/houses/canary", signedIn("viewer"));
  await call("DELETE", "/houses/canary", signedIn("viewer"));
  const [called, refused] = lines.map(({ fields }) => fields);
  assert.deepEqual([called!.route, called!.caller, called!.user_id], ["/houses/:id", "user", USER]);
  assert.deepEqual([refused!.route, refused!.caller, refused!.user_id], ["/houses/:id", "user", USER]);
  assert.deepEqual([called!.status, refused!.status], [200, 403]);
  assert.ok(!JSON.stringify(lines).includes("canary"));
});

Deno.test("the audit log's actor is the user, the key by its name, or the system itself", () => {
  assert.equal(actorOf({ kind: "user", userId: USER, role: "viewer" }), `user:${USER}`);
  assert.equal(actorOf({ kind: "secret", keyName: "ci" }), "key:ci");
  assert.equal(actorOf({ kind: "internal" }), "system");
  assert.equal(actorOf({ kind: "anonymous" }), "anonymous");
});

Deno.test("a route for users without a source of roles is refused when the function starts", () => {
  const options = { name: "houses", keys: KEYS, logger: recordingLogger(), routes: houses() };
  assert.throws(() => createRouter(options), /houses asks for a role/);
});

Deno.test("in safe mode everything but reading is 503 and says when to come again, whoever asks", async () => {
  const { call, lines } = build(houses(), fakeMode(true));
  const writes: [string, string, unknown?][] = [
    ["POST", "/houses", { rooms: 1 }],
    ["DELETE", "/houses/7"],
    ["POST", "/houses/7/sell"],
  ];
  for (const headers of [SECRET, signedIn("admiral"), { "x-internal-token": INTERNAL_TOKEN }]) {
    for (const [method, path, body] of writes) {
      const response = await call(method, path, headers, body);
      assert.equal(response.headers.get("retry-after"), "60");
      assert.deepEqual(await errorOf(response), { status: 503, code: "safe_mode.active" });
    }
  }
  assert.equal(lines.length, 9);
  for (const method of ["GET", "HEAD", "OPTIONS"]) assert.ok((await call(method, "/houses")).ok, method);
});

Deno.test("what is open in safe mode works in it, without a question", async () => {
  const mode = fakeMode(true);
  const open = houses().map((house) => ({ ...house, inSafeMode: "open" as const }));
  const { call } = build(open, mode);
  assert.equal((await call("POST", "/houses", SECRET, { rooms: 1 })).status, 200);
  assert.equal((await call("DELETE", "/houses/7")).status, 200);
  assert.equal(mode.asked, 0);
});

Deno.test("every write asks for the mode anew, and only after it is clear that it could be done", async () => {
  const mode = fakeMode();
  const { call } = build(houses(), mode);
  const sell = async () => (await call("POST", "/houses/7/sell")).status;
  assert.equal(await sell(), 200);
  mode.safe = true;
  assert.equal(await sell(), 503);
  mode.safe = false;
  assert.equal(await sell(), 200);
  assert.equal(mode.asked, 3);
  await call("GET", "/houses");
  await call("POST", "/houses", {}, { rooms: 1 });
  await call("POST", "/houses", signedIn("viewer"), { rooms: 1 });
  await call("POST", "/houses", SECRET, { rooms: "3" });
  await call("PUT", "/houses", SECRET, {});
  assert.equal(mode.asked, 3);
});

Deno.test("when the mode cannot be read nothing is written, and it is not called safe mode", async () => {
  let sold = 0;
  const sell = route({
    ...{ method: "POST", path: "/houses/:id/sell", auth: "operator" },
    handler: () => Promise.resolve({ sold: ++sold }),
  });
  const unreadable = () => Promise.reject(new DatabaseError("database.unreachable", "canary", 503));
  const response = await build([sell], { isSafe: unreadable }).call("POST", "/houses/7/sell");
  assert.deepEqual(await errorOf(response), { status: 503, code: "database.unreachable" });
  assert.equal(sold, 0);
});

Deno.test("a guarded table that refuses a write in the last moment answers as the pipeline does", async () => {
  const refuse = () => Promise.reject(new DatabaseError("safe_mode.active", "receipts is guarded", 503));
  const route1 = route({ method: "POST", path: "/houses", auth: "operator", handler: refuse });
  const response = await build([route1]).call("POST", "/houses");
  assert.equal(response.headers.get("retry-after"), "60");
  assert.deepEqual(await errorOf(response), { status: 503, code: "safe_mode.active" });
});

Deno.test("a route that safe mode closes is refused when the function starts without a mode", () => {
  const options = { name: "houses", keys: KEYS, logger: recordingLogger(), roles };
  const create = (routes: ReturnType<typeof houses>) => () => createRouter({ ...options, routes });
  assert.throws(create(houses()), /houses is closed in safe mode/);
  create(houses().filter(({ method }) => method === "GET"))();
  create(houses().map((house) => ({ ...house, inSafeMode: "open" as const })))();
});
