/** How the demo makes calls, waits for what must happen, and checks that it did. */
import assert from "node:assert/strict";
import type { Call, CallResult } from "../../supabase/functions/_shared/integration/call.ts";
import type { World } from "./world.ts";

export function post(world: World, service: string, path: string, body: string, more: Partial<Call> = {}) {
  const request = { method: "POST", url: world.provider.url + path, body };
  return world.integration(service).call({ event_type: path.slice(1), request, ...more });
}

/** The event of a call that must have failed with this status; null: without an answer. */
export function failed(result: CallResult, status: number | null): string {
  assert.ok(
    result.outcome === "failed",
    `The call must fail with ${status}, its outcome is ${result.outcome}`,
  );
  assert.equal(result.response?.status ?? null, status, result.message);
  return result.event_id!;
}

export function held(result: CallResult, reason: string): string {
  assert.ok(result.outcome === "held", `The call must be held back, its outcome is ${result.outcome}`);
  assert.equal(result.reason, reason);
  return result.event_id;
}

export function seen(world: World, path: string) {
  return world.provider.requests.filter((request) => request.path === path);
}

export function assertOnce(world: World, bodies: string[]): void {
  const effects = world.provider.effects.filter((body) => bodies.includes(body)).sort();
  assert.deepEqual(effects, [...bodies].sort(), "Each call must have its effect exactly once");
}

/** Waits until nobody works on the failure any more and it has this status. */
export function settled({ sql }: World, eventId: string, status: string): Promise<void> {
  return until(`${eventId} to be ${status}`, async () => {
    const [row] = await sql`select from public.system_integrity_events
      where event_id = ${eventId} and status = ${status} and leased_until is null`;
    return row !== undefined;
  });
}

export function breaker({ sql }: World, service: string, state: string): Promise<void> {
  return until(`the breaker of ${service} to be ${state}`, async () => {
    const [row] =
      await sql`select breaker_state from public.integrations_master where service_name = ${service}`;
    return row!.breaker_state === state;
  });
}

export function enabled({ sql }: World, service: string, value: boolean): Promise<void> {
  return until(`${service} to be ${value ? "enabled" : "disabled"}`, async () => {
    const [row] = await sql`select enabled from public.integrations_master where service_name = ${service}`;
    return row!.enabled === value;
  });
}

/** Asks until the answer is yes. @throws after two turns of the timers that repeat each minute, saying what was awaited */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 125_000; Date.now() < deadline;) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Waited two minutes in vain for ${what}`);
}
