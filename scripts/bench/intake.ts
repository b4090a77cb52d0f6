/** Failure reports through HTTP: the whole function against a handler that makes three calls in a row. */
import { join } from "node:path";
import { projectRoot } from "../stack/paths.ts";
import { type ServerProcess, serverProcess } from "../stack/server-process.ts";
import type { Stack } from "../stack/stack.ts";
import { testStack } from "../testing/stack.ts";
import { BrokenRun, type Figure, requireEqual } from "./figure.ts";
import { registerServices } from "./services.ts";
import { rateLimited } from "./samples.ts";

const CALLERS = 128;
const WARM_UP_MS = 2_000;
const MEASURED_MS = 8_000;

export async function benchIntake(): Promise<Figure[]> {
  const stack = await testStack();
  try {
    await registerServices(stack.sql);
    await stack.sql`grant insert on public.system_integrity_events, public.audit_log to service_role`;
    // The naive handler has neither a retry budget nor messages to pay for.
    await stack.sql`alter table public.integration_events disable trigger integration_events_are_noted`;
    const peer = await reportsPerSecond(stack, "scripts/bench/naive-intake.ts");
    await stack.sql`alter table public.integration_events enable trigger integration_events_are_noted`;
    const ours = await reportsPerSecond(stack, "supabase/functions/integration-self-heal/index.ts");
    return [{
      what: `intake through HTTP, ${CALLERS} callers`,
      unit: "reports/s",
      ...{ ours, peer, peerIs: "three supabase-js calls in a row" },
      better: "more",
      aim: 5,
    }];
  } finally {
    await stack.stop();
  }
}

/** Serves the module as the stack serves functions, and calls it from all sides. */
async function reportsPerSecond(stack: Stack, module: string): Promise<number> {
  const server = serverProcess({
    args: ["--allow-net", "--allow-env", "--allow-read", join(projectRoot, module)],
    env: stack.env,
    cwd: projectRoot,
    log: () => {},
  });
  const before = await countRows(stack);
  try {
    const warmUp = await callFor(WARM_UP_MS, server, stack);
    const start = performance.now();
    const answered = await callFor(MEASURED_MS, server, stack);
    const seconds = (performance.now() - start) / 1_000;
    const after = await countRows(stack);
    for (const table of ["integration_events", "system_integrity_events", "audit_log"] as const) {
      requireEqual(`rows of ${table} after ${module}`, after[table] - before[table], warmUp + answered);
    }
    return answered / seconds;
  } finally {
    await server.kill();
  }
}

/** @returns how many reports were taken */
async function callFor(milliseconds: number, server: ServerProcess, stack: Stack): Promise<number> {
  const until = performance.now() + milliseconds;
  let answered = 0;
  await Promise.all(Array.from({ length: CALLERS }, async (_, caller) => {
    for (let index = caller; performance.now() < until; index += CALLERS) {
      const request = new Request(stack.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-internal-token": stack.secrets.internalWebhookToken,
        },
        body: JSON.stringify({
          ...{ mode: "webhook", event_id: crypto.randomUUID(), retry_count: 0 },
          ...rateLimited(index),
        }),
      });
      const response = await server.forward(request, "/", 30_000);
      const text = await response.text();
      if (!response.ok) throw new BrokenRun(`a report was answered with ${response.status}: ${text}`);
      answered++;
    }
  }));
  return answered;
}

async function countRows(stack: Stack) {
  const [row] = await stack.sql<
    Record<"integration_events" | "system_integrity_events" | "audit_log", number>[]
  >`
    select (select count(*)::integer from public.integration_events) as integration_events,
      (select count(*)::integer from public.system_integrity_events) as system_integrity_events,
      (select count(*)::integer from public.audit_log) as audit_log`;
  return row!;
}
