import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import postgres from "postgres";
import { projectRoot } from "./stack/paths.ts";
import { testDatabase } from "./testing/stack.ts";
import { hashBlock } from "./verify-audit/block.ts";
import { sha256 } from "./verify-audit/merkle.ts";

const database = await testDatabase();
const sql = postgres(database.url, { max: 1, onnotice: () => {} });
const folder = await Deno.makeTempDir();
const { tasks } = JSON.parse(await Deno.readTextFile(`${projectRoot}/deno.json`));

Deno.test.afterAll(async () => {
  await sql.end();
  await database.stop();
  await Deno.remove(folder, { recursive: true });
});

/** Runs the task with its own permissions. */
async function run(args: string[], env: Record<string, string> = {}, input = "") {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...tasks["verify-audit"].command.split(" ").slice(1), ...args],
    cwd: projectRoot,
    env: { NO_COLOR: "1", DATABASE_URL: database.url, ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

function makeSigner(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const typeAndKey = Buffer.concat([
    Buffer.from([1]),
    publicKey.export({ format: "der", type: "spki" }).subarray(-32),
  ]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typeAndKey])).subarray(0, 4);
  return {
    key: `--key=${name}+${id.toString("hex")}+${typeAndKey.toString("base64")}`,
    note(table: string, size: number, root: string) {
      const text = `${name}/${table}\n${size}\n${root}\n`;
      const signature = Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString("base64");
      return `${text}\n— ${name} ${signature}\n`;
    },
  };
}

const ours = makeSigner("example.test");

/** Writes a text to a file and returns its path. */
async function save(name: string, text: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
  return path;
}

async function add(table: string, rows: number): Promise<void> {
  await sql`insert into ${
    sql(table)
  } (id, note) select n, 'a "note" ' || n from generate_series(1, ${rows}::int) n`;
  await sql`select public.seal_audit(${table})`;
}

/** A sealed table of 200 rows in two blocks, and the paths of the checkpoints of its sizes, 100 and 200. */
async function sealedTable(table: string): Promise<[string, string]> {
  await sql.unsafe(`create table public.${table} (id integer, note text);
    select private.make_immutable('${table}')`);
  const paths: string[] = [];
  for (const size of [100, 200]) {
    await add(table, 100);
    paths.push(await publish(table, size));
  }
  return paths as [string, string];
}

/** Signs the root of a size; the database gets to know as it does when it is published. */
async function publish(table: string, size: number): Promise<string> {
  const [block] = await sql`select encode(root, 'base64') as root from public.audit_blocks
    where table_name = ${table} and size = ${size}`;
  const note = ours.note(table, size, block!.root);
  await sql`select public.record_publication(${table}, 'store', ${size}, ${block!.root}, ${note})`;
  return await save(`${table}/${String(size).padStart(20, "0")}.txt`, note);
}

async function tamper(table: string, statement: string): Promise<void> {
  await sql.unsafe(`alter table public.${table} disable trigger user; ${statement};
    alter table public.${table} enable trigger user`);
}

/** The URL of a role that may select, and from which row-level security hides everything. */
async function roleWithoutRows(): Promise<string> {
  const name = `role_${crypto.randomUUID().slice(0, 8)}`;
  await sql.unsafe(`create role ${name} login password 'canary'; grant usage on schema public to ${name};
    grant select on all tables in schema public to ${name}`);
  return Object.assign(new URL(database.url), { username: name, password: "canary" }).href;
}

Deno.test("a sound log is said to be so, with as much as was compared", async () => {
  await sealedTable("sound");
  const { code, output, errors } = await run(["sound", `--checkpoints=${folder}/sound`, ours.key]);
  assert.deepEqual([code, errors], [0, ""]);
  assert.match(output, /^sound: sound\. Compared 200 rows in 2 blocks/);
  assert.match(output, /2 checkpoints agreed, up to a size of 200/);
});

Deno.test("without checkpoints it is said what cannot be seen", async () => {
  await sealedTable("alone");
  const { code, output } = await run(["public.alone", `--database-url=${database.url}`], {
    DATABASE_URL: "",
  });
  assert.equal(code, 0);
  assert.match(output, /a cut tail and a full rewrite cannot be seen/);
});

Deno.test("damage is named with its numbers, and the exit code is 1", async () => {
  await sealedTable("damaged");
  await tamper(
    "damaged",
    `update public.damaged set note = 'x' where immutable_seq in (7, 8, 9);
    delete from public.damaged where immutable_seq between 50 and 59`,
  );
  const { code, output } = await run(["damaged"]);
  assert.equal(code, 1);
  assert.match(output, /^damaged: DAMAGED/);
  assert.match(output, /^ {2}edited: numbers 7 to 9 \(3 rows\)$/m);
  assert.match(output, /^ {2}deleted: numbers 50 to 59 \(10 rows\)$/m);
});

Deno.test("all tables are verified when none is named, also one that only a checkpoint knows", async () => {
  const note = ours.note("vanished", 3, sha256("").toString("base64"));
  const { code, output } = await run(["--checkpoints=-", ours.key], {}, note);
  assert.equal(code, 1);
  assert.match(output, /^audit_log: sound/m);
  assert.match(output, /^receipts: sound/m);
  assert.match(output, /^vanished: DAMAGED[^]*tail_cut: positions 0 to 2 \(3 rows\)/m);
});

Deno.test("a cut tail, with its blocks, is found by the checkpoint on standard input", async () => {
  const [, newest] = await sealedTable("cut");
  await tamper("cut", "delete from public.cut where immutable_seq > 100");
  await tamper("audit_blocks", "delete from public.audit_blocks where table_name = 'cut' and number = 2");
  assert.equal((await run(["cut"])).code, 0);
  const { code, output } = await run(
    ["cut", "--checkpoints=-", ours.key],
    {},
    await Deno.readTextFile(newest),
  );
  assert.equal(code, 1);
  assert.match(output, /tail_cut: positions 100 to 199 \(100 rows\)/);
});

Deno.test("what cannot be verified is neither sound nor damaged: exit code 2 and a stable code", async () => {
  const [old] = await sealedTable("unclear");
  const stranger = makeSigner("other.test");
  const impostor = makeSigner("example.test");
  const foreign = await save("foreign.txt", stranger.note("unclear", 100, sha256("").toString("base64")));
  const broken = await save("broken.txt", (await Deno.readTextFile(old)).replace("100", "101"));
  const unreachable = "postgresql://postgres:canary@127.0.0.1:9/postgres";
  const wrongPassword = database.url.replace(/:[^:@]+@/, ":canary@");
  const cases: [string[], RegExp, Record<string, string>?][] = [
    [["nowhere"], /^audit\.table_unknown: /],
    [["settings"], /^audit\.not_immutable: /],
    [["unclear", `--checkpoints=${foreign}`, ours.key], /^audit\.checkpoint_foreign: /],
    [["unclear", `--checkpoints=${folder}/sound`, ours.key], /^audit\.checkpoint_missing: /],
    [["unclear", `--checkpoints=${broken}`, ours.key], /^audit\.checkpoint_invalid: /],
    [
      ["sound", "unclear", `--checkpoints=${folder}/sound`, ours.key],
      /^audit\.checkpoint_missing: .* unclear/,
    ],
    [["unclear", "--checkpoints=/nowhere", ours.key], /^audit\.checkpoint_invalid: /],
    [["unclear", `--checkpoints=${old}`, impostor.key], /^audit\.key_mismatch: /],
    [["unclear", `--checkpoints=${old}`, "--key=x"], /^audit\.key_invalid: /],
    [["unclear", ours.key], /^--key is of no use without --checkpoints\. Usage: /],
    [["unclear", `--checkpoints=${old}`], /--key is needed here\. Usage: /],
    [["unclear"], /^audit\.database_unreachable: /, { DATABASE_URL: unreachable }],
    [["unclear"], /^audit\.database_unreachable: /, { DATABASE_URL: wrongPassword }],
    [["unclear"], /^audit\.database_unreachable: /, { DATABASE_URL: "postgresql://a:can ary@[" }],
    [["unclear"], /^audit\.database_unreachable: /, { DATABASE_URL: "postgresql://a:can%zzary@127.0.0.1:9" }],
    [["unclear"], /^audit\.database_unreadable: /, { DATABASE_URL: await roleWithoutRows() }],
    [[], /^audit\.database_unreadable: /, { DATABASE_URL: await roleWithoutRows() }],
    [["unclear"], /^No database is named: /, { DATABASE_URL: "" }],
    [["unclear", "--nonsense"], /Usage: /],
    [["inclusion"], /Usage: /],
    [["unclear", `--checkpoint=${old}`], /^--checkpoint is of no use here\. Usage: /],
    [["--export=x", `--checkpoints=${folder}`, ours.key], /^--checkpoints is of no use here\. Usage: /],
    [["unclear", "--export=x", ours.key], /^Unexpected argument 'unclear'\. Usage: /],
    [["inclusion", "x", "y", `--checkpoint=${old}`, ours.key], /^Unexpected argument 'y'\. Usage: /],
    [["--export=/nowhere", ours.key], /^audit\.export_invalid: /],
    [["--export=x"], /--key is needed here/],
  ];
  for (const [args, expected, env] of cases) {
    const { code, output, errors } = await run(args, env);
    assert.equal(code, 2, `${args}: ${output}${errors}`);
    assert.match(errors, expected);
    assert.ok(!/can ?ary/.test(errors), errors);
  }
});

Deno.test("a database that says that it has no immutable table is not sound", async () => {
  const tables = ["immutable_tables", "audit_blocks"];
  await sql.unsafe(
    tables.map((name) =>
      `alter table public.${name} rename to kept_${name};
     create view public.${name} as select * from public.kept_${name} where false;`
    ).join("\n"),
  );
  const { code, errors } = await run([]).finally(() =>
    sql.unsafe(
      tables.map((name) => `drop view public.${name}; alter table public.kept_${name} rename to ${name};`)
        .join("\n"),
    )
  );
  assert.equal(code, 2);
  assert.match(errors, /^audit\.table_unknown: The database has no immutable table/);
});

Deno.test("damage outweighs what could not be found out", async () => {
  await sealedTable("both");
  await tamper("both", "update public.both set note = 'x' where immutable_seq = 3");
  const { code, output, errors } = await run(["both", "nowhere"]);
  assert.equal(code, 1);
  assert.match(output, /edited: number 3$/m);
  assert.match(errors, /audit\.table_unknown/);
});

Deno.test("the database's proofs are checked offline", async () => {
  const [old, now] = await sealedTable("proven");
  const offline = { DATABASE_URL: "" };
  const [row] = await sql`
    select public.audit_inclusion_proof('proven', 42)::text as inclusion,
      public.audit_consistency_proof('proven', 100)::text as consistency,
      row(t.id, t.note, t.immutable_seq, null)::text as text
    from public.proven t where t.immutable_seq = 42`;
  const inclusion = [
    "inclusion",
    await save("inclusion.json", row!.inclusion),
    `--checkpoint=${now}`,
    ours.key,
  ];
  const consistency = [
    "consistency",
    await save("consistency.json", row!.consistency),
    `--old=${old}`,
    `--new=${now}`,
    ours.key,
  ];

  const proven = await run([...inclusion, `--row=${row!.text}`], offline);
  assert.deepEqual([proven.code, proven.errors], [0, ""]);
  assert.match(proven.output, /^Proven: this row is at position 41 of proven/);
  assert.equal((await run(inclusion, offline)).code, 0);
  assert.match(
    (await run(consistency, offline)).output,
    /^Proven: the first 100 rows of proven are the same/,
  );

  const otherRow = await run([...inclusion, `--row=${row!.text.replace("42", "43")}`], offline);
  assert.deepEqual([otherRow.code, otherRow.output.split(":")[0]], [1, "Not proven"]);

  const changed = (kind: string, change: (proof: Record<string, unknown>) => void) => {
    const proof = JSON.parse(row![kind]);
    change(proof);
    return save(`changed-${kind}.json`, JSON.stringify(proof));
  };
  const cases: [number, string[]][] = [
    [1, ["inclusion", await changed("inclusion", (proof) => proof.position = 40), ...inclusion.slice(2)]],
    [1, [
      "consistency",
      await changed("consistency", (proof) => proof.proof = []),
      ...consistency.slice(2),
    ]],
    [2, ["inclusion", await save("none.json", "{}"), ...inclusion.slice(2)]],
    [2, ["inclusion", await save("none.txt", "no JSON"), ...inclusion.slice(2)]],
    [2, ["inclusion", inclusion[1]!, `--checkpoint=${old}`, ours.key]],
    [2, ["inclusion", inclusion[1]!, `--checkpoint=${folder}/sound/${old.split("/").at(-1)}`, ours.key]],
    [2, ["consistency", consistency[1]!, `--old=${now}`, `--new=${old}`, ours.key]],
  ];
  for (const [expected, args] of cases) {
    const { code, output, errors } = await run(args, offline);
    assert.equal(code, expected, `${args}: ${output}${errors}`);
    if (expected === 2) assert.match(errors, /^audit\.(proof_invalid|checkpoint_foreign): /);
  }
});

Deno.test("an export is verified offline, and what was changed in it is found", async () => {
  await sealedTable("exported");
  const path = `${folder}/exported.jsonl`;
  const exported = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "scripts/export-audit.ts", "exported", `--out=${path}`],
    cwd: projectRoot,
    env: { DATABASE_URL: database.url },
  }).output();
  assert.equal(exported.code, 0, new TextDecoder().decode(exported.stderr));
  const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
  const verifyLines = async (lines: string[]) =>
    await run([`--export=${await save("changed.jsonl", lines.join("\n"))}`, ours.key], { DATABASE_URL: "" });

  const sound = await verifyLines(lines);
  assert.deepEqual([sound.code, sound.errors], [0, ""]);
  assert.match(sound.output, /^exported: sound\. Compared 200 rows in 2 blocks/);

  /** The lines with one changed; line 0 is the segment, 1 the first block, 2 to 101 its rows. */
  const changed = (at: number, change: (line: Record<string, unknown>) => void) => {
    const line = JSON.parse(lines.at(at)!);
    change(line);
    return lines.with(at, JSON.stringify(line));
  };
  /** Says of the second block that its first number is void, and that each row has the next one. */
  const renumbered = lines.map((text, at) => {
    const line = JSON.parse(text);
    if (at > 102 && line.type === "row") line.seq++;
    if (at !== 102) return JSON.stringify(line);
    const [root, prevHash] = [line.root, line.prev_hash].map((hash) => Buffer.from(hash, "base64"));
    const rowHash = hashBlock("exported", {
      ...{
        number: 2,
        firstSeq: 101,
        lastSeq: 201,
        voids: [[101, 101]],
        firstPosition: 100,
        rows: 100,
        size: 200,
      },
      ...{ root: root!, columns: line.columns.join(","), sealedAt: line.sealed_at, prevHash: prevHash! },
      rowHash: Buffer.alloc(0),
    });
    return JSON.stringify({
      ...line,
      last_seq: 201,
      voids: [[101, 101]],
      row_hash: rowHash.toString("base64"),
    });
  });
  const cases: [RegExp, string[]][] = [
    [
      /DAMAGED.*\n {2}reordered: numbers 102 to 201 \(100 rows\): their texts have other numbers\n/,
      renumbered,
    ],
    [/edited: numbers 1 to 100: somewhere in them/, changed(5, (row) => row.leaf = `${row.leaf}x`)],
    [/deleted: number 4$/m, lines.toSpliced(5, 1)],
    [
      /inserted_later: number 999$/m,
      lines.toSpliced(5, 0, '{"type":"row","seq":999,"position":0,"leaf":"()"}'),
    ],
    [/reordered: number 4$/m, lines.with(5, lines[6]!).with(6, lines[5]!)],
    [/tail_cut: number 200$/m, lines.toSpliced(-2, 1)],
    [
      /rewritten: record of block 1: its hash/,
      changed(1, (block) => block.sealed_at = "2020-01-01T00:00:00Z"),
    ],
    [/rewritten: record of block 1/, changed(1, (block) => block.root = sha256("").toString("base64"))],
    [
      /rewritten: positions 0 to 199/,
      changed(-1, (line) => (line.consistency as { proof: string[] }).proof.push("A".repeat(43) + "=")),
    ],
  ];
  for (const [expected, lines] of cases) {
    const { code, output, errors } = await verifyLines(lines);
    assert.deepEqual([code, errors], [1, ""], String(expected));
    assert.match(output, expected);
  }
  const unusable: [string, string[]][] = [
    ["audit.export_invalid", []],
    ["audit.export_invalid", lines.slice(0, -1)],
    ["audit.export_invalid", lines.slice(1)],
    ["audit.export_invalid", lines.with(7, lines[7]!.slice(0, 20))],
    ["audit.export_invalid", [...lines, lines[2]!]],
    ["audit.export_invalid", [lines[0]!, lines.at(-1)!]],
    ["audit.checkpoint_invalid", changed(-1, (line) => line.note = "none")],
    ["audit.checkpoint_foreign", changed(0, (line) => line.table = "other")],
  ];
  for (const [expected, lines] of unusable) {
    const { code, errors } = await verifyLines(lines);
    assert.deepEqual([code, errors.split(":")[0]], [2, expected]);
  }
});

Deno.test("rows that were dropped after their export are not missed, others are", async () => {
  await sealedTable("dropped");
  await sql`select private.drop_audit_segment('dropped', 1, ${"0".repeat(64)}, 'alice')`;
  const early = await run(["dropped"]);
  assert.deepEqual([early.code, early.errors.split(":")[0]], [2, "audit.not_sealed"]);
  await sql`select public.seal_audit('audit_log')`;
  const checked = [`--checkpoints=${folder}/dropped`, ours.key];
  const { code, output } = await run(["dropped", ...checked]);
  assert.equal(code, 0, output);
  assert.match(output, /Compared 100 rows in 2 blocks[^]*100 rows not looked at, only their leaf hashes/);
  assert.match(output, /of audit_log says that rows up to number 100 were exported and dropped/);
  await tamper("dropped", "delete from public.dropped where immutable_seq = 101");
  assert.match((await run(["dropped", ...checked])).output, /deleted: number 101$/m);
});
