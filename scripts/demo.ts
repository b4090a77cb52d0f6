/** Real failures at real servers on this machine, healed before the eyes of whoever started the stack. */
import assert from "node:assert/strict";
import { until } from "./demo/checks.ts";
import { type ChannelName, type Received } from "./demo/receiver.ts";
import { type Scenario, scenarios } from "./demo/scenarios.ts";
import { createWorld, type World } from "./demo/world.ts";
import type { Stack } from "./stack/stack.ts";

/** A demo that was played; its Slack and Teams stay up, so that later messages are seen. */
export interface Demo {
  stop(): Promise<void>;
}

/** What became of a scenario. */
interface Story {
  scenario: Scenario;
  category: string;
  action_taken: string;
  status: string;
  seconds: number;
}

/**
 * Plays all scenarios side by side, prints what failed and how it was healed, and what Slack and Teams received.
 * Afterwards the functions tell the user's own Slack and Teams where these are configured, else the demo's.
 *
 * @param print where lines go
 * @throws {Error} naming every scenario that did not end as it must
 */
export async function runDemo(
  stack: Stack,
  print: (line: string) => void,
): Promise<Demo> {
  const { SLACK_WEBHOOK_URL, MICROSOFT_TEAMS_WEBHOOK_URL } = stack.env;
  const own = { SLACK_WEBHOOK_URL, MICROSOFT_TEAMS_WEBHOOK_URL };
  let over = false;
  const world = await createWorld(stack, (message) => {
    if (over) print(`\n[${message.channel}] ${message.text.replaceAll(/\n+/g, "\n        ")}`);
  });
  try {
    print(`\nThe demo: ${scenarios.length} failures at real servers on this machine, all at once …\n`);
    const played = await Promise.allSettled(scenarios.map((scenario) => play(scenario, world)));
    const stories = played.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
    printTable(stories, print);
    const failures = played.flatMap((result, index) =>
      result.status === "rejected" ? [`${scenarios[index]!.title}: ${(result.reason as Error).message}`] : []
    );
    if (failures.length > 0) throw new Error(`Not healed:\n  ${failures.join("\n  ")}`);
    await messagesArrived(world);
    printMessages(world.receiver.received, print);
  } catch (error) {
    await Promise.all([world.stop(), world.receiver.stop()]);
    throw error;
  }
  over = true;
  await world.stop();
  const configured = Object.entries(own).filter((entry): entry is [string, string] => Boolean(entry[1]));
  if (configured.length > 0) await stack.setEnv(Object.fromEntries(configured));
  return { stop: () => world.receiver.stop() };
}

async function play(scenario: Scenario, world: World): Promise<Story> {
  const id = await scenario.play(world);
  const [row] = await world.sql`
    select failure_category as category, action_taken, status,
      extract(epoch from coalesce(resolved_at, updated_at) - created_at)::float8 as seconds
    from public.system_integrity_events where event_id = ${id}`;
  const { category, action_taken, status, seconds } = row!;
  assert.deepEqual([category, status], [scenario.category, scenario.status]);
  return { scenario, category, action_taken, status, seconds };
}

/** Waits for the outbox, then checks that people learnt of every failure and of every recovery, on both channels alike. */
async function messagesArrived({ sql, receiver }: World): Promise<void> {
  await until("the outbox to be empty", async () => {
    const [row] = await sql`select from public.outbox where payload ->> 'service_name' like 'demo-%'
      and delivered_at is null and failed_at is null and not_before <= now()`;
    return row === undefined;
  });
  const refused = receiver.attempts.filter(({ refusal }) => refusal !== null);
  assert.deepEqual(refused, [], "Slack and Teams must take every message");
  for (const channel of ["slack", "teams"] as const) {
    const told = (title: string, service: string) =>
      received(receiver.received, channel).some(({ text }) =>
        text.startsWith(title) && text.includes(`Service: ${service}\n`)
      );
    for (const { service, status } of scenarios) {
      assert.ok(told("🚨", service), `${channel} was not told that ${service} failed`);
      assert.equal(told("✅", service), status === "resolved", `${channel}: the recovery of ${service}`);
    }
    assert.ok(told("⛔", "demo-billing"), `${channel} was not told that demo-billing was disabled`);
  }
}

function received(messages: Received[], channel: ChannelName): Received[] {
  return messages.filter((message) => message.channel === channel);
}

function printTable(stories: Story[], print: (line: string) => void): void {
  const rows = stories.map(({ scenario, category, action_taken, status, seconds }) => [
    scenario.title + (scenario.shortened ? " *" : ""),
    scenario.failure,
    category,
    action_taken,
    status,
    status === "resolved" ? `${seconds.toFixed(1)} s` : "–",
  ]);
  const table = [["Scenario", "What failed", "Category", "What was done", "Status", "Time"], ...rows];
  const widths = table[0]!.map((_, column) =>
    Math.min(48, Math.max(...table.map((row) => row[column]!.length)))
  );
  for (const row of table) {
    print(row.map((cell, column) => fit(cell, widths[column]!)).join("  ").trimEnd());
  }
  const shortened = stories.flatMap(({ scenario }) => scenario.shortened ?? []);
  if (shortened.length > 0) print(`\n* The demo cuts short, by SQL: ${shortened.join("; ")}.`);
}

function fit(cell: string, width: number): string {
  return cell.length > width ? cell.slice(0, width - 1) + "…" : cell.padEnd(width);
}

function printMessages(messages: Received[], print: (line: string) => void): void {
  const slack = received(messages, "slack");
  print(`\nSlack and Teams received ${slack.length} messages each:`);
  for (const { text } of slack) {
    const [title, ...lines] = text.split("\n").filter((line) => line !== "");
    const line = (label: string) =>
      lines.find((line) => line.startsWith(`${label}: `))?.slice(label.length + 2);
    const what = line("Resolution") ?? line("Action") ?? line("Reason") ?? line("Error") ?? "";
    print(`  ${fit(title!, 32)}  ${fit(line("Service") ?? "", 14)}  ${what.slice(0, 80)}`.trimEnd());
  }
}
