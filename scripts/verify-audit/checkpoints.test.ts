import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { parseCheckpoint, readCheckpoints } from "./checkpoints.ts";
import { sha256 } from "./merkle.ts";
import type { Problem } from "./problem.ts";
import { openNote, parseVerifierKey } from "./signed-note.ts";

const isProblem = (code: string) => (error: Problem) => error.code === code;

Deno.test("the example of the signed-note specification opens with its key", () => {
  const key = parseVerifierKey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
  const signature =
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
  const note = `This is an example message.\n\n${signature}`;
  assert.equal(openNote(note, [key], "").text, "This is an example message.\n");
  assert.throws(
    () => openNote(note.replace("This", "That"), [key], ""),
    isProblem("audit.checkpoint_invalid"),
  );
});

Deno.test("the example of Go's note package opens with its key", () => {
  const key = parseVerifierKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  const text =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = `${text}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
  assert.equal(openNote(note, [key], "").text, text);
});

/** A key with the means to sign, made here so that nothing is shared with the signer. */
function makeSigner(name: string) {
  const { privateKey } = generateKeyPairSync("ed25519");
  const publicBytes = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
  const typeAndKey = Buffer.concat([Buffer.from([1]), publicBytes]);
  const id = sha256(Buffer.concat([Buffer.from(`${name}\n`), typeAndKey])).subarray(0, 4);
  const verifierKey = `${name}+${id.toString("hex")}+${typeAndKey.toString("base64")}`;
  const key = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" }));
  return {
    verifierKey,
    key: parseVerifierKey(verifierKey),
    line: (text: string) =>
      `— ${name} ${Buffer.concat([id, sign(null, Buffer.from(text), key)]).toString("base64")}\n`,
    note(text: string) {
      return `${text}\n${this.line(text)}`;
    },
  };
}

const ours = makeSigner("example.supabase.co");
const root = sha256("root");
const text = `example.supabase.co/receipts\n1042\n${root.toString("base64")}\n`;

Deno.test("a checkpoint says a table's size and root, whoever else signed it too", () => {
  const witness = makeSigner("witness.example");
  const note = `${text}\n${witness.line(text)}${ours.line(text)}`;
  const expected = { table: "receipts", size: 1042, root, source: "x" };
  assert.deepEqual(parseCheckpoint(note, [ours.key], "x"), expected);
  assert.deepEqual(parseCheckpoint(ours.note(text + "an extension\n"), [ours.key], "x"), expected);
});

Deno.test("a broken, forged or foreign checkpoint is none", () => {
  const impostor = makeSigner("example.supabase.co");
  const stranger = makeSigner("other.example");
  const strangersText = text.replace("example.supabase.co", "other.example");
  const cases: [string, string][] = [
    ["", "audit.checkpoint_invalid"],
    [text, "audit.checkpoint_invalid"],
    ["{}", "audit.checkpoint_invalid"],
    [ours.note(text).replace("1042", "1043"), "audit.checkpoint_invalid"],
    [ours.note(text).slice(0, -9), "audit.checkpoint_invalid"],
    [ours.note(text).replace("— ", "- "), "audit.checkpoint_invalid"],
    [ours.note(text) + "more\n", "audit.checkpoint_invalid"],
    [ours.note(text.replace("1042", "01042")), "audit.checkpoint_invalid"],
    [ours.note(text.replace("1042", "-1")), "audit.checkpoint_invalid"],
    [ours.note(text.replace("1042", "1e3")), "audit.checkpoint_invalid"],
    [ours.note(text.replace("=", "")), "audit.checkpoint_invalid"],
    [ours.note("example.supabase.co/receipts\n1042\n"), "audit.checkpoint_invalid"],
    [impostor.note(text), "audit.key_mismatch"],
    [stranger.note(text), "audit.key_mismatch"],
    [stranger.note(strangersText), "audit.checkpoint_foreign"],
    [ours.note(strangersText), "audit.checkpoint_foreign"],
  ];
  for (const [note, code] of cases) {
    assert.throws(() => parseCheckpoint(note, [ours.key], "x"), isProblem(code), note);
  }
});

Deno.test("a key that is none, is damaged or secret is refused, and a secret one is not repeated", () => {
  const [name, id, encoded] = ours.verifierKey.split("+") as [string, string, string];
  for (
    const text of [
      "",
      "x",
      `${name}+${id}`,
      `${name}+00000000+${encoded}`,
      `other+${id}+${encoded}`,
      `${name}+${id}+${Buffer.alloc(33, 2).toString("base64")}`,
    ]
  ) assert.throws(() => parseVerifierKey(text), isProblem("audit.key_invalid"), text);
  assert.throws(
    () => parseVerifierKey("PRIVATE+KEY+a+00000000+canary"),
    (error: Problem) => error.code === "audit.key_invalid" && !error.message.includes("canary"),
  );
});

Deno.test("a folder's checkpoints are all read, those in one file too, and a broken one hides no other", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/receipts`);
    const second = ours.note(text.replace("1042", "2000"));
    await Deno.writeTextFile(`${folder}/receipts/1.txt`, ours.note(text) + second);
    await Deno.writeTextFile(`${folder}/receipts/2.txt`, "broken");
    await Deno.writeTextFile(`${folder}/receipts/3.txt`, `${ours.note(text)}\n${second}`);
    await Deno.writeTextFile(`${folder}/notes.md`, "no checkpoint");
    const problems: Problem[] = [];
    const read = await readCheckpoints(folder, [ours.key], (problem) => problems.push(problem));
    assert.deepEqual(read.map(({ size }) => size).sort(), [1042, 1042, 2000, 2000]);
    assert.deepEqual(problems.map(({ code }) => code), ["audit.checkpoint_invalid"]);
    await assert.rejects(
      readCheckpoints(`${folder}/nowhere`, [ours.key], () => {}),
      isProblem("audit.checkpoint_invalid"),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
