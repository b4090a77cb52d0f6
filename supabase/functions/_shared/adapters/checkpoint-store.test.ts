import assert from "node:assert/strict";
import { testStack } from "../../../../scripts/testing/stack.ts";
import { type CheckpointStore, CheckpointStoreError } from "../ports.ts";
import { createCheckpointStore } from "./checkpoint-store.ts";
import { createEgress } from "./egress.ts";

const stack = await testStack();
const folder = await Deno.makeTempDir();
const project = { url: stack.url, secretKey: stack.secrets.secretKey };
const egress = createEgress({ privateHosts: [new URL(stack.url).host] });
const unreachable = { url: "http://127.0.0.1:1", secretKey: project.secretKey };

/** The same promises, whatever keeps them. */
const stores: Record<string, { open: () => CheckpointStore; broken: () => CheckpointStore }> = {
  "a folder": {
    open: () => createCheckpointStore({ folder, project, egress }),
    broken: () => createCheckpointStore({ folder: "/proc/none", project, egress }),
  },
  "Supabase Storage": {
    open: () => createCheckpointStore({ folder: null, project, egress }),
    broken: () => createCheckpointStore({ folder: null, project: unreachable, egress }),
  },
};

for (const [name, { open, broken }] of Object.entries(stores)) {
  const newTable = () => `log_${crypto.randomUUID().slice(0, 8)}`;

  Deno.test(`${name} has nothing of a table before the first checkpoint`, async () => {
    assert.equal(await open().latest(newTable()), null);
  });

  Deno.test(`${name} keeps every checkpoint, and finds the one of the greatest size`, async () => {
    const table = newTable();
    for (const size of [9, 1_000, 100, Number.MAX_SAFE_INTEGER, 1_001]) {
      assert.equal(await open().put(table, size, `note — ${size}\n`), `note — ${size}\n`);
    }
    const size = Number.MAX_SAFE_INTEGER;
    assert.deepEqual(await open().latest(table), { size, note: `note — ${size}\n` });
  });

  Deno.test(`${name} replaces nothing: the first checkpoint of a size stays`, async () => {
    const table = newTable();
    await open().put(table, 1, "first\n");
    assert.equal(await open().put(table, 1, "second\n"), "first\n");
    assert.deepEqual(await open().latest(table), { size: 1, note: "first\n" });
  });

  Deno.test(`${name} gives each table its own place, whatever its name`, async () => {
    const id = newTable();
    const tables = [id, `${id}_old`, `${id}x`, `other.${id}`, `../${id}`, `.${id}`, `${id}/a b`, `${id}%ü"`]
      .concat(id.toUpperCase());
    await Promise.all(tables.map((table, index) => open().put(table, index + 1, `${table}\n`)));
    for (const [index, table] of tables.entries()) {
      assert.deepEqual(await open().latest(table), { size: index + 1, note: `${table}\n` }, table);
    }
  });

  Deno.test(`${name} that cannot be reached says so, and never that there is nothing`, async () => {
    const failed = (error: unknown) =>
      error instanceof CheckpointStoreError && error.code === "checkpoint_store.unreachable";
    await assert.rejects(broken().latest("receipts"), failed);
    await assert.rejects(broken().put("receipts", 1, "note\n"), failed);
  });
}

Deno.test("Storage creates its bucket once, and private, when many begin at once", async () => {
  await stack.sql`delete from storage.objects where bucket_id = 'audit-checkpoints'`;
  await stack.sql`delete from storage.buckets where id = 'audit-checkpoints'`;
  const { open } = stores["Supabase Storage"]!;
  await Promise.all(Array.from({ length: 5 }, (_, index) => open().put(`log_${index}`, 1, "note\n")));
  const [bucket, ...others] = await stack.sql`select public from storage.buckets`;
  assert.deepEqual([bucket!.public, others], [false, []]);
});

Deno.test("Storage that refuses the key is no empty store, and the error does not show the key", async () => {
  const secretKey = "sb_secret_guessed";
  const store = createCheckpointStore({ folder: null, project: { url: stack.url, secretKey }, egress });
  await assert.rejects(store.put("receipts", 1, "note\n"), (error: Error) => {
    assert.ok(error instanceof CheckpointStoreError);
    assert.equal(error.code, "checkpoint_store.refused");
    assert.ok(!error.message.includes(secretKey));
    return true;
  });
});

Deno.test("other things in a table's place are passed over, unless they hide the checkpoints", async () => {
  const store = stores["Supabase Storage"]!.open();
  const upload = (name: string) =>
    fetch(`${stack.url}/storage/v1/object/audit-checkpoints/hidden/${name}`, {
      method: "POST",
      headers: { apikey: project.secretKey, "content-type": "text/plain" },
      body: "something else",
    }).then((response) => response.text());
  await store.put("hidden", 7, "note\n");
  await upload("zzz.txt");
  assert.equal((await store.latest("hidden"))!.size, 7);
  for (let index = 0; index < 100; index++) await upload(`zzz-${index}.txt`);
  await assert.rejects(store.latest("hidden"), { code: "checkpoint_store.unreadable" });
});

/** A Storage that answers the same to everything. */
function answering(status: number, body: string): CheckpointStore {
  const send = () => Promise.resolve({ status, headers: {}, body });
  return createCheckpointStore({ folder: null, project, egress: { send } });
}

for (
  const [what, status, body] of [
    ["a 404 of something before Storage", 404, `{"message":"no Route matched with those values"}`],
    ["a page", 200, "<html>"],
    ["an object instead of a list", 200, "{}"],
    ["a list of something else", 200, "[null]"],
  ] as const
) {
  Deno.test(`${what} is no empty store`, async () => {
    await assert.rejects(answering(status, body).latest("receipts"), { code: "checkpoint_store.refused" });
  });
}

Deno.test("a list that begins with older checkpoints, and may go on, does not tell the newest", async () => {
  const names = Array.from({ length: 100 }, (_, size) => ({ name: `${String(size).padStart(20, "0")}.txt` }));
  const store = answering(200, JSON.stringify(names));
  await assert.rejects(store.latest("receipts"), { code: "checkpoint_store.unreadable" });
});

Deno.test.afterAll(async () => {
  await stack.stop();
  await Deno.remove(folder, { recursive: true });
});
