import assert from "node:assert/strict";
import { UnsecuredJWT } from "jose";
import { DatabaseError } from "../ports.ts";
import { createRoleSource } from "./roles.ts";

const USER = "3f0c6a52-6f0e-4c57-9b0a-1c1b7e6f9d10";
/** Whether a token is signed is the Data API's business: here only what it claims matters. */
const tokenOf = (claims: Record<string, unknown>) => new UnsecuredJWT(claims).encode() + "signature";
const TOKEN = tokenOf({ sub: USER, role: "authenticated" });

type Answer = { status: number; body: unknown } | "hang";

/** What the Data API is asked, and what `roleOf` makes of its answer. */
async function ask(answer: Answer, token = TOKEN) {
  const seen: { path: string; apikey: string | null; authorization: string | null }[] = [];
  const hanging = Promise.withResolvers<Response>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const header = (name: string) => request.headers.get(name);
    const { pathname: path } = new URL(request.url);
    seen.push({ path, apikey: header("apikey"), authorization: header("authorization") });
    return answer === "hang" ? hanging.promise : Response.json(answer.body, { status: answer.status });
  });
  try {
    const roles = createRoleSource({
      url: `http://127.0.0.1:${server.addr.port}`,
      publishableKeys: { default: "sb_publishable_x" },
      timeoutMs: 250,
    });
    return { seen, result: await roles.roleOf(token).catch((error) => error) };
  } finally {
    hanging.resolve(new Response());
    await server.shutdown();
  }
}

const refusal = (status: number, code: string): Answer => ({ status, body: { code, message: "no" } });

Deno.test("the question carries the user's own token and no secret key", async () => {
  const { seen, result } = await ask({ status: 200, body: "operator" });
  assert.deepEqual(result, { userId: USER, role: "operator" });
  assert.deepEqual(seen, [{
    path: "/rest/v1/rpc/my_role",
    apikey: "sb_publishable_x",
    authorization: `Bearer ${TOKEN}`,
  }]);
});

Deno.test("a user without a role is a user without a role", async () => {
  assert.deepEqual((await ask({ status: 200, body: null })).result, { userId: USER, role: null });
});

Deno.test("a token that the Data API does not accept is nobody's", async () => {
  for (const code of ["PGRST301", "PGRST302", "PGRST303", "42501"]) {
    assert.equal((await ask(refusal(401, code))).result, null, code);
  }
});

Deno.test("what no user's token can be is refused without a question", async () => {
  const tokens = [
    "",
    "sb_publishable_x",
    "a.b.c",
    tokenOf({}),
    tokenOf({ role: "anon" }),
    tokenOf({ role: "service_role", sub: USER }),
    tokenOf({ role: "authenticated" }),
    tokenOf({ role: "authenticated", sub: "user_2abc" }),
    tokenOf({ role: "authenticated", sub: 7 }),
  ];
  for (const token of tokens) {
    const { seen, result } = await ask({ status: 200, body: "admiral" }, token);
    assert.deepEqual([result, seen], [null, []], token);
  }
});

Deno.test("a failure of the database is an error, not a missing role", async () => {
  const expected: [Answer, string][] = [
    ["hang", "database.timeout"],
    [refusal(503, "PGRST002"), "database.unreachable"],
    [refusal(500, "PGRST300"), "database.error"],
    [refusal(404, "PGRST202"), "database.error"],
    [refusal(403, "42501"), "database.error"],
    [{ status: 401, body: { message: "Invalid API key" } }, "database.error"],
    [{ status: 502, body: "<html>" }, "database.unreachable"],
  ];
  for (const [answer, code] of expected) {
    const { result } = await ask(answer);
    assert.ok(result instanceof DatabaseError, JSON.stringify(answer));
    assert.equal(result.code, code);
  }
});

Deno.test("without a publishable key the error says what is missing", () => {
  const missing = { url: "http://127.0.0.1", publishableKeys: {} };
  assert.throws(() => createRoleSource(missing), /SUPABASE_PUBLISHABLE_KEYS is missing/);
});
