import assert from "node:assert/strict";
import { DatabaseError } from "../ports.ts";
import { createDatabase, isRefusedInput } from "./database.ts";

type Answer = { status: number; body: unknown } | "hang";

/** A server that answers as PostgREST does; the requests it saw are kept. */
async function withDataApi(
  answer: Answer,
  test: (
    api: { url: string; seen: { path: string; apikey: string | null; body: string }[] },
  ) => Promise<void>,
): Promise<void> {
  const seen: { path: string; apikey: string | null; body: string }[] = [];
  const hanging = Promise.withResolvers<Response>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    seen.push({
      path: new URL(request.url).pathname,
      apikey: request.headers.get("apikey"),
      body: await request.text(),
    });
    if (answer === "hang") return hanging.promise;
    return Response.json(answer.body, { status: answer.status });
  });
  try {
    await test({ url: `http://127.0.0.1:${server.addr.port}`, seen });
  } finally {
    hanging.resolve(new Response());
    await server.shutdown();
  }
}

async function failureOf(answer: Answer): Promise<DatabaseError> {
  let failure: unknown;
  await withDataApi(answer, async ({ url }) => {
    const database = createDatabase({ url, secretKey: "sb_secret_x", timeoutMs: 250 });
    failure = await database.rpc("report_failures", { p_reports: [] }).catch((error) => error);
  });
  assert.ok(failure instanceof DatabaseError, String(failure));
  return failure;
}

const raised = (code: string, hint: string | null = null, status = 400): Answer => ({
  status,
  body: { code, message: "what happened", details: "row values", hint },
});

Deno.test("a call carries the secret key and its arguments, and resolves to what the function returned", async () => {
  await withDataApi({ status: 200, body: [{ state: "claimed" }] }, async ({ url, seen }) => {
    const database = createDatabase({ url, secretKey: "sb_secret_x" });
    assert.deepEqual(await database.rpc("report_failures", { p_reports: [{ a: 1 }] }), [{
      state: "claimed",
    }]);
    assert.deepEqual(seen, [{
      path: "/rest/v1/rpc/report_failures",
      apikey: "sb_secret_x",
      body: '{"p_reports":[{"a":1}]}',
    }]);
  });
});

Deno.test("an error that SQL raised keeps its status, its text and its machine code", async () => {
  const error = await failureOf(raised("PT409", "safe_mode.active", 409));
  assert.deepEqual([error.code, error.status, error.message], ["safe_mode.active", 409, "what happened"]);
});

Deno.test("a hint that is prose is not mistaken for a machine code", async () => {
  assert.equal((await failureOf(raised("PT400", "Perhaps you meant x."))).code, "database.error");
});

Deno.test("Postgres' own errors become a few stable codes", async () => {
  const expected: [string, string, number][] = [
    ["22P05", "database.rejected", 422],
    ["23505", "database.rejected", 422],
    ["40P01", "database.busy", 503],
    ["57014", "database.timeout", 504],
    ["25006", "database.read_only", 503],
    ["53300", "database.unreachable", 503],
    ["PGRST002", "database.unreachable", 503],
    ["PGRST202", "database.error", 500],
    ["42501", "database.error", 500],
  ];
  for (const [state, code, status] of expected) {
    const error = await failureOf(raised(state));
    assert.deepEqual([state, error.code, error.status], [state, code, status]);
    assert.ok(!error.message.includes("row values"), "details may hold a row's content");
  }
});

Deno.test("a database that does not answer in time is a timeout, not a success", async () => {
  const error = await failureOf("hang");
  assert.equal(error.code, "database.timeout");
  assert.match(error.message, /may still have taken effect/);
});

Deno.test("a port on which nobody listens is unreachable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  await assert.rejects(
    createDatabase({ url, secretKey: "sb_secret_x" }).rpc("x"),
    (error: DatabaseError) => error.code === "database.unreachable" && error.status === 503,
  );
});

Deno.test("a gateway's HTML page is unreachable, whatever it says", async () => {
  assert.equal((await failureOf({ status: 502, body: "<html>" })).code, "database.unreachable");
});

Deno.test("text that Postgres cannot store is replaced, text that only looks like it is kept", async () => {
  await withDataApi({ status: 200, body: null }, async ({ url, seen }) => {
    const args = { p_text: "nul:\0 lone:\ud800 pair:😀 literal:\\u0000 backslash:\\", p_n: 1 };
    await createDatabase({ url, secretKey: "sb_secret_x" }).rpc("x", args);
    assert.deepEqual(JSON.parse(seen[0]!.body), {
      p_text: "nul:\ufffd lone:\ufffd pair:😀 literal:\\u0000 backslash:\\",
      p_n: 1,
    });
  });
});

Deno.test("only refused input is worth splitting a batch for", () => {
  assert.equal(isRefusedInput(new DatabaseError("database.rejected", "", 422)), true);
  assert.equal(isRefusedInput(new DatabaseError("report.invalid", "", 400)), true);
  assert.equal(isRefusedInput(new DatabaseError("database.timeout", "", 504)), false);
  assert.equal(isRefusedInput(new Error("database.rejected")), false);
});
