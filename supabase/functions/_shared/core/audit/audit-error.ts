/** A key, a signed note, a checkpoint or an event cannot be used; `code` is stable (`audit.*`). The text never holds a private key. */
export class AuditError extends Error {
  override name = "AuditError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}
