import assert from "node:assert/strict";
import { createTokenVault, TokenVaultError } from "./token-vault.ts";

const key = (fill: number, bytes = 32) => btoa(String.fromCharCode(...new Uint8Array(bytes).fill(fill)));
const OLD = `old:${key(1)}`;
const NEW = `new:${key(2)}`;
const ROW = "user_integrations/7/access_token";

function hasCode(code: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TokenVaultError, String(error));
    assert.equal(error.code, code);
    assert.ok(!error.message.includes("canary"), "an error text must not hold a secret");
    return true;
  };
}

Deno.test("what was encrypted for a row is decrypted for that row, and does not show the secret", async () => {
  const vault = createTokenVault(NEW);
  for (const secret of ["xoxb-canary", "", "ünïcödé 😀", "x".repeat(10_000)]) {
    const encrypted = await vault.encrypt(ROW, secret);
    assert.ok(secret === "" || !encrypted.includes(secret));
    assert.equal(await vault.decrypt(ROW, encrypted), secret);
  }
});

Deno.test("encrypting the same secret twice gives two different values", async () => {
  const vault = createTokenVault(NEW);
  assert.notEqual(await vault.encrypt(ROW, "canary"), await vault.encrypt(ROW, "canary"));
});

Deno.test("a value that was copied to another row or column is refused", async () => {
  const vault = createTokenVault(NEW);
  const encrypted = await vault.encrypt(ROW, "canary");
  for (const row of ["user_integrations/8/access_token", "user_integrations/7/refresh_token", ""]) {
    await assert.rejects(vault.decrypt(row, encrypted), hasCode("encrypted_value.wrong_row"));
  }
});

Deno.test("a header that was rewritten to name another row is refused", async () => {
  const vault = createTokenVault(NEW);
  const [header, ...rest] = (await vault.encrypt(ROW, "canary")).split(".");
  const other = "user_integrations/8/access_token";
  const forged = btoa(JSON.stringify({ ...JSON.parse(atob(header!)), row: other })).replaceAll("=", "");
  await assert.rejects(
    vault.decrypt(other, [forged, ...rest].join(".")),
    hasCode("encrypted_value.tampered"),
  );
});

Deno.test("a change of any part of an encrypted value is noticed", async () => {
  const vault = createTokenVault(NEW);
  const parts = (await vault.encrypt(ROW, "canary")).split(".");
  for (const index of [2, 3, 4]) {
    const changed = [...parts];
    changed[index] = (changed[index]![0] === "A" ? "B" : "A") + changed[index]!.slice(1);
    await assert.rejects(vault.decrypt(ROW, changed.join(".")), hasCode("encrypted_value.tampered"));
  }
});

Deno.test("a value in plain text is refused and not quoted", async () => {
  const vault = createTokenVault(NEW);
  for (const value of ["xoxb-canary", "a.b.c.d.e", "", "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9."]) {
    await assert.rejects(vault.decrypt(ROW, value), hasCode("encrypted_value.malformed"));
  }
});

Deno.test("a header that asks for another algorithm is refused", async () => {
  const vault = createTokenVault(NEW);
  const [, ...rest] = (await vault.encrypt(ROW, "canary")).split(".");
  const header = btoa(JSON.stringify({ alg: "none", enc: "A128CBC-HS256", kid: "new", row: ROW })).replaceAll(
    "=",
    "",
  );
  await assert.rejects(vault.decrypt(ROW, [header, ...rest].join(".")), hasCode("encrypted_value.tampered"));
});

Deno.test("keys rotate without downtime", async () => {
  const before = createTokenVault(OLD);
  const during = createTokenVault(`${NEW}, ${OLD}`);
  const after = createTokenVault(NEW);

  const encryptedBefore = await before.encrypt(ROW, "secret");
  assert.equal(await during.decrypt(ROW, encryptedBefore), "secret");
  assert.equal(during.isEncryptedWithCurrentKey(encryptedBefore), false);

  const encryptedAnew = await during.encrypt(ROW, await during.decrypt(ROW, encryptedBefore));
  assert.equal(during.isEncryptedWithCurrentKey(encryptedAnew), true);
  assert.equal(await after.decrypt(ROW, encryptedAnew), "secret");
  await assert.rejects(after.decrypt(ROW, encryptedBefore), hasCode("encrypted_value.unknown_key"));
});

Deno.test("another key under the same name does not decrypt old values", async () => {
  const encrypted = await createTokenVault(OLD).encrypt(ROW, "canary");
  await assert.rejects(
    createTokenVault(`old:${key(3)}`).decrypt(ROW, encrypted),
    hasCode("encrypted_value.tampered"),
  );
});

Deno.test("unusable keys are refused at construction", () => {
  const refused: [keys: string, code: string][] = [
    ["", "token_keys.missing"],
    [" , ", "token_keys.missing"],
    [key(1), "token_keys.malformed"],
    [`:${key(1)}`, "token_keys.malformed"],
    [`a b:${key(1)}`, "token_keys.malformed"],
    ["k1:canary!", "token_keys.malformed"],
    [`k1:${key(1, 33)}`, "token_keys.malformed"],
    [`k1:${key(1, 31)}`, "token_keys.short"],
    ["k1:", "token_keys.short"],
    [`${NEW},k2:${key(1, 16)}`, "token_keys.short"],
    [`${NEW},new:${key(3)}`, "token_keys.duplicate"],
  ];
  for (const [keys, code] of refused) assert.throws(() => createTokenVault(keys), hasCode(code), keys);
});
