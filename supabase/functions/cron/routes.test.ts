import assert from "node:assert/strict";
import { callRoutes } from "../_shared/testing/call-routes.ts";
import { fakeDatabase } from "../_shared/testing/fake-database.ts";
import { cronRoutes } from "./routes.ts";

const jobs = [{ name: "health", state: "late" }, { name: "seal-audit", state: "on_time" }];
const schedulers = [{ name: "backup", state: "late" }, { name: "github", state: "on_time" }];

Deno.test("the status names what is late, timers and schedulers", async () => {
  const database = fakeDatabase({ read_cron_status: { healthy: false, jobs, schedulers } });
  const { body } = await callRoutes(cronRoutes({ database }))("GET", "/cron/status");
  assert.deepEqual(body, { healthy: false, late: ["health", "backup"], jobs, schedulers });
  assert.deepEqual(database.calls, [["read_cron_status"]]);
});

Deno.test("who watches from outside is noted, and incidents are followed in the timer's place before he is told", async () => {
  const database = fakeDatabase({ read_cron_status: { healthy: true, jobs: [], schedulers: [] } });
  const { body } = await callRoutes(cronRoutes({ database }))("POST", "/cron/watch");
  assert.deepEqual(body, { healthy: true, late: [], jobs: [], schedulers: [] });
  assert.deepEqual(database.calls, [
    ["note_scheduler", { p_name: "github" }],
    ["advance_incidents"],
    ["read_cron_status"],
  ]);
});
