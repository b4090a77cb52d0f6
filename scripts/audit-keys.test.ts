import assert from "node:assert/strict";
import { readSigner, readVerifier } from "../supabase/functions/_shared/core/audit/note-key.ts";
import { parseNote, signNote, verifyNote } from "../supabase/functions/_shared/core/audit/signed-note.ts";

async function auditKeys(...args: string[]) {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", new URL("audit-keys.ts", import.meta.url).pathname, ...args],
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("the printed keys belong together, and the secret one stands only where it can be redirected", async () => {
  const { code, stdout, stderr } = await auditKeys("example.supabase.co");
  assert.equal(code, 0);
  const signer = await readSigner(/^AUDIT_SIGNING_KEY=(.+)\n$/.exec(stdout)![1]!);
  const verifier = await readVerifier(stderr.trim().split("\n").at(-1)!);
  await verifyNote(parseNote(await signNote("a checkpoint\n", signer)), [verifier]);
  assert.ok(!stderr.includes("PRIVATE"));
  assert.notEqual((await auditKeys("example.supabase.co")).stdout, stdout);
});

Deno.test("a name that no key can have is refused with what may be typed", async () => {
  for (const args of [[], ["a b"], ["a+b"], ["a", "b"]]) {
    const { code, stdout, stderr } = await auditKeys(...args);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /Usage: .* task audit-keys <name>/);
  }
});
