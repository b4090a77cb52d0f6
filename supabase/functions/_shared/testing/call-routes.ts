import type { Route } from "../http/route.ts";
import { createRouter } from "../http/router.ts";
import { recordingLogger } from "./recording-logger.ts";

/** Sends requests with a secret key to routes, through the pipeline that every endpoint has. */
export function callRoutes(routes: Route[]) {
  const router = createRouter({
    name: "test",
    keys: { url: "https://project.test", publishableKeys: {}, secretKeys: { ci: "sb_secret_1" } },
    roles: { roleOf: () => Promise.resolve(null) },
    logger: recordingLogger(),
    routes,
  });
  // deno-lint-ignore no-explicit-any
  return async (method: string, path: string, body?: unknown): Promise<{ status: number; body: any }> => {
    const response = await router(
      new Request(`https://project.test${path}`, {
        method,
        headers: { apikey: "sb_secret_1" },
        body: body === undefined ? undefined : JSON.stringify(body),
      }),
    );
    return { status: response.status, body: await response.json() };
  };
}
