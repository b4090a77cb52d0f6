/** Why something cannot be verified; neither sound nor damaged. */
export class Problem extends Error {
  /** @param code stable, for example `audit.table_unknown`; `message` says what, why and what to do */
  constructor(readonly code: string, message: string) {
    super(message);
  }
}
