import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { projectRoot } from "./stack/paths.ts";

const folder = await Deno.makeTempDir();
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The task's own command, with the permissions that it asks for. */
async function evaluate(args: string[], input = "") {
  const [, ...command] = config.tasks.evaluate.command.split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...command, ...args],
    cwd: projectRoot,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(encoder.encode(input)).then(() => writer.close(), () => "it has ended without reading");
  const { code, stdout, stderr } = await output;
  return { code, output: decoder.decode(stdout), errors: decoder.decode(stderr) };
}

async function fileOf(content: unknown): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function match(rules: unknown, ...events: unknown[]): Promise<unknown[]> {
  const lines = events.map((event) => JSON.stringify(event) + "\n").join("");
  const { code, output, errors } = await evaluate([await fileOf({ rules })], lines);
  assert.deepEqual([code, errors], [0, ""]);
  return output.trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function refusal(content: unknown): Promise<string> {
  const { code, output, errors } = await evaluate([await fileOf(content)], '{"a":1}\n');
  assert.deepEqual([code, output], [2, ""]);
  return errors;
}

const anyA = { field: "a", operator: "exists" };

Deno.test("each event is answered by the ids of the rules that match it, in order", async () => {
  const rules = [
    { id: "small", condition: { field: "a", operator: "lt", value: 5 } },
    { id: "any", condition: anyA },
    { id: "urgent", condition: { field: "a", operator: "in", value: [1, 9] }, priority: 10 },
  ];
  assert.deepEqual(await match(rules, { a: 1 }, {}, { a: 9 }), [["urgent", "any", "small"], [], [
    "urgent",
    "any",
  ]]);
});

Deno.test("status and mode are obeyed, and what else a rule has is of no use", async () => {
  const rules = [
    { id: "paused", condition: anyA, status: "paused", priority: 9 },
    {
      id: "first",
      condition: anyA,
      mode: "first_match",
      name: "First",
      action: { type: "webhook" },
      note: 1,
    },
    { id: "second", condition: anyA },
  ];
  assert.deepEqual(await match(rules, { a: null }), [["first"]]);
});

Deno.test("the rules that ship as examples match the events that they are for", async () => {
  const events = [
    { lane: 1, latencyMs: 101 },
    { lane: 1, latencyMs: 100 },
    { streamType: "4K", bandwidthMbps: 24 },
    { eventType: "login", failedAttempts: 5 },
    { eventType: "login", failedAttempts: "5" },
  ].map((event) => JSON.stringify(event)).join("\n");
  const { code, output } = await evaluate(["supabase/rules/examples.json"], events);
  const counts = output.trimEnd().split("\n").map((line) => JSON.parse(line).length);
  assert.deepEqual([code, counts], [0, [1, 0, 1, 1, 0]]);
});

Deno.test("a line that is no event is answered in its place, and the exit code says so", async () => {
  const path = await fileOf({ rules: [{ id: "any", condition: anyA }] });
  const { code, output, errors } = await evaluate([path], '{"a":1}\nnonsense\n[1]\r\n{"a":2}');
  const answers = output.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(code, 1);
  assert.deepEqual(answers.map((answer) => answer.error?.code ?? answer), [
    ["any"],
    "event.no_json",
    "event.no_object",
    ["any"],
  ]);
  assert.equal(errors.trimEnd().split("\n").length, 2);
});

Deno.test("tens of thousands of events are answered one by one", async () => {
  const path = await fileOf({
    rules: [{ id: "even", condition: { field: "even", operator: "eq", value: true } }],
  });
  const events = Array.from({ length: 50_000 }, (_, i) => JSON.stringify({ i, even: i % 2 === 0 }) + "\n");
  const { code, output } = await evaluate([path], events.join(""));
  assert.equal(code, 0);
  assert.equal(output, '["even"]\n[]\n'.repeat(25_000));
});

Deno.test("a rule that cannot be used is named, with the place of what is wrong, and nothing is printed", async () => {
  const nested = { conditions: [anyA, { logic: "or", conditions: [{ field: "a", operator: "gt" }] }] };
  assert.match(
    await refusal({ rules: [{ id: "fine", condition: anyA }, { id: "late", condition: nested }] }),
    /rule late .*Sub-condition 1: Sub-condition 0: Operator gt requires a value/,
  );
  assert.match(await refusal({ rules: [{ id: "no-condition" }] }), /rule no-condition condition: required/);
  assert.match(await refusal({ rules: [{ condition: anyA }] }), /rules\.0 id: /);
  assert.match(
    await refusal({ rules: [{ id: "r", condition: anyA, priority: "high" }] }),
    /rule r priority: /,
  );
  assert.match(await refusal({ rules: [{ id: "r", condition: anyA, status: "on" }] }), /rule r status: /);
  const twins = [{ id: "twin", condition: anyA }, { id: "twin", condition: anyA }];
  assert.match(await refusal({ rules: twins }), /Two rules have the id twin/);
});

Deno.test("a file that holds no rules is refused", async () => {
  assert.match(await refusal("{"), /not valid JSON/);
  assert.match(await refusal([]), /expected object/);
  assert.match(await refusal({}), /rules: /);
  const missing = await evaluate([join(folder, "missing.json")]);
  assert.deepEqual([missing.code, missing.output], [2, ""]);
  assert.match(missing.errors, /missing\.json/);
});

Deno.test("without a file of rules the usage is printed", async () => {
  const { code, output, errors } = await evaluate([]);
  assert.deepEqual([code, output], [2, ""]);
  assert.match(errors, /Usage: .* task evaluate <rules file>/);
});
