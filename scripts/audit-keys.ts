/**
 * `deno task audit-keys <name>`: makes a pair of keys for the checkpoints of the audit logs. The one that signs goes to
 * standard output as a setting, so that it can be appended to a file without being seen; the one that verifies is for
 * everybody, and goes to the terminal.
 */
import { exitWithUsage, readArguments } from "./command-line.ts";
import { AuditError } from "../supabase/functions/_shared/core/audit/audit-error.ts";
import { formatKeys } from "../supabase/functions/_shared/core/audit/note-key.ts";

const USAGE = "audit-keys <name>, for example audit-keys example.supabase.co >> supabase/functions/.env";

const { words: [name] } = readArguments(USAGE, {}, 1);
if (!name) exitWithUsage("The name of the key is missing", USAGE);
const keys = await formatKeys(name, crypto.getRandomValues(new Uint8Array(32))).catch((error) => {
  if (!(error instanceof AuditError)) throw error;
  exitWithUsage("The name of a key has 1 to 255 characters, none of them a space or a plus sign", USAGE);
});
console.log(`AUDIT_SIGNING_KEY=${keys.signer}`);
console.error(`Keep that key secret, and out of the database. Give this one to whoever verifies the logs:
${keys.verifier}`);
