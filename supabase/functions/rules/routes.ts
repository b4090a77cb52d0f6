import { actorOf, type Caller } from "../_shared/http/authenticate.ts";
import { HttpError } from "../_shared/http/errors.ts";
import { type Route, route } from "../_shared/http/route.ts";
import type { ActionDeps } from "../_shared/rules/action.ts";
import { backtest } from "../_shared/rules/backtest.ts";
import type { RuleEngine } from "../_shared/rules/engine.ts";
import { parseRule, ruleJsonSchema } from "../_shared/rules/rule-schema.ts";
import type { RuleStorage, StoredRule } from "../_shared/rules/storage.ts";
import { createEvaluate } from "./evaluate.ts";
import * as requests from "./requests.ts";

/** For a hundred events of an ordinary size, or one rule of the greatest size. */
const MAX_BYTES = 1024 * 1024;

const STATUS_OF: Record<string, StoredRule["status"]> = {
  pause: "paused",
  activate: "active",
  archive: "archived",
};

export type RulesDeps = ActionDeps & { engine: RuleEngine; storage: RuleStorage };

/** What people and machines do with rules: viewers read, operators also change, evaluate and backtest. */
export function ruleRoutes(deps: RulesDeps): Route[] {
  return [...tryingRoutes(deps), ...readingRoutes(deps), ...changingRoutes(deps)];
}

function tryingRoutes(deps: RulesDeps): Route[] {
  const { engine, storage } = deps;
  return [
    route({
      ...{ ...post("/rules/evaluate"), schema: requests.evaluateRequest },
      handler: createEvaluate(deps),
    }),
    route({
      ...{ ...post("/rules/validate"), auth: "viewer", schema: requests.validateRequest },
      // deno-lint-ignore require-await
      handler: async (input) =>
        "condition" in input ? engine.validateCondition(input.condition) : engine.validateRule(input.rule),
    }),
    route({
      ...{ ...post("/rules/backtest"), schema: requests.backtestRequest },
      handler: async ({ ruleId, rule, days }) =>
        await backtest(parseRule(ruleId === undefined ? rule : await storage.read(ruleId), deps), days, deps),
    }),
  ];
}

function readingRoutes({ engine, storage }: RulesDeps): Route[] {
  return [
    route({
      ...get("/rules"),
      async handler() {
        await engine.reload();
        return { rules: await storage.list(), unusable: engine.unusableRules() };
      },
    }),
    route({ ...get("/rules/schema"), handler: () => Promise.resolve(ruleJsonSchema) }),
    route({ ...get("/rules/:id"), handler: (_input, { params }) => storage.read(params.id!) }),
    route({
      ...get("/rules/:id/versions"),
      handler: async (_input, { params }) => ({ versions: await storage.versions(params.id!) }),
    }),
  ];
}

function changingRoutes(deps: RulesDeps): Route[] {
  const { storage } = deps;
  /** What is left out keeps the database's defaults, so the rule is stored as it was sent. */
  const save = async (rule: object, caller: Caller, expectedVersion: number) => {
    parseRule(rule, deps);
    return await storage.save(rule, actorOf(caller), expectedVersion);
  };
  return [
    route({
      ...{ ...post("/rules"), schema: requests.newRule },
      handler: async (rule, { caller }) => Response.json(await save(rule, caller, 0), { status: 201 }),
    }),
    route({
      ...{ ...post("/rules/:id"), method: "PUT", schema: requests.changedRule, input: withId },
      async handler(rule, { params, caller }) {
        if (rule.id !== params.id) throw new HttpError("request.invalid", "A rule's id cannot be changed");
        return await save(rule, caller, rule.version);
      },
    }),
    ...Object.entries(STATUS_OF).map(([verb, status]) =>
      route({
        ...post(`/rules/:id/${verb}`),
        handler: (_input, { params, caller }) => storage.setStatus(params.id!, status, actorOf(caller)),
      })
    ),
    route({
      ...{ ...post("/rules/:id/rollback"), schema: requests.rollbackRequest },
      handler: ({ version }, { params, caller }) => storage.rollback(params.id!, version, actorOf(caller)),
    }),
  ];
}

function get(path: string) {
  return { method: "GET", path, auth: "viewer" } as const;
}

function post(path: string) {
  return { method: "POST", path, auth: "operator", maxBytes: MAX_BYTES } as const;
}

/** The path says which rule it is, so that the body need not. */
function withId(body: unknown, _url: URL, { id }: Record<string, string>): unknown {
  return typeof body === "object" && body !== null ? { id, ...body } : body;
}
