import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { privateKeyToAddress } from "viem/accounts";
import { listen, readBody } from "../../../scripts/demo/listen.ts";
import { type Anvil, startAnvil } from "../../../scripts/testing/anvil.ts";
import { createEgress } from "../../functions/_shared/adapters/egress.ts";
import { verifyAnchor } from "../../functions/_shared/adapters/evm.ts";
import { anchorSequenceCheckpoint } from "../../functions/_shared/audit/anchor-checkpoint.ts";
import { publishDeps } from "../../functions/_shared/audit/deps.ts";
import { recordingLogger } from "../../functions/_shared/testing/recording-logger.ts";
import { type Publishing, startPublishing } from "./publishing.ts";

const KEY: `0x${string}` = `0x${createHash("sha256").update(crypto.randomUUID()).digest("hex")}`;
const SENDER = privateKeyToAddress(KEY);
const API_KEY = "canary-api-key";

let world: Publishing;
let anvil: Anvil;
/**
 * Stands before the node: `fails` refuses everything, `losesSent` what is sent to be mined; `onSent` comes before the
 * answer to that.
 */
const way = { fails: false, losesSent: false, onSent: () => Promise.resolve() as Promise<unknown> };
let proxy: Awaited<ReturnType<typeof listen>>;

Deno.test.beforeAll(async () => {
  anvil = await startAnvil({ mining: false });
  proxy = await listen(async (request, response) => {
    if (way.fails) return void response.writeHead(503).end();
    const body = await readBody(request);
    if (way.losesSent && body.includes("eth_sendRawTransaction")) return void response.writeHead(503).end();
    const answer = await fetch(anvil.rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    if (body.includes("eth_sendRawTransaction")) await way.onSent();
    response.writeHead(answer.status).end(await answer.text());
  });
  const env = { ANCHOR_RPC_URL: `http://${proxy.host}/v2/${API_KEY}`, ANCHOR_PRIVATE_KEY: KEY };
  world = await startPublishing(env, [proxy.host]);
  await anvil.call("anvil_setBalance", SENDER, "0xde0b6b3a7640000");
  await world.stack.sql`update notification_channels set enabled = name in ('slack', 'store', 'chain')`;
});
Deno.test.afterAll(async () => {
  await world.stop();
  await proxy.stop();
  await anvil.stop();
});

Deno.test.beforeEach(async () => {
  // Each test is about its own log.
  await world.stack.sql`delete from outbox`;
  await world.stack.sql`update notification_channels set leased_until = null`;
  way.fails = way.losesSent = false;
  way.onSent = () => Promise.resolve();
});

interface Anchored {
  size: number;
  note: string;
  reference: { transactionId: string };
  done: boolean;
}

async function anchors(table: string): Promise<Anchored[]> {
  return await world.stack.sql<Anchored[]>`
    select size::int, note, reference, published_at is not null as done from audit_publications
    where place = 'chain' and table_name = ${table} order by size`;
}

const hashOf = ({ note }: Anchored) => createHash("sha256").update(note).digest("hex");

async function assertAnchoredOnce(table: string, sizes: number[]): Promise<void> {
  const found = await anchors(table);
  assert.deepEqual(found.map(({ size, done }) => [size, done]), sizes.map((size) => [size, true]));
  for (const one of found) {
    assert.equal(await anvil.countMined(`0x${hashOf(one)}`), 1);
    const node = { egress: createEgress({ privateHosts: [anvil.host] }), rpcUrl: anvil.rpcUrl };
    const check = await verifyAnchor(node, one.reference.transactionId, hashOf(one));
    assert.ok(check.anchored, JSON.stringify(check));
  }
}

/** Publishes what waits, as often as a minute's timer would in a while, with blocks in between. */
async function publishAndMine(table: string, rounds = 5): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await world.publish(table);
    await anvil.mine(4);
  }
}

Deno.test("a checkpoint is anchored once, and the record of it leads to the chain", async () => {
  const table = await world.logOf(5);
  const first = await world.publish(table);
  assert.deepEqual([first.published_count, first.held_count], [1, 1]);
  assert.deepEqual((await anchors(table)).map(({ done }) => done), [false]);
  await anvil.mine();
  assert.equal((await world.publish(table)).published_count, 1);
  assert.equal((await world.publish(table)).published_count, 0);
  await assertAnchoredOnce(table, [5]);
});

Deno.test("a log that grows while its anchor waits is anchored again as it is then", async () => {
  const table = await world.logOf(5);
  for (let round = 0; round < 3; round++) {
    await world.publish(table);
    await world.grow(table, 2);
  }
  await publishAndMine(table);
  await assertAnchoredOnce(table, [5, 11]);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [5, 7, 9, 11]);
});

Deno.test("a chain that cannot be reached stops neither the log nor the store, and is caught up with", async () => {
  const table = await world.logOf(5);
  way.fails = true;
  for (let round = 1; round <= 3; round++) {
    const { retry_count, published_count } = await world.publish(table);
    assert.deepEqual([published_count, retry_count], [1, 1]);
    const [paused] = await world.stack.sql`select attempts, last_error, failed_at from outbox
      where channel = 'chain' and payload ->> 'table_name' = ${table}`;
    assert.equal(paused!.attempts, round);
    assert.match(paused!.last_error, /^anchor\.unreachable: /);
    assert.equal(paused!.failed_at, null);
    await world.grow(table, 1);
  }
  way.fails = false;
  await publishAndMine(table);
  await assertAnchoredOnce(table, [8]);
});

Deno.test("a function that is killed after the chain took its transaction anchors nothing twice", async () => {
  const table = await world.logOf(5);
  let killed = false;
  way.onSent = async () => {
    if (!killed) await world.stack.killFunction("publish-checkpoints");
    killed = true;
  };
  await world.publish(table);
  assert.ok(killed);
  await world.stack.sql`update notification_channels set leased_until = now()`;
  await publishAndMine(table);
  await assertAnchoredOnce(table, [5]);
});

Deno.test("workers at once, and one that lost its lease, anchor several logs once each", async () => {
  const tables = [await world.logOf(3), await world.logOf(4)];
  await Promise.all(Array.from({ length: 6 }, async (_, index) => {
    if (index % 2) await world.stack.sql`update notification_channels set leased_until = now()`;
    await world.publish(...tables);
  }));
  await world.stack.sql`update notification_channels set leased_until = now()`;
  for (let round = 0; round < 4; round++) {
    await anvil.mine(4);
    await world.publish(...tables);
  }
  await assertAnchoredOnce(tables[0]!, [3]);
  await assertAnchoredOnce(tables[1]!, [4]);
});

Deno.test("a log whose transaction another one forestalled is anchored by a new one", async () => {
  const [table, faster] = [await world.logOf(5), await world.logOf(3)];
  way.losesSent = true;
  await world.publish(table);
  const [begun] = await anchors(table);
  way.losesSent = false;
  // Both have the same nonce, as the node never heard of the first.
  await world.stack.sql`delete from outbox`;
  await publishAndMine(faster, 2);
  await publishAndMine(table);
  await assertAnchoredOnce(faster, [3]);
  await assertAnchoredOnce(table, [5]);
  const [done] = await anchors(table);
  assert.notEqual(done!.reference.transactionId, begun!.reference.transactionId);
});

Deno.test("an account without coins holds the anchors up, and says so", async () => {
  const table = await world.logOf(5);
  const balance = await anvil.call("eth_getBalance", SENDER, "latest");
  await anvil.call("anvil_setBalance", SENDER, "0x0");
  await world.publish(table);
  const [waiting] = await world.stack.sql`select last_error from outbox
    where channel = 'chain' and payload ->> 'table_name' = ${table}`;
  assert.match(
    waiting!.last_error,
    new RegExp(`^anchor\\.insufficient_funds: The account ${SENDER} has 0 coins`),
  );
  await anvil.call("anvil_setBalance", SENDER, balance);
  await publishAndMine(table);
  await assertAnchoredOnce(table, [5]);
});

/** What a function's environment would make of it. */
async function depsWith(env: Record<string, string> = {}) {
  const { stack } = world;
  const variables: Record<string, string> = {
    SUPABASE_URL: stack.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack.secrets.secretKey }),
    AUDIT_SIGNING_KEY: stack.secrets.auditSigningKey,
    ENVIRONMENT: "development",
    EGRESS_PRIVATE_HOSTS: proxy.host,
    ...env,
  };
  return await publishDeps((name) => variables[name], recordingLogger());
}

const withChain = () =>
  depsWith({ ANCHOR_RPC_URL: `http://${proxy.host}/v2/${API_KEY}`, ANCHOR_PRIVATE_KEY: KEY });

Deno.test("a table is verified, sealed and anchored on demand, its latest row included", async () => {
  const table = await world.logOf(5);
  await world.publish(table); // An earlier anchor is still on its way.
  await world.stack.sql`insert into ${world.stack.sql(table)} (deed) values ('the latest')`;
  way.onSent = () => anvil.mine();
  await anvil.mine();
  const anchored = await anchorSequenceCheckpoint(table, await withChain());
  const [, newest] = await anchors(table);
  assert.equal(anchored.place, "chain");
  assert.equal(anchored.size, 6);
  assert.equal(anchored.hash, hashOf(newest!));
  assert.equal(anchored.transactionId, newest!.reference.transactionId);
  assert.ok(anchored.publishedAt);
  await assertAnchoredOnce(table, [5, 6]);
});

Deno.test("without a chain the signed checkpoint goes to the store", async () => {
  const table = await world.logOf(5);
  const anchored = await anchorSequenceCheckpoint(`public.${table}`, await depsWith());
  const [stored] = await world.stored(table);
  assert.deepEqual([anchored.place, anchored.size, anchored.root], ["store", stored!.size, stored!.root]);
  assert.equal(anchored.transactionId, undefined);
});

Deno.test("of a damaged table nothing is signed or anchored", async () => {
  const table = await world.logOf(5);
  const { sql } = world.stack;
  await sql`alter table ${sql(table)} disable trigger user`;
  await sql`update ${sql(table)} set deed = 'another' where immutable_seq = 3`;
  await sql`alter table ${sql(table)} enable trigger user`;
  await assert.rejects(anchorSequenceCheckpoint(table, await withChain()), { code: "audit.damaged" });
  assert.deepEqual(await world.stored(table), []);
  assert.deepEqual([...await anchors(table)], []);
});

Deno.test("what cannot be anchored is refused with the reason", async () => {
  const { sql } = world.stack;
  const empty = await world.logOf(0);
  const refusal = async (table: string, deps: Promise<Awaited<ReturnType<typeof depsWith>>>) => {
    const error = await anchorSequenceCheckpoint(table, await deps).then(() => null, (error) => error);
    return error?.code;
  };
  assert.equal(await refusal("no_such_table", withChain()), "audit.table_unknown");
  assert.equal(await refusal("outbox", withChain()), "audit.not_immutable");
  assert.equal(await refusal(empty, withChain()), "audit.nothing_sealed");
  assert.equal(await refusal(empty, depsWith({ AUDIT_SIGNING_KEY: "" })), "config.invalid");
  await sql`insert into ${sql(empty)} (deed) values ('the first')`;
  way.fails = true;
  assert.equal(await refusal(empty, withChain()), "anchor.unreachable");
});

Deno.test("neither the private key nor the node's API key is written anywhere", async () => {
  const rows = await world.stack.sql`select row_to_json(o)::text from outbox o
    union all select row_to_json(p)::text from audit_publications p union all select row_to_json(a)::text from audit_log a`;
  const everything = JSON.stringify(rows) + world.log.join("\n");
  assert.ok(everything.includes("anchor.unreachable"));
  assert.ok(!everything.includes(API_KEY) && !everything.toLowerCase().includes(KEY.slice(2)));
});
