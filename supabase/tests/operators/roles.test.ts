/** A function that asks for a role, with users of the real Auth API and roles in the real database. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";
import { decodeJwt, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { createRoleSource } from "../../functions/_shared/adapters/roles.ts";
import { actorOf } from "../../functions/_shared/http/authenticate.ts";
import { route } from "../../functions/_shared/http/route.ts";
import { createRouter } from "../../functions/_shared/http/router.ts";
import { recordingLogger } from "../../functions/_shared/testing/recording-logger.ts";

let stack: Stack;
let fetchHouse: (request: Request) => Promise<Response>;
const logger = recordingLogger();

Deno.test.beforeAll(async () => {
  stack = await testStack();
  fetchHouse = houseOf(stack.url);
});

Deno.test.afterAll(() => stack.stop());

/** The function, as it would be on a project at this address. */
function houseOf(url: string) {
  const { publishableKey, secretKey } = stack.secrets;
  const keys = { url, publishableKeys: { default: publishableKey }, secretKeys: { ci: secretKey } };
  return createRouter({
    ...{ name: "house", keys, logger, roles: createRoleSource(keys) },
    routes: (["viewer", "operator", "admiral"] as const).map((auth) =>
      route({
        ...{ method: "GET", path: `/house/${auth}`, auth },
        handler: (_input, { caller }) => Promise.resolve({ actor: actorOf(caller) }),
      })
    ),
  });
}

async function visit(role: string, headers: Record<string, string>) {
  const response = await fetchHouse(new Request(`https://project.test/house/${role}`, { headers }));
  return { status: response.status, ...await response.json() };
}

/** The status for each role's endpoint: viewer, operator, admiral. */
async function statuses(token: string): Promise<number[]> {
  const headers = { apikey: stack.secrets.publishableKey, authorization: `Bearer ${token}` };
  const answers = ["viewer", "operator", "admiral"].map(async (role) => (await visit(role, headers)).status);
  return await Promise.all(answers);
}

async function signUp(name: string): Promise<{ id: string; token: string }> {
  const client = createClient(stack.url, stack.secrets.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { data, error } = await client.auth.signUp({
    email: `${name}@example.com`,
    password: crypto.randomUUID(),
  });
  equal(error, null);
  return { id: data.user!.id, token: data.session!.access_token };
}

Deno.test("a user is let in as far as his role goes, from when it is granted until it is revoked", async () => {
  const { id, token } = await signUp("ada");
  deepEqual(await statuses(token), [403, 403, 403]);

  const grant = (role: string) =>
    stack.sql`insert into operators (user_id, role) values (${id}, ${role})
    on conflict (user_id) do update set role = excluded.role`;
  await grant("viewer");
  deepEqual(await statuses(token), [200, 403, 403]);
  await grant("admiral");
  deepEqual(await statuses(token), [200, 200, 200]);
  await grant("operator");
  deepEqual(await statuses(token), [200, 200, 403]);

  await stack.sql`delete from operators where user_id = ${id}`;
  deepEqual(await statuses(token), [403, 403, 403]);
  const log = await stack.sql`
    select action, result from audit_log where resource = ${`user:${id}`} order by immutable_seq`;
  deepEqual(log.map(({ action, result }) => `${action} ${result}`), [
    "role.granted viewer",
    "role.changed admiral",
    "role.changed operator",
    "role.revoked none",
  ]);
});

Deno.test("the statement in the refusal grants what was missing, and the handler knows who calls", async () => {
  const { id, token } = await signUp("grace");
  const headers = { authorization: `Bearer ${token}` };
  const refused = await visit("operator", headers);
  deepEqual([refused.status, refused.error.code], [403, "auth.role_required"]);
  await stack.sql.unsafe(/insert into .*;/.exec(refused.error.message)![0]);
  deepEqual(await visit("operator", headers), { status: 200, actor: `user:${id}` });
});

Deno.test("one user's role is no other user's", async () => {
  const [admiral, other] = [await signUp("admiral"), await signUp("other")];
  await stack.sql`insert into operators (user_id, role) values (${admiral.id}, 'admiral')`;
  deepEqual(await statuses(admiral.token), [200, 200, 200]);
  deepEqual(await statuses(other.token), [403, 403, 403]);
});

Deno.test("a token that this project did not issue, or that is over, is nobody's", async () => {
  const { id, token } = await signUp("mallory");
  await stack.sql`insert into operators (user_id, role) values (${id}, 'admiral')`;
  const claims = decodeJwt(token);
  const [header, payload, signature] = token.split(".");
  const sign = (claims: JWTPayload, secret: string) =>
    new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret));
  const { jwtSecret } = stack.secrets;
  const none = new UnsecuredJWT(claims).encode();
  const past = Math.floor(Date.now() / 1000) - 3600;

  equal((await statuses(await sign(claims, jwtSecret)))[2], 200, "what only its signer can make is accepted");
  const invalid = {
    "of another project": await sign(claims, "the secret of another project, also long"),
    "expired": await sign({ ...claims, iat: past - 3600, exp: past }, jwtSecret),
    "signed for someone else": [
      header,
      btoa(JSON.stringify({ ...claims, sub: crypto.randomUUID() })),
      signature,
    ]
      .join(".").replaceAll("=", ""),
    "of algorithm none": none,
    "of algorithm none with a signature": none + signature,
    "without a signature": `${header}.${payload}.`,
    "cut short": `${header}.${payload}`,
    "with a changed signature": `${header}.${payload}.${signature!.split("").reverse().join("")}`,
    "without a user": await sign({ ...claims, sub: undefined }, jwtSecret),
    "the anonymous key": stack.secrets.anonKey,
    "the publishable key": stack.secrets.publishableKey,
    "no token": "",
  };
  for (const [what, invalidToken] of Object.entries(invalid)) {
    deepEqual(await statuses(invalidToken), [401, 401, 401], what);
  }
});

Deno.test("machines need no role: a secret key opens every door", async () => {
  const { status, actor } = await visit("admiral", { apikey: stack.secrets.secretKey });
  deepEqual([status, actor], [200, "key:ci"]);
});

Deno.test("behind the gateway a function tells who is not known, who has no role and who has one apart", async () => {
  const { id, token } = await signUp("lin");
  const ask = async (path: string, authorization: string) => {
    const response = await fetch(`${stack.url}/functions/v1/rules${path}`, { headers: { authorization } });
    await response.body?.cancel();
    return response.status;
  };
  deepEqual([await ask("", "Bearer forged"), await ask("/no/such/path", "Bearer forged")], [401, 401]);
  equal(await ask("", `Bearer ${token}`), 403);
  await stack.sql`insert into operators (user_id, role) values (${id}, 'viewer')`;
  deepEqual([await ask("", `Bearer ${token}`), await ask("/no/such/path", `Bearer ${token}`)], [200, 404]);
});

Deno.test("no token, and nothing that the database said, is in the log", () => {
  ok(logger.lines.length > 30);
  const text = JSON.stringify(logger.lines);
  match(text, /auth\.role_required/);
  equal(text.includes("eyJ"), false);
});

Deno.test("when the Data API cannot be reached nobody is let in, and nobody is told that he has no role", async () => {
  const { token } = await signUp("late");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nobodyListens = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const headers = { authorization: `Bearer ${token}` };
  const response = await houseOf(nobodyListens)(
    new Request("https://project.test/house/viewer", { headers }),
  );
  const { error } = await response.json();
  deepEqual([response.status, error.code], [503, "database.unreachable"]);
});
