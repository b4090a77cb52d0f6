import { CompactEncrypt, importJWK, type JWK } from "jose";

/** The receiver's key cannot encrypt. */
export class PublicKeyError extends Error {
  override name = "PublicKeyError";
}

/**
 * Encrypts a webhook's body for its receiver, as a compact JWE (RFC 7516) with A256GCM: ECDH-ES+A256KW for a key on an
 * elliptic curve, RSA-OAEP-256 for an RSA key. The header names the key when the key has a `kid`.
 *
 * @throws {PublicKeyError}
 */
export async function encryptFor(publicKey: JWK, body: string): Promise<string> {
  const alg = publicKey.kty === "RSA" ? "RSA-OAEP-256" : "ECDH-ES+A256KW";
  const kid = publicKey.kid && { kid: publicKey.kid };
  try {
    return await new CompactEncrypt(new TextEncoder().encode(body))
      .setProtectedHeader({ alg, enc: "A256GCM", cty: "json", ...kid })
      .encrypt(await importJWK(publicKey, alg));
  } catch {
    throw new PublicKeyError(
      "what is stored as its public key is no JWK that can encrypt (EC P-256 or P-384, RSA of 2048 bits or more)",
    );
  }
}
