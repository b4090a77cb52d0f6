import assert from "node:assert/strict";
import fc from "fast-check";
import { formatKeys, type NoteSigner, readSigner, readVerifier } from "./note-key.ts";
import { parseNote, signNote, verifyNote } from "./signed-note.ts";

// Published in the documentation of golang.org/x/mod/sumdb/note.
const peterSigns = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const enoch = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const text =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const byPeter =
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const byEnoch =
  "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

const invalid = { code: "audit.checkpoint_invalid" };

async function verify(note: string, ...keys: string[]): Promise<string> {
  const read = parseNote(note);
  await verifyNote(read, await Promise.all(keys.map(readVerifier)));
  return read.text;
}

Deno.test("signing gives, byte for byte, the note that Go's documentation shows", async () => {
  assert.equal(await signNote(text, await readSigner(peterSigns)), `${text}\n${byPeter}`);
});

Deno.test("published notes verify", async () => {
  const ofSpecification = "This is an example message.\n\n— example.com/foo " +
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
  assert.equal(await verify(`${text}\n${byPeter}${byEnoch}`, peter, enoch), text);
  assert.equal(
    await verify(ofSpecification, "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
    "This is an example message.\n",
  );
});

Deno.test("signatures by unknown keys do not count, wherever they stand", async () => {
  const forged = byPeter.replace("PeterNeumann", "SomebodyElse");
  const otherType = byPeter.replace("x08go/ZJ", "x08goPZJ").replace("PeterNeumann", "a.witness/of-logs");
  for (const note of [`${text}\n${byEnoch}${byPeter}`, `${text}\n${forged}${otherType}${byPeter}`]) {
    assert.equal(await verify(note, peter), text);
  }
  await assert.rejects(verify(`${text}\n${byEnoch}${forged}`, peter), {
    code: "audit.signature_invalid",
    message:
      /No trusted key signed this. Trusted: PeterNeumann\+c74f20a3; signed by: EnochRoot\+af0cfe78, Som/,
  });
  await assert.rejects(verify(`${text}\n${byPeter}`), { code: "audit.signature_invalid" });
});

Deno.test("a trusted key's false signature spoils the note, whoever else signed it", async () => {
  const false_ = byEnoch.replace("5n2tiOHp", "5n2tiOHq");
  await assert.rejects(verify(`${text}\n${byPeter}${false_}`, peter, enoch), {
    code: "audit.signature_invalid",
  });
  const short = byPeter.replace(/ [^ ]+\n$/, " x08go/ZJ\n");
  await assert.rejects(verify(`${text}\n${short}`, peter), { code: "audit.signature_invalid" });
});

Deno.test("a note that was changed anywhere is not verified, and a line of it is still read strictly", async () => {
  const note = `${text}\n${byPeter}`;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(note.length - 1),
      fc.constantFrom("", " ", "\n", "x", "=", "\t", "\r"),
      async (at, instead) => {
        if (note[at] === instead) return;
        const changed = note.slice(0, at) + instead + note.slice(at + 1);
        await assert.rejects(verify(changed, peter), { name: "AuditError" });
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("what is no signed note is refused with what is wrong", async () => {
  const cases: [note: string, message: RegExp][] = [
    ["", /not lines of text/],
    ["text", /not lines of text/],
    [text, /no empty line/],
    [`${text}\n`, /a line after its text/],
    [`${text}${byPeter}`, /no empty line/],
    [`${text}\n${byPeter.trimEnd()}`, /not lines of text/],
    [`${text}\n${byPeter}\n`, /a line after its text/],
    [`${text}\r\n${byPeter}`, /not lines of text/],
    [`${text}\n${byPeter.replace("—", "-")}`, /a line after its text/],
    [`${text}\n${byPeter.replace("— ", "—  ")}`, /a line after its text/],
    [`${text}\n${byPeter.replace("Neumann", "+Neumann")}`, /a line after its text/],
    [`${text}\n${byPeter.replace("Neumann", "\u00a0Neumann")}`, /a line after its text/],
    [`${text}\n${byPeter.replace("AM=", "AN=")}`, /a line after its text/],
    [`${text}\n— PeterNeumann x08goA==\n`, /a line after its text/],
    [`${text}\ud800\n\n${byPeter}`, /not lines of text/],
    [`${text}\n${byPeter.repeat(101)}`, /more than 100 signatures/],
    [`${"a".repeat(1_000_000)}\n\n${byPeter}`, /longer than 1 MB/],
  ];
  for (const [note, message] of cases) {
    await assert.rejects(verify(note, peter), { ...invalid, message }, JSON.stringify(note.slice(0, 200)));
  }
});

Deno.test("whatever text can be signed is read back as it was", async () => {
  const signer = await readSigner(peterSigns);
  const line = fc.string({ unit: "grapheme" }).map((one) => one.replace(/\p{Cc}/gu, ""));
  await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1 }), async (lines) => {
    const signed = lines.join("\n") + "\n";
    assert.equal(await verify(await signNote(signed, signer), peter), signed);
  }));
  for (const bad of ["", "no newline", "tab\t\n", "\ud800\n"]) {
    await assert.rejects(signNote(bad, signer), invalid);
  }
});

Deno.test("a key of a new seed signs what its other half verifies", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (seed) => {
    const keys = await formatKeys("example.supabase.co", Uint8Array.from(seed));
    const signer: NoteSigner = await readSigner(keys.signer);
    assert.equal(await verify(await signNote(text, signer), keys.verifier), text);
    assert.ok(keys.verifier.startsWith(`example.supabase.co+${signer.verifier.id}+`));
  }));
});

Deno.test("a key's name holds neither spaces nor plus signs", async () => {
  const seed = new Uint8Array(32);
  for (const name of ["", "a b", "a+b", "a\u2003b", "a\nb", "\ud800", "a".repeat(256)]) {
    await assert.rejects(formatKeys(name, seed), { code: "audit.key_invalid" }, JSON.stringify(name));
  }
});

Deno.test("a key of which a part is missing or changed is refused, without repeating a private one", async () => {
  await readVerifier(peter);
  const wrong = [
    "",
    peterSigns,
    `${peter} `,
    peter.replace("PeterNeumann", "PaulNeumann"),
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  ];
  for (const key of wrong) await assert.rejects(readVerifier(key), { code: "audit.key_invalid" }, key);
  for (let at = 0; at < peterSigns.length; at++) {
    const changed = peterSigns.slice(0, at) + "B" + peterSigns.slice(at + 1);
    if (changed === peterSigns) continue;
    await assert.rejects(readSigner(changed), (error: Error & { code: string }) => {
      assert.equal(error.code, "audit.key_invalid");
      assert.ok(!error.message.includes("KFALVFGyN"), "the private key stands in the message");
      return true;
    });
    await assert.rejects(readSigner(peterSigns.slice(0, at)), { code: "audit.key_invalid" });
  }
  for (let length = 0; length < peter.length; length++) {
    await assert.rejects(readVerifier(peter.slice(0, length)), { code: "audit.key_invalid" });
  }
});
