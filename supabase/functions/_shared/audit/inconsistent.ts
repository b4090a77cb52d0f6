/** What is wrong between a log and its published checkpoints, as `refuse_publication` takes it. */
export type RefusalKind = "tail_cut" | "rewritten" | "checkpoint_lost" | "checkpoint_unreadable";

/** A checkpoint would contradict one that was published before: it is neither signed nor sent. */
export class InconsistentError extends Error {
  override name = "InconsistentError";
  readonly code = "checkpoint.inconsistent";
  constructor(readonly kind: RefusalKind, message: string) {
    super(message);
  }
}
