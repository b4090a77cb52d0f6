import { z } from "zod";
import { actorOf } from "../_shared/http/authenticate.ts";
import { queryOf } from "../_shared/http/query.ts";
import { type Route, route } from "../_shared/http/route.ts";
import type { Database } from "../_shared/ports.ts";

const STATUSES = ["AUTO_HEALING", "ESCALATED", "ACKNOWLEDGED", "RESOLVED", "CLOSED"] as const;
const PRIORITIES = ["P1", "P2", "P3", "P4"] as const;

const number = z.string().regex(/^[1-9]\d{0,14}$/, "must be a whole number from 1 on").transform(Number);

/** Several values are separated by commas. */
function listOf<Value extends string>(values: readonly [Value, ...Value[]]) {
  return z.string().transform((text) => text.split(",")).pipe(z.array(z.enum(values)));
}

const listRequest = z.strictObject({
  /** Open ones unless given. */
  status: listOf(STATUSES).optional(),
  priority: listOf(PRIORITIES).optional(),
  source: z.string().min(1).max(200).optional(),
  /** `next` of the page before. */
  before: number.optional(),
  limit: number.pipe(z.number().max(200)).optional(),
});

const readRequest = z.object({ id: number });

const changeRequest = z.strictObject({ id: number, note: z.string().trim().min(1).max(4_000).optional() });

/** The functions of the database, by what people do with an incident. */
const CHANGES = { acknowledge: "acknowledge_incident", resolve: "resolve_incident" };

/** What is wrong and who follows it: viewers read, operators acknowledge and resolve, also in safe mode. */
export function incidentRoutes({ database }: { database: Database }): Route[] {
  return [
    route({
      ...{ method: "GET", path: "/incidents", auth: "viewer", schema: listRequest, input: queryOf },
      handler: ({ status, priority, source, before, limit }) =>
        database.rpc("read_incidents", {
          ...{ p_status: status, p_priority: priority, p_source: source, p_before: before, p_limit: limit },
        }),
    }),
    route({
      ...{ method: "GET", path: "/incidents/:id", auth: "viewer", schema: readRequest },
      input: (_body, _url, params) => params,
      handler: ({ id }) => database.rpc("read_incident", { p_id: id }),
    }),
    ...Object.entries(CHANGES).map(([verb, change]) =>
      route({
        ...{ method: "POST", path: `/incidents/:id/${verb}`, auth: "operator", inSafeMode: "open" },
        ...{ schema: changeRequest, input: withId },
        handler: ({ id, note }, { caller }) =>
          database.rpc(change, { p_id: id, p_actor: actorOf(caller), p_note: note }),
      })
    ),
  ];
}

/** Only the path says which incident it is. */
function withId(body: unknown, _url: URL, { id }: Record<string, string>): unknown {
  return typeof body === "object" && body !== null && !Array.isArray(body) ? { ...body, id } : body;
}
