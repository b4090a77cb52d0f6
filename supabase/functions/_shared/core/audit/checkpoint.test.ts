import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBase64 } from "./bytes.ts";
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { formatKeys, readSigner, readVerifier } from "./note-key.ts";
import { signNote } from "./signed-note.ts";

const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
const origin = "example.supabase.co/receipts";

Deno.test("a checkpoint that sum.golang.org signed is read and verified", async () => {
  const note = `go.sum database tree\n20852163\n${root}\n\n— sum.golang.org ` +
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
  const key = await readVerifier("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");
  assert.deepEqual(await openCheckpoint(note, "go.sum database tree", [key]), {
    origin: "go.sum database tree",
    size: 20852163,
    root,
  });
  await assert.rejects(openCheckpoint(note, origin, [key]), {
    code: "audit.checkpoint_foreign",
    message: 'This is a checkpoint of "go.sum database tree", not of "example.supabase.co/receipts".',
  });
  await assert.rejects(openCheckpoint(note.replace("20852163", "20852164"), "go.sum database tree", [key]), {
    code: "audit.signature_invalid",
  });
});

Deno.test("a checkpoint is read back as it was written", async () => {
  const keys = await formatKeys("example.supabase.co", new Uint8Array(32));
  const signer = await readSigner(keys.signer);
  await fc.assert(
    fc.asyncProperty(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), async (size, hash) => {
      const checkpoint = { origin, size, root: encodeBase64(Uint8Array.from(hash)) };
      const note = await signNote(formatCheckpoint(checkpoint), signer);
      assert.deepEqual(await openCheckpoint(note, origin, [signer.verifier]), checkpoint);
    }),
  );
});

Deno.test("a checkpoint by a key that is not trusted is refused", async () => {
  const signer = await readSigner((await formatKeys("example.supabase.co", new Uint8Array(32))).signer);
  const other = await readVerifier(
    (await formatKeys("example.supabase.co", new Uint8Array(32).fill(1))).verifier,
  );
  const note = await signNote(formatCheckpoint({ origin, size: 1, root }), signer);
  await assert.rejects(openCheckpoint(note, origin, [other]), { code: "audit.signature_invalid" });
});

Deno.test("extension lines are ignored", () => {
  assert.deepEqual(parseCheckpoint(`${origin}\n0\n${root}\nmore\n`), { origin, size: 0, root });
});

Deno.test("what is no checkpoint is refused, to read and to write", () => {
  const broken = [
    "",
    "\n",
    `${origin}\n1\n${root}`,
    `${origin}\n1\n`,
    `\n1\n${root}\n`,
    `${origin}\n01\n${root}\n`,
    `${origin}\n-1\n${root}\n`,
    `${origin}\n+1\n${root}\n`,
    `${origin}\n1e3\n${root}\n`,
    `${origin}\n 1\n${root}\n`,
    `${origin}\n9007199254740992\n${root}\n`,
    `${origin}\n1\n${root.slice(0, 40)}\n`,
    `${origin}\n1\n${root.replace("2I=", "2J=")}\n`,
    `${origin}\n1\n${root}\n\n`,
    `${origin}\n1\n${root}\n\nmore\n`,
  ];
  for (const text of broken) {
    assert.throws(() => parseCheckpoint(text), { code: "audit.checkpoint_invalid" }, JSON.stringify(text));
  }
  for (const wrong of [{ origin: "a\nb" }, { origin: "" }, { size: -1 }, { size: 0.5 }, { root: "" }]) {
    assert.throws(() => formatCheckpoint({ origin, size: 1, root, ...wrong }), {
      code: "audit.checkpoint_invalid",
    });
  }
});
