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

/** Runs a command; a {@link StackError} becomes its one sentence on stderr and exit code 1. */
export async function exitOnStackError(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
