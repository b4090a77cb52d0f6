import assert from "node:assert/strict";
import { formatKeys, readSigner } from "../../functions/_shared/core/audit/note-key.ts";
import { signNote } from "../../functions/_shared/core/audit/signed-note.ts";
import { type Publishing, startPublishing } from "./publishing.ts";

let world: Publishing;
let ownKey: string;
Deno.test.beforeAll(async () => {
  world = await startPublishing();
  ownKey = world.stack.secrets.auditSigningKey;
});
Deno.test.afterAll(() => world.stop());
Deno.test.beforeEach(async () => {
  await world.stack.sql`delete from outbox`;
  await world.stack.setEnv({ AUDIT_SIGNING_KEY: ownKey, AUDIT_TRUSTED_KEYS: "" });
});

function newKeys(name = "local") {
  return formatKeys(name, crypto.getRandomValues(new Uint8Array(32)));
}

const objectOf = (table: string, size: number) => `${table}/${String(size).padStart(20, "0")}.txt`;
const unreadable = { kind: "damage", damage: "checkpoint_unreadable", place: "store" };

/** A log of five rows that was published and has grown by one. */
async function grownLog(): Promise<string> {
  const table = await world.logOf(5);
  await world.publish(table);
  await world.grow(table, 1);
  return table;
}

/** The last error of a place's message. */
async function lastError(table: string, place: string): Promise<string> {
  const [message] = await world.stack.sql`select last_error from outbox
    where channel = ${place} and payload ->> 'table_name' = ${table}`;
  return message!.last_error;
}

Deno.test("nothing is signed over a checkpoint by another key, and people are told once", async () => {
  const table = await grownLog();
  const stranger = await readSigner((await newKeys()).signer);
  const root = btoa("\0".repeat(32));
  await world.tamper(objectOf(table, 5), await signNote(`local/${table}\n5\n${root}\n`, stranger));
  for (let round = 0; round < 3; round++) assert.equal((await world.publish(table)).success, false);
  assert.match(await lastError(table, "store"), /^audit\.signature_invalid: No trusted key/);
  assert.deepEqual((await world.told(table)).filter(({ place }) => place === "store"), [unreadable]);
});

for (
  const [what, content] of [
    ["broken", "no note at all"],
    ["empty", ""],
    ["cut off", "local/x\n5\n"],
  ] as const
) {
  Deno.test(`nothing is signed over a checkpoint that is ${what}, and people are told`, async () => {
    const table = await grownLog();
    await world.tamper(objectOf(table, 5), content);
    await world.publish(table);
    assert.match(await lastError(table, "store"), /^audit\.checkpoint_invalid: /);
    assert.deepEqual((await world.told(table))[0], unreadable);
  });
}

Deno.test("a checkpoint of another log, or stored under another size, counts for nothing", async () => {
  const table = await grownLog();
  const own = await readSigner(ownKey);
  const root = btoa("\0".repeat(32));
  await world.tamper(objectOf(table, 6), await signNote(`local/other\n6\n${root}\n`, own));
  await world.publish(table);
  assert.match(await lastError(table, "store"), /^audit\.checkpoint_foreign: /);
  await world.tamper(objectOf(table, 6), await signNote(`local/${table}\n5\n${root}\n`, own));
  await world.publish(table);
  assert.match(await lastError(table, "store"), /^audit\.checkpoint_invalid: .* 6 rows says 5/);
});

Deno.test("when the store has lost what was published, nothing is signed before people have settled it", async () => {
  const table = await grownLog();
  await world.tamper(objectOf(table, 5), null);
  await world.publish(table);
  assert.deepEqual(await world.told(table), [{ ...unreadable, damage: "checkpoint_lost" }]);
  assert.deepEqual(await world.stored(table), []);
  await world.stack.sql`delete from audit_publications where table_name = ${table} and place = 'store'`;
  await world.publish(table);
  assert.deepEqual((await world.stored(table)).map(({ size }) => size), [6]);
  assert.equal((await world.told(table)).at(-1)!.kind, "damage_over");
});

Deno.test("a new key goes on where the old one ended, as long as the old one is trusted", async () => {
  const table = await grownLog();
  const { signer } = await newKeys();
  await world.stack.setEnv({ AUDIT_SIGNING_KEY: signer });
  await world.publish(table);
  assert.deepEqual((await world.told(table))[0], unreadable);

  const { auditVerifierKey } = world.stack.secrets;
  await world.stack.setEnv({ AUDIT_TRUSTED_KEYS: auditVerifierKey });
  assert.equal((await world.publish(table)).published_count, 1);
  assert.match(await lastError(table, "witness"), /^HTTP 403: not by a key that is known here$/);
  await assert.rejects(
    world.stored(table),
    { code: "audit.signature_invalid" },
    "The newest is by the new key",
  );
  assert.equal((await world.told(table)).at(-1)!.kind, "damage_over");
});

Deno.test("without a signing key the messages wait, however long, and none is given up", async () => {
  await world.stack.setEnv({ AUDIT_SIGNING_KEY: "" });
  const table = await world.logOf(3);
  for (let round = 0; round < 12; round++) {
    const { published_count, unconfigured } = await world.publish(table);
    assert.equal(published_count, 0);
    assert.deepEqual(unconfigured[0], { place: "store", missing: ["AUDIT_SIGNING_KEY"] });
  }
  const open = await world.stack.sql`select channel from outbox
    where kind = 'checkpoint' and delivered_at is null and failed_at is null order by channel`;
  assert.deepEqual(open.map(({ channel }) => channel), ["store", "witness"]);
  await world.stack.setEnv({ AUDIT_SIGNING_KEY: ownKey });
  assert.equal((await world.publish(table)).published_count, 2);
});

Deno.test("a key that cannot be used is refused at once, and never shown", async () => {
  const other = await newKeys("elsewhere");
  const { signer } = await newKeys();
  const settings = [
    { AUDIT_SIGNING_KEY: "PRIVATE+KEY+secret" },
    { AUDIT_SIGNING_KEY: signer.replace(/\+[0-9a-f]{8}\+/, "+00000000+") },
    { AUDIT_TRUSTED_KEYS: other.verifier },
    { AUDIT_TRUSTED_KEYS: signer },
  ];
  for (const env of settings) {
    await world.stack.setEnv({ AUDIT_SIGNING_KEY: ownKey, AUDIT_TRUSTED_KEYS: "", ...env });
    const answer = JSON.stringify(await world.publish());
    assert.match(answer, /BOOT_ERROR/);
    assert.match(world.log.join("\n"), new RegExp(`${Object.keys(env)[0]} (must|cannot)`));
    world.log.length = 0;
    for (const secret of [...Object.values(env), signer]) {
      assert.ok(!answer.includes(secret.slice(-30)), answer);
    }
  }
});

Deno.test("no row, no log and no answer holds the signing key", async () => {
  const table = await grownLog();
  const answer = JSON.stringify(await world.publish(table));
  const secret = ownKey.slice(-40);
  const tables = await world.stack.sql`select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE'`;
  for (const { name } of tables) {
    const rows = await world.stack.sql`select t::text as text from ${world.stack.sql(name)} t`;
    for (const { text } of rows) assert.ok(!text.includes(secret), name);
  }
  for (const text of [answer, world.log.join("\n"), JSON.stringify(world.witnessed)]) {
    assert.ok(!text.includes(secret));
  }
});
