import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { privateKeyToAddress } from "viem/accounts";
import { listen, readBody } from "../../../scripts/demo/listen.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { type Anvil, startAnvil } from "../../../scripts/testing/anvil.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { systemClock } from "../../functions/_shared/adapters/clock.ts";
import { createEgress } from "../../functions/_shared/adapters/egress.ts";
import { createAnchor, verifyAnchor } from "../../functions/_shared/adapters/evm.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const KEY: `0x${string}` = `0x${sha256(crypto.randomUUID())}`;
const CANARY = "canary-api-key";

let stack: Stack;
let anvil: Anvil;
let proxy: Awaited<ReturnType<typeof listen>>;
const log: string[] = [];
/** Stands before the node: `fails` refuses everything, `onSent` comes after a transaction arrived and before the answer. */
const way = { fails: false, losesSent: false, onSent: () => Promise.resolve() as Promise<unknown> };

Deno.test.beforeAll(async () => {
  anvil = await startAnvil({ mining: false });
  await anvil.call("anvil_setBalance", privateKeyToAddress(KEY), "0xde0b6b3a7640000");
  proxy = await listen(async (request, response) => {
    const body = await readBody(request);
    const isSending = body.includes("eth_sendRawTransaction");
    if (way.fails || way.losesSent && isSending) return void response.writeHead(503).end();
    const headers = { "content-type": "application/json" };
    const answer = await fetch(anvil.rpcUrl, { method: "POST", headers, body });
    if (isSending) await way.onSent();
    response.writeHead(answer.status).end(await answer.text());
  });
  stack = await testStack({
    ANCHOR_RPC_URL: `http://${proxy.host}/v2/${CANARY}`,
    ANCHOR_PRIVATE_KEY: KEY,
    EGRESS_PRIVATE_HOSTS: proxy.host,
  }, { log: (line) => log.push(line) });
});
Deno.test.afterAll(async () => {
  await stack.stop();
  await proxy.stop();
  await anvil.stop();
});

Deno.test.beforeEach(async () => {
  // Each test is about its own rule.
  await stack.sql`update rules set status = 'archived' where status = 'active'`;
  await stack.sql`delete from outbox`;
  way.fails = way.losesSent = false;
  way.onSent = () => Promise.resolve();
});

/** Stores a rule that anchors events, and events that it fires for; resolves to the rule's id. */
async function ruleWithEvents(count = 1, action: Record<string, unknown> = {}): Promise<string> {
  const id = crypto.randomUUID();
  const rule = {
    ...{
      id,
      name: "Anchor",
      status: "active",
      priority: 0,
      mode: "all",
      cooldownSeconds: 0,
      maxFiresPerHour: null,
    },
    condition: { field: "type", operator: "eq", value: id },
    action: { type: "anchor", eventHash: "{{event}}", metadata: "lockout", ...action },
  };
  await stack.sql`select save_rule(${stack.sql.json(rule as never)}, 'a-test', 0)`;
  // As the engine fires: what is queued waits for the next turn.
  const ids = Array.from({ length: count }, (_, number) => `${id}-${number}`);
  const events = ids.map((eventId, number) => ({ id: eventId, data: { type: id, number, eventId } }));
  const matches = ids.map((eventId) => ({ rule_id: id, rule_version: 1, event_id: eventId }));
  const { json } = stack.sql;
  await stack.sql`select evaluate_events(${json(events as never)}, ${json(matches as never)})`;
  return id;
}

/** Lets `run-rules` work off what waits, whatever pause it had. */
async function turn(): Promise<void> {
  await stack.sql`update outbox set not_before = now()`;
  await stack
    .sql`update notification_channels set leased_until = null, retry_at = null where purpose = 'actions'`;
  const response = await fetch(`${stack.url}/functions/v1/run-rules`, {
    method: "POST",
    headers: { apikey: stack.secrets.secretKey },
    body: "{}",
  });
  await response.text();
}

interface Run {
  state: string;
  error: string | null;
  event: Record<string, unknown>;
  result: { hash: string; transactionId: string } | null;
  progress: { transactionId: string } | null;
  lastError: string | null;
}

async function runsOf(rule: string): Promise<Run[]> {
  return await stack.sql<Run[]>`
    select a.state, a.error, a.result, a.progress, e.data as event, o.last_error as "lastError" from action_runs a
    join rule_events e on e.id = a.event_id
    left join outbox o on o.payload ->> 'run_id' = a.id::text where a.rule_id = ${rule} order by e.data ->> 'number'`;
}

/** The canonical JSON of a flat object is the usual one with its names in order. */
const hashOf = (event: Record<string, unknown>) => sha256(JSON.stringify(event, Object.keys(event).sort()));

async function assertAnchoredOnce(runs: Run[]): Promise<void> {
  const node = { egress: createEgress({ privateHosts: [anvil.host] }), rpcUrl: anvil.rpcUrl };
  for (const { state, result, event, error, lastError } of runs) {
    assert.equal(state, "succeeded", error ?? lastError ?? "");
    assert.equal(result!.hash, hashOf(event));
    assert.equal(await anvil.countMined(`0x${result!.hash}`), 1);
    assert.ok((await verifyAnchor(node, result!.transactionId, result!.hash)).anchored);
  }
}

Deno.test("what a rule anchors is on the chain once, and the run says where and since when", async () => {
  const rule = await ruleWithEvents();
  await turn();
  const [waiting] = await runsOf(rule);
  assert.equal(waiting!.state, "queued");
  assert.match(waiting!.lastError!, /^anchor\.pending: /);
  await anvil.mine();
  await turn();
  const [done] = await runsOf(rule);
  await assertAnchoredOnce([done!]);
  const { blockNumber, blockTime, ...result } = done!.result as Record<string, unknown>;
  assert.deepEqual(result, {
    hash: hashOf(done!.event),
    metadata: "lockout",
    place: "chain",
    transactionId: waiting!.progress!.transactionId,
    chainId: 31_337,
  });
  assert.ok(Number.isInteger(blockNumber) && Date.parse(blockTime as string) > 0);
});

Deno.test("a function that is killed after the transaction was sent sends no other one", async () => {
  const rule = await ruleWithEvents();
  let kills = 0;
  way.onSent = async () => void (kills++ === 0 && await stack.killFunction("run-rules"));
  await turn();
  const [killed] = await runsOf(rule);
  assert.deepEqual([kills, killed!.state], [1, "queued"]);
  await turn();
  await anvil.mine();
  await turn();
  const [done] = await runsOf(rule);
  await assertAnchoredOnce([done!]);
  assert.equal(done!.result!.transactionId, killed!.progress!.transactionId);
});

Deno.test("a transaction that was stored and never sent is sent by the next function, after a kill, too", async () => {
  const rule = await ruleWithEvents();
  way.losesSent = true;
  await turn();
  const [killed] = await runsOf(rule);
  assert.match(killed!.lastError!, /^anchor\.unreachable: /);
  await stack.killFunction("run-rules");
  way.losesSent = false;
  await turn();
  await anvil.mine();
  await turn();
  const [done] = await runsOf(rule);
  await assertAnchoredOnce([done!]);
  assert.equal(done!.result!.transactionId, killed!.progress!.transactionId);
});

Deno.test("a transaction that another one of the account forestalled is replaced by a new one", async () => {
  const rule = await ruleWithEvents();
  way.losesSent = true;
  await turn();
  const [begun] = await runsOf(rule);
  way.losesSent = false;
  const egress = createEgress({ privateHosts: [anvil.host] });
  const faster = createAnchor({ egress, clock: systemClock, rpcUrl: anvil.rpcUrl, privateKey: KEY });
  await faster.complete(await faster.begin(sha256("something else")));
  await anvil.mine(5);
  for (let round = 0; round < 3; round++) {
    await turn();
    await anvil.mine();
  }
  const [done] = await runsOf(rule);
  await assertAnchoredOnce([done!]);
  assert.notEqual(done!.result!.transactionId, begun!.progress!.transactionId);
});

Deno.test("many hashes that are anchored at once do not get in each other's way", async () => {
  const rule = await ruleWithEvents(15);
  await turn();
  await anvil.mine(5);
  await turn();
  await assertAnchoredOnce(await runsOf(rule));
});

Deno.test("a hash is anchored as it is", async () => {
  const hash = sha256("a contract");
  const rule = await ruleWithEvents(1, { eventHash: hash.toUpperCase() });
  await turn();
  await anvil.mine();
  await turn();
  const [done] = await runsOf(rule);
  assert.equal(done!.result!.hash, hash);
  assert.equal(await anvil.countMined(`0x${hash}`), 1);
});

Deno.test("a node that cannot be reached holds an anchor up, and neither its address nor the key is written anywhere", async () => {
  const rule = await ruleWithEvents();
  way.fails = true;
  await turn();
  const [held] = await runsOf(rule);
  assert.deepEqual([held!.state, held!.progress], ["queued", null]);
  assert.match(held!.lastError!, /^anchor\.unreachable: /);
  const rows = await stack.sql`select row_to_json(o)::text from outbox o
    union all select row_to_json(r)::text from action_runs r union all select row_to_json(a)::text from audit_log a`;
  const everything = JSON.stringify(rows) + log.join("\n");
  assert.ok(!everything.includes(CANARY) && !everything.toLowerCase().includes(KEY.slice(2)));
});

Deno.test("without a chain the audit log holds the hash, and its next checkpoint covers it", async () => {
  await stack.setEnv({ ANCHOR_RPC_URL: "", ANCHOR_PRIVATE_KEY: "" });
  const rule = await ruleWithEvents();
  await turn();
  await turn();
  const [done] = await runsOf(rule);
  const expected = { hash: hashOf(done!.event), metadata: "lockout", place: "checkpoint" };
  assert.deepEqual([done!.state, done!.result], ["succeeded", expected]);
  const entries = await stack.sql`select payload -> 'result' as result from audit_log
    where action = 'action.succeeded' and resource = ${`rule:${rule}`}`;
  assert.deepEqual(entries.map(({ result }) => result), [expected]);
});
