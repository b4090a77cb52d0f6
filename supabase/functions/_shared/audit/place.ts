import type { Outcome } from "../outbox/drain.ts";
import type { Anchor, CheckpointStore, Clock, Database, Egress, Logger } from "../ports.ts";
import type { AuditKeys } from "./keys.ts";

/** What places publish with. */
export interface PublishDeps {
  database: Database;
  clock: Clock;
  logger: Logger;
  egress: Egress;
  store: CheckpointStore;
  keys: AuditKeys;
  witnessUrl: string | null;
  /** Loads what anchors on a chain, when it is needed; null when no chain is configured. */
  anchor: (() => Promise<Anchor>) | null;
}

/** Where checkpoints go. Each place is one file of this shape in `places/`, listed in `places.ts`. */
export interface Place {
  /** As in table `notification_channels`. */
  name: string;
  /** The variables without which nothing is published here; none when all are set. */
  missing(deps: PublishDeps): string[];
  /**
   * Publishes the newest checkpoint of a table, unless the place has it already.
   *
   * @param attempts how often it was tried before
   * @throws {InconsistentError} when it would contradict what was published before
   * @throws {AuditError} when what was published before cannot be trusted
   * @throws {CheckpointStoreError}
   * @throws {DatabaseError}
   */
  publish(table: string, attempts: number, deps: PublishDeps): Promise<Outcome>;
}
