import { ConfigError } from "../adapters/env.ts";
import { AuditError } from "../core/audit/audit-error.ts";
import { type NoteSigner, type NoteVerifier, readSigner, readVerifier } from "../core/audit/note-key.ts";

/** The keys of a project's checkpoints. */
export interface AuditKeys {
  /** Null when this function only verifies. */
  signer: NoteSigner | null;
  /** Every key whose signature counts, the signer's first; none when nothing is configured. */
  verifiers: NoteVerifier[];
}

/**
 * Reads the configured keys. All have one name: it is part of the origin, which a log keeps when its key is replaced.
 *
 * @throws {ConfigError} naming the variable that holds a broken key, never the key
 */
export async function readAuditKeys(
  config: { signingKey: string | null; trustedKeys: string[] },
): Promise<AuditKeys> {
  const signer = config.signingKey
    ? await explained("AUDIT_SIGNING_KEY", readSigner(config.signingKey))
    : null;
  const trusted = config.trustedKeys.map((key) => explained("AUDIT_TRUSTED_KEYS", readVerifier(key)));
  const verifiers = [...(signer ? [signer.verifier] : []), ...await Promise.all(trusted)];
  if (verifiers.some(({ name }) => name !== verifiers[0]!.name)) {
    throw new ConfigError("AUDIT_TRUSTED_KEYS must hold keys with the name of AUDIT_SIGNING_KEY's");
  }
  return { signer, verifiers };
}

/** The origin of a table's checkpoints. */
export function originOf(table: string, { verifiers }: AuditKeys): string {
  return `${verifiers[0]?.name}/${table}`;
}

async function explained<T>(variable: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof AuditError) throw new ConfigError(`${variable} cannot be used. ${error.message}`);
    throw error;
  }
}
