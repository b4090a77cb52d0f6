import { type Route, route } from "../_shared/http/route.ts";
import type { Database } from "../_shared/ports.ts";

/** What watches from outside, as `schedulers` names it. */
const WATCHER = "github";

interface CronStatus {
  healthy: boolean;
  jobs: { name: string; state: string }[];
  schedulers: { name: string; state: string }[];
}

/** What runs by the clock. Both also take the internal token, which is all that the scheduled workflow has. */
export function cronRoutes({ database }: { database: Database }): Route[] {
  const status = async () => {
    const { jobs, schedulers, healthy } = await database.rpc<CronStatus>("read_cron_status");
    const late = [...jobs, ...schedulers].filter(({ state }) => state === "late").map(({ name }) => name);
    return { healthy, late, jobs, schedulers };
  };
  return [
    route({ ...{ method: "GET", path: "/cron/status", auth: "viewer" }, handler: status }),
    route({
      ...{ method: "POST", path: "/cron/watch", auth: "operator", inSafeMode: "open" },
      async handler() {
        await database.rpc("note_scheduler", { p_name: WATCHER });
        // Whatever stopped, people must hear of it, though the timer that follows incidents may be what stopped.
        await database.rpc("advance_incidents");
        return await status();
      },
    }),
  ];
}
