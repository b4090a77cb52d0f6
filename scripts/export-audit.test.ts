import assert from "node:assert/strict";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { formatCheckpoint } from "../supabase/functions/_shared/core/audit/checkpoint.ts";
import { formatKeys, readSigner } from "../supabase/functions/_shared/core/audit/note-key.ts";
import { signNote } from "../supabase/functions/_shared/core/audit/signed-note.ts";
import { projectRoot } from "./stack/paths.ts";
import { testDatabase } from "./testing/stack.ts";

const keys = await formatKeys("example.test", new Uint8Array(32).fill(7));

let database: { url: string; stop(): Promise<void> };
let sql: Sql;
let folder: string;

Deno.test.beforeAll(async () => {
  database = await testDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  folder = await Deno.makeTempDir();
});
Deno.test.afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.stop();
  await Deno.remove(folder, { recursive: true });
});

async function run(script: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `scripts/${script}.ts`, ...args],
    cwd: projectRoot,
    env: { NO_COLOR: "1", DATABASE_URL: database.url },
  }).output();
  return { code, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

/** A table of rows in three blocks, with numbers that were rolled back, and a checkpoint of all of it. */
async function sealedTable(name: string): Promise<void> {
  await sql.unsafe(`create table public.${name} (id integer, note text, at timestamptz default now())`);
  await sql`select private.make_immutable(${name})`;
  for (let block = 1; block <= 3; block++) {
    await sql.unsafe(
      `insert into public.${name} (id, note) select n, 'a "quoted" ' || n from generate_series(1, 100) n`,
    );
    await sql.unsafe(`begin; insert into public.${name} (id) values (0); rollback`).simple();
    await sql`select public.seal_audit(${name})`;
  }
  await publish(name);
}

async function publish(name: string): Promise<void> {
  const [{ head }] = await sql`select public.audit_head(${name}) as head` as unknown as [
    { head: { size: number; root: string } },
  ];
  const body = formatCheckpoint({
    origin: `example.test/${name}`,
    size: head.size,
    root: head.root,
  });
  const note = await signNote(body, await readSigner(keys.signer));
  await Deno.writeTextFile(join(folder, `${name}.checkpoint`), note);
  await sql`select public.record_publication(${name}, 'store', ${head.size}, ${head.root}, ${note})`;
}

async function drop(name: string, block: number, sha256: string): Promise<number> {
  const [row] = await sql`select private.drop_audit_segment(${name}, ${block}, ${sha256}, 'alice') as rows`;
  return Number(row!.rows);
}

const countRows = async (name: string) =>
  Number((await sql`select count(*) as count from ${sql(`public.${name}`)}`)[0]!.count);
const verify = async (name: string) =>
  (await sql`select public.verify_audit_integrity(${name}) as found`)[0]!.found;

Deno.test("what is exported proves itself, can then be dropped, and what is left still verifies", async () => {
  await sealedTable("exported");
  const file = join(folder, "exported.jsonl");
  const { code, output, errors } = await run("export-audit", "exported", `--out=${file}`);
  assert.deepEqual([code, errors], [0, ""]);
  const sha256 = /SHA-256 ([0-9a-f]{64})/.exec(output)![1]!;
  const offline = await run("verify-audit", `--export=${file}`, `--key=${keys.verifier}`);
  assert.equal(offline.code, 0, offline.output + offline.errors);

  assert.equal(await drop("exported", 2, sha256), 200);
  assert.equal(await countRows("exported"), 100);
  await sql`select public.seal_audit('audit_log')`;
  assert.deepEqual((await verify("exported")).damage, []);
  const checkpoints = `--checkpoints=${join(folder, "exported.checkpoint")}`;
  const live = await run("verify-audit", "exported", checkpoints, `--key=${keys.verifier}`);
  assert.equal(live.code, 0, live.output + live.errors);
  const [entry] =
    await sql`select actor, result, payload from public.audit_log where resource = 'table:exported'`;
  assert.deepEqual(
    [entry!.actor, entry!.result, entry!.payload.rows, entry!.payload.export_sha256],
    ["alice", "dropped", 200, sha256],
  );
});

Deno.test("a dropped row that comes back is found, and so is a row deleted beside the dropped ones", async () => {
  await sealedTable("watched");
  await drop("watched", 1, "0".repeat(64));
  const kinds = async () => (await verify("watched")).damage.map(({ kind }: { kind: string }) => kind);
  await sql`alter table public.watched disable trigger all`;
  await sql`insert into public.watched (id, immutable_seq, leaf_hash) values (1, 5, sha256('x'))`;
  assert.deepEqual(await kinds(), ["inserted_later"]);
  await sql`delete from public.watched where immutable_seq in (5, 150)`;
  assert.deepEqual(await kinds(), ["deleted"]);
});

Deno.test("an edited row is neither exported nor dropped", async () => {
  await sealedTable("touched");
  await sql`alter table public.touched disable trigger all`;
  await sql`update public.touched set note = 'something else' where immutable_seq = 40`;
  const file = join(folder, "touched.jsonl");
  const { code, errors } = await run("export-audit", "touched", `--out=${file}`);
  assert.equal(code, 1);
  assert.match(errors, /^audit\.damaged: .*verify_audit_integrity/);
  assert.deepEqual(
    await Array.fromAsync(Deno.readDir(folder)).then((all) =>
      all.filter(({ name }) => name.startsWith("touched.jsonl"))
    ),
    [],
  );
  await assert.rejects(drop("touched", 1, "0".repeat(64)), { hint: "audit.damaged" });
  assert.equal(await countRows("touched"), 300);
});

Deno.test("what no checkpoint covers, what is not there and what was not exported stays", async () => {
  await sealedTable("kept");
  await sql`insert into public.kept (id) values (1)`;
  await sql`select public.seal_audit('kept')`;
  await assert.rejects(drop("kept", 4, "0".repeat(64)), { hint: "audit.not_published" });
  await assert.rejects(drop("kept", 9, "0".repeat(64)), { hint: "audit.range_invalid" });
  await assert.rejects(drop("kept", -1, "0".repeat(64)), { hint: "audit.range_invalid" });
  await assert.rejects(drop("kept", 1, "no hash"), { hint: "audit.export_invalid" });
  await assert.rejects(drop("nowhere", 1, "0".repeat(64)), { hint: "audit.table_unknown" });
  await assert.rejects(drop("settings", 1, "0".repeat(64)), { hint: "audit.not_immutable" });
  assert.equal(await countRows("kept"), 301);
  await assert.rejects(sql`delete from public.kept where immutable_seq = 1`, { hint: "audit.immutable" });
});

Deno.test("the audit log keeps saying what was dropped, even when its own rows are", async () => {
  await sealedTable("remembered");
  await drop("remembered", 2, "0".repeat(64));
  await sql`select public.seal_audit('audit_log')`;
  await publish("audit_log");
  const [head] =
    await sql`select max(number) as last from public.audit_blocks where table_name = 'audit_log'`;
  assert.ok(await drop("audit_log", Number(head!.last), "0".repeat(64)) > 0);
  assert.deepEqual((await verify("remembered")).damage, []);
  assert.deepEqual((await verify("audit_log")).damage, []);
});

Deno.test("wrong use is said, with exit code 2, and a file that is there stays as it is", async () => {
  assert.equal((await run("export-audit")).code, 2);
  assert.match((await run("export-audit", "kept", "--out=x", "--before=tomorrow")).errors, /is no date/);
  const file = join(folder, "there.jsonl");
  await Deno.writeTextFile(file, "mine");
  const { code, errors } = await run("export-audit", "kept", `--out=${file}`);
  assert.deepEqual([code, errors.includes("already a file")], [1, true]);
  assert.equal(await Deno.readTextFile(file), "mine");
  const none = await run(
    "export-audit",
    "kept",
    `--out=${join(folder, "none.jsonl")}`,
    "--before=2000-01-01",
  );
  assert.match(none.errors, /nothing to export/);
  const unknown = await run("export-audit", "nowhere", `--out=${join(folder, "none.jsonl")}`);
  assert.match(unknown.errors, /^audit\.table_unknown/);
});

for (const address of ["a:canary@127.0.0.1:99999/x", "a:can%zzary@127.0.0.1/x", "a:canary@127.0.0.1:9/x"]) {
  Deno.test(`a database that cannot be reached is said in one line, without its password: ${address}`, async () => {
    const url = `--database-url=postgresql://${address}`;
    const { code, errors } = await run("export-audit", "kept", `--out=${join(folder, "no.jsonl")}`, url);
    assert.equal(code, 1);
    assert.match(errors, /^Nothing was exported: .*\n$/);
    assert.doesNotMatch(errors, /canary|zz/);
  });
}
