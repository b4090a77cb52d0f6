import { type Handling, route } from "./route.ts";
import { createRouter, type RouterOptions } from "./router.ts";

export interface EndpointOptions<Input> extends Omit<RouterOptions, "routes">, Handling<Input> {}

/** A router with one route: POST, whatever the path. */
export function createEndpoint<Input = undefined>(
  options: EndpointOptions<Input>,
): (request: Request) => Promise<Response> {
  return createRouter({ ...options, routes: [route({ ...options, method: "POST", path: "*" })] });
}
