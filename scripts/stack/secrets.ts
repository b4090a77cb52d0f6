/** Keys and passwords of the local stack: generated once, kept in its folder, readable for the current user only. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SignJWT } from "jose";
import { formatKeys } from "../../supabase/functions/_shared/core/audit/note-key.ts";

/** Everything secret that the stack needs, in the formats of the hosted platform. */
export interface StackSecrets {
  /** Of the roles `supabase_admin`, `postgres` and `authenticator`. */
  databasePassword: string;
  /** Signs the tokens of the Auth API and the two legacy keys (HS256). */
  jwtSecret: string;
  publishableKey: string;
  secretKey: string;
  /** Legacy key: a signed token with the role `anon`. */
  anonKey: string;
  /** Legacy key: a signed token with the role `service_role`. */
  serviceRoleKey: string;
  internalWebhookToken: string;
  /** `<key id>:<32 random bytes in base64>` */
  tokenEncryptionKeys: string;
  /** 32 random bytes in base64; signs webhooks. */
  webhookSigningKeys: string;
  /** Signs the audit log's checkpoints. */
  auditSigningKey: string;
  /** Verifies them; no secret. */
  auditVerifierKey: string;
}

/** Reads the secrets in `home`, or generates them there. */
export async function loadSecrets(home: string): Promise<StackSecrets> {
  const file = join(home, "secrets.json");
  const known = await readSecrets(file);
  const secrets = { ...await generateSecrets(), ...known };
  if (Object.keys(secrets).length === Object.keys(known).length) return secrets;
  const unfinished = await Deno.makeTempFile({ dir: home });
  await Deno.writeTextFile(unfinished, JSON.stringify(secrets, null, 2));
  if (Object.keys(known).length > 0) {
    // An earlier version of the stack knew fewer secrets.
    await Deno.rename(unfinished, file);
    return secrets;
  }
  try {
    // Unlike a rename, a link fails when another process was faster; then its secrets count.
    await Deno.link(unfinished, file);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  } finally {
    await Deno.remove(unfinished);
  }
  return JSON.parse(await Deno.readTextFile(file));
}

async function readSecrets(file: string): Promise<Partial<StackSecrets>> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

async function generateSecrets(): Promise<StackSecrets> {
  const random = (bytes: number) => randomBytes(bytes).toString("base64url");
  const jwtSecret = random(32);
  const legacyKey = (role: string) =>
    new SignJWT({ role })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuer("supabase").setIssuedAt().setExpirationTime("10y")
      .sign(new TextEncoder().encode(jwtSecret));
  const auditKeys = await formatKeys("local", new Uint8Array(randomBytes(32)));
  return {
    databasePassword: randomBytes(16).toString("hex"),
    jwtSecret,
    publishableKey: `sb_publishable_${random(16)}`,
    secretKey: `sb_secret_${random(24)}`,
    anonKey: await legacyKey("anon"),
    serviceRoleKey: await legacyKey("service_role"),
    internalWebhookToken: random(32),
    tokenEncryptionKeys: `local:${randomBytes(32).toString("base64")}`,
    webhookSigningKeys: randomBytes(32).toString("base64"),
    auditSigningKey: auditKeys.signer,
    auditVerifierKey: auditKeys.verifier,
  };
}
