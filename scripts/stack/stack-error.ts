/** A failure of the local stack that its user can understand and act on: one sentence, no stack trace. */
export class StackError extends Error {
  override name = "StackError";

  /**
   * @param code stable and machine-readable, `<noun>.<problem>`
   * @param message what happened, why, and what to do
   */
  constructor(readonly code: string, message: string) {
    super(message);
  }
}
