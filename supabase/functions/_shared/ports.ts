/**
 * What the decisions' callers need from the outside world. Adapters implement these, tests replace them.
 */

/** Tells the time of this process. Leases, windows and due times are the database clock's business, not this one's. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Resolves after `milliseconds`, or rejects at once when `signal` aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** A uniform number in [0, 1). */
export type Random = () => number;

/** Calls a Postgres function by name. Throws `DatabaseError`. */
export interface Database {
  rpc<T>(name: string, args?: Record<string, unknown>): Promise<T>;
}

/** A Postgres function or the way to it failed; `code` is stable (the hint that SQL raised, or `database.*`). */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  constructor(readonly code: string, message: string, readonly status: number) {
    super(message);
  }
}

/** One outbound HTTP request. */
export interface EgressRequest {
  url: string;
  method: string;
  headers?: Record<string, string>;
  body?: string;
  /** Total deadline in milliseconds, response body included. */
  timeoutMs: number;
  /** Larger responses fail with `egress.too_large`. */
  maxResponseBytes?: number;
  /** When given, the URL's host must be one of these exact host names. */
  allowedHosts?: string[];
}

/** Any answer of the server, whatever its status: redirects are answers too. */
export interface EgressResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The request got no answer, or was refused before it was sent; `code` is `egress.*`. */
export class EgressError extends Error {
  override name = "EgressError";
  /** `sent` is false only when it is certain that no byte of the request left this process. */
  constructor(readonly code: string, message: string, readonly sent: boolean) {
    super(message);
  }
}

/** The one way out: time-bounded, size-bounded, guarded against requests into private networks. */
export interface Egress {
  send(request: EgressRequest): Promise<EgressResponse>;
}

/** Encrypts secrets at rest, bound to the row and column that hold them (`user_integrations/<id>/access_token`). */
export interface TokenVault {
  encrypt(row: string, plain: string): Promise<string>;
  decrypt(row: string, encrypted: string): Promise<string>;
  /** False when the value was encrypted with an older key and should be encrypted anew. */
  isEncryptedWithCurrentKey(encrypted: string): boolean;
}

/** What a token endpoint answered to a refresh. `unknown`: no answer came, so the grant may have been rotated. */
export type RefreshOutcome =
  | { kind: "refreshed"; accessToken: string; refreshToken?: string; expiresInSeconds?: number }
  | { kind: "invalid_grant"; message: string }
  | { kind: "transient"; message: string; retryAfterSeconds?: number }
  | { kind: "unknown"; message: string };

/** Exchanges a refresh token. Never throws for an answer of the server. */
export interface TokenEndpoint {
  refresh(
    config: { tokenUrl: string; clientId: string; clientSecret?: string; scopes?: string[] },
    refreshToken: string,
    timeoutMs: number,
  ): Promise<RefreshOutcome>;
}

/**
 * Signed checkpoints outside the database, by table and size. What is stored stays: there is no way to replace it.
 * Both methods throw `CheckpointStoreError`.
 */
export interface CheckpointStore {
  /** The note of the greatest size, or null when the table has none. */
  latest(table: string): Promise<{ size: number; note: string } | null>;
  /** Stores a note unless there is one of that size already; resolves to the note that is there now. */
  put(table: string, size: number, note: string): Promise<string>;
}

/** The store did not do what it should; `code` is `checkpoint_store.unreachable | refused | unreadable`. */
export class CheckpointStoreError extends Error {
  override name = "CheckpointStoreError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Asks a language model for an explanation; the text is stored for people and decides nothing. */
export interface Explainer {
  explain(prompt: { system: string; user: string }, timeoutMs: number): Promise<string>;
}

/** One JSON line per event, redacted. */
export interface Logger {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
}

/** Keeps `work` running after the response was sent, where the platform allows it; its failure is logged. */
export type Background = (work: Promise<unknown>) => void;

/** A hash's transaction, signed and not yet known to any node: the caller stores it before it is broadcast. JSON. */
export interface PendingAnchor {
  /** `0x` and 64 hex digits; of the first attempt, should the fee have to rise. */
  transactionId: string;
  /** The signed bytes, `0x` and hex. They say everything else: chain, nonce, fees, hash. */
  rawTransaction: string;
  /** When it was signed, as an ISO 8601 instant. */
  begunAt: string;
}

/** Where a hash stands on its chain. */
export interface ChainRecord {
  transactionId: string;
  chainId: number;
  /** The account that sent it, as a checksummed address. */
  sender: string;
  blockNumber: number;
  /** The block's own time, as an ISO 8601 instant: the hash existed then. */
  blockTime: string;
}

/** What became of a pending anchor. `pending` is no failure: ask again later, with the same pending anchor. */
export type AnchorOutcome =
  | { state: "confirmed" } & ChainRecord
  | { state: "pending"; reason: string }
  /** It will never be mined, because another transaction has its nonce: begin again. */
  | { state: "replaced"; reason: string }
  /** It was mined and failed: begin again. */
  | { state: "failed"; reason: string };

/** Whether a transaction proves that a hash existed when its block was made. */
export type AnchorCheck =
  | { anchored: true } & ChainRecord
  | {
    anchored: false;
    code: "anchor.unknown_transaction" | "anchor.not_mined" | "anchor.reverted" | "anchor.hash_mismatch";
    reason: string;
  };

/** The chain, the way to it, or what it was given is not as it should be; `code` is `anchor.*`. */
export class AnchorError extends Error {
  override name = "AnchorError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/**
 * Writes hashes where nobody can change them. Two steps, so that no crash anchors a hash twice: what `begin` returned
 * is stored, the first one wins, and only what was stored is handed to `complete`, as often as needed. Both throw
 * `AnchorError`.
 */
export interface Anchor {
  /** Signs a transaction for a hash of 64 hex digits. Sends nothing. */
  begin(hash: string): Promise<PendingAnchor>;
  /**
   * Sees to it that a transaction is known to the chain, and tells what became of it.
   *
   * @param waitMs asks again until it is mined, at most for so long; 0 unless given
   */
  complete(pending: PendingAnchor, waitMs?: number): Promise<AnchorOutcome>;
}

/** What a plugin accepts. */
export interface PluginDescription {
  id: string;
  /** Event types it handles, and the shape of each one's payload as JSON Schema. */
  eventTypes: Record<string, Record<string, unknown>>;
}

/** The plugins that are registered. */
export interface PluginRegistry {
  get(pluginId: string): PluginDescription | undefined;
  /** What is wrong with a payload, one sentence each; an unknown plugin or event type is such a sentence, too. */
  problems(pluginId: string, eventType: string, payload: unknown): string[];
}

/** What came of a plugin's event. `failed`: the plugin threw or refused; `unreachable`: nobody knows what it did. */
export type PluginOutcome =
  | { state: "handled"; result: unknown }
  | { state: "failed"; error: string }
  | { state: "unreachable"; error: string };

/** Runs plugins apart from their caller. Never rejects for what a plugin does. */
export interface PluginRuntime {
  /** @param runId the same for the same event, however often it is emitted */
  emit(
    plugin: { pluginId: string; eventType: string; payload: unknown; runId: string },
    timeoutMs: number,
  ): Promise<PluginOutcome>;
}

/** A rule that matched, and what became of it. */
export interface Firing {
  ruleId: string;
  eventId: string;
  outcome: "fired" | "suppressed";
  /** Why it was suppressed: `rule.paused | rule.cooldown | rule.limit`; null when it fired. */
  reason: string | null;
  /** What was queued, by the action's place in the rule's list. */
  runs: { id: string; position: number }[];
}

/** The mode of the whole platform. Nothing of it is remembered: a change counts for the very next question. */
export interface SystemMode {
  /**
   * Whether it is safe mode, in which nothing may be written or sent that has an effect.
   *
   * @throws {DatabaseError} when it cannot be read: then nobody knows, and nothing may be done either
   */
  isSafe(): Promise<boolean>;
}

/** Who may do what: `viewer` reads, `operator` also acts, `admiral` also decides about the platform. */
export type Role = "viewer" | "operator" | "admiral";

/** Tells who a signed-in user is. */
export interface RoleSource {
  /** @returns the user's id and role (null: none), or null when the token is not valid. */
  roleOf(token: string): Promise<{ userId: string; role: Role | null } | null>;
}
