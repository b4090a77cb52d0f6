import type { z } from "zod";
import type { RuleEvent } from "../core/rules/rule.ts";
import type {
  Anchor,
  Clock,
  Database,
  Egress,
  Logger,
  PluginRegistry,
  PluginRuntime,
  SystemMode,
} from "../ports.ts";

/** What every action's definition has in common. */
export interface ActionDefinition {
  type: "anchor" | "webhook" | "plugin_emit" | "ledger_allocate";
}

/** What actions need of the outside. */
export interface ActionDeps {
  database: Database;
  /** Reaches public addresses, and the project itself at `projectUrl`. */
  egress: Egress;
  /** Without a slash at its end; the project's own functions are below `/functions/v1/`. */
  projectUrl: string;
  internalToken: string;
  /** `host:port`s that webhooks may reach although they are private; none unless given. */
  privateHosts?: string[];
  /** Base64. Webhooks are signed with a secret derived from each of them; none: they are not sent. */
  signingKeys: string[];
  pluginRegistry: PluginRegistry;
  pluginRuntime: PluginRuntime;
  /** Absent where no chain is configured: what is anchored is then covered by the audit log's next checkpoint. */
  anchor?: () => Promise<Anchor>;
  mode: SystemMode;
  clock: Clock;
  logger: Logger;
}

/** What can be asked without leaving the process. */
export type CheckDeps = Pick<ActionDeps, "pluginRegistry" | "projectUrl" | "privateHosts">;

/** One run of an action: for one rule, one event and one place in the rule's list of actions. */
export interface ActionContext {
  run: {
    /** UUID that stays the same however often the run is tried: the key that makes its effect idempotent. */
    id: string;
    /** How often it was tried before. */
    attempts: number;
    /** What an earlier try saved, or null. */
    progress: unknown;
  };
  rule: { id: string; name: string; version: number };
  event: RuleEvent;
  /**
   * Stores what must survive a crash before the next step is taken, unless another worker was faster; resolves to what
   * is stored now.
   *
   * @param replaces what must still be stored for that; nothing at all unless given
   */
  saveProgress(progress: Record<string, unknown>, replaces?: unknown): Promise<unknown>;
  /**
   * To be called directly before anything that others notice. Rejects in safe mode, and when nobody knows whether it is:
   * let it. A run that safe mode stopped waits until it is over, and no try is counted.
   */
  beforeEffect(): Promise<void>;
  deps: ActionDeps;
}

/** What came of one try. Errors read `code: what happened, why, what to do`, without secrets. */
export type ActionOutcome =
  | { state: "succeeded"; result: Record<string, unknown> }
  /** To be tried again: after the given seconds, or after a pause that grows with each try. */
  | { state: "retry"; error: string; retryAfterSeconds?: number }
  /** Trying again cannot help. */
  | { state: "failed"; error: string };

/** What a rule can do: one file for each type, all of this shape. Templates are rendered before `simulate` and `run`. */
export interface Action<Definition extends ActionDefinition> {
  type: Definition["type"];
  /** The shape of a definition, templates included; refuses unknown keys. */
  schema: z.ZodType<Definition>;
  /** What is wrong with a definition beyond its shape, one sentence each; nothing leaves the process. */
  check(definition: Definition, deps: CheckDeps): string[];
  /** What it would do, for people; touches nothing. */
  simulate(rendered: Definition, deps: CheckDeps): Record<string, unknown>;
  /**
   * Does it. May be called again after a crash or a `retry`: its effect must happen once, and comes behind
   * `beforeEffect`. A rejection is a `retry`.
   */
  run(rendered: Definition, context: ActionContext): Promise<ActionOutcome>;
}
