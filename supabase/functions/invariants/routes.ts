import { queryOf } from "../_shared/http/query.ts";
import { type Route, route } from "../_shared/http/route.ts";
import type { Clock, Database } from "../_shared/ports.ts";
import { runRequest, statusRequest } from "./requests.ts";
import { runInvariants } from "./run-invariants.ts";

/** What is true of the data and what is not: viewers read it, operators have it checked now, also in safe mode. */
export function invariantRoutes(deps: { database: Database; clock: Clock }): Route[] {
  return [
    route({
      ...{ method: "GET", path: "/invariants/status", auth: "viewer", schema: statusRequest },
      input: queryOf,
      handler: ({ limit }) => deps.database.rpc("read_invariants_status", { p_limit: limit }),
    }),
    route({
      ...{ method: "POST", path: "/invariants/run", auth: "operator", inSafeMode: "open" },
      schema: runRequest,
      handler: (request) => runInvariants(request, deps),
    }),
  ];
}
