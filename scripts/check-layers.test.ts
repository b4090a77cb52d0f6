import assert from "node:assert/strict";
import { checkLayers } from "./check-layers.ts";

const shared = "supabase/functions/_shared/";

function check(path: string, source: string): string[] {
  return checkLayers(new Map([[path, source]]));
}

Deno.test("imports that go down are allowed", () => {
  assert.deepEqual(
    checkLayers(
      new Map([
        [
          `${shared}core/failure/classify.ts`,
          `import { z } from "zod";\nimport { codes } from "./codes.ts";`,
        ],
        [`${shared}ports.ts`, `import type { Failure } from "./core/failure/failure.ts";`],
        [`${shared}adapters/clock.ts`, `import type { Clock } from "../ports.ts";`],
        [`${shared}http/endpoint.ts`, `import { clock } from "../adapters/clock.ts";`],
        ["supabase/functions/dispatch/index.ts", `import { endpoint } from "../_shared/http/endpoint.ts";`],
      ]),
    ),
    [],
  );
});

Deno.test("an import that goes up is refused, whatever its form", () => {
  for (
    const statement of [
      `import { endpoint } from "../http/endpoint.ts";`,
      `export { endpoint } from "../http/endpoint.ts";`,
      `import type {\n  Endpoint,\n} from "../http/endpoint.ts";`,
      `await import("../http/endpoint.ts");`,
      `import "../http/endpoint.ts";`,
    ]
  ) {
    const [violation, ...others] = check(`${shared}adapters/clock.ts`, statement);
    assert.match(violation ?? "", /adapters may not import http/);
    assert.deepEqual(others, []);
  }
});

Deno.test("no function imports another, and nobody below imports a function", () => {
  const other = `import { send } from "../dispatch/send.ts";`;
  assert.match(check("supabase/functions/slack-alert/index.ts", other)[0]!, /but itself/);
  assert.match(
    check(`${shared}http/endpoint.ts`, `import { send } from "../../dispatch/send.ts";`)[0]!,
    /but itself/,
  );
  assert.deepEqual(check("supabase/functions/dispatch/index.ts", `import { send } from "./send.ts";`), []);
});

Deno.test("core uses no runtime, no clock, no chance and no library that does I/O", () => {
  for (
    const impure of [
      "Deno.cwd()",
      "Date.now()",
      "new Date()",
      "Math.random()",
      "performance.now()",
      "setTimeout(run, 1)",
      "crypto.randomUUID()",
      "fetch(url)",
      `import { readFile } from "node:fs/promises";`,
      `import Stripe from "stripe";`,
    ]
  ) assert.equal(check(`${shared}core/retry/plan.ts`, impure).length, 1, impure);
  assert.deepEqual(
    check(`${shared}core/retry/plan.ts`, "new Date(0); clock.now(); prefetch(x); api.fetch(y)"),
    [],
  );
});

Deno.test("the environment, connections and supabase-js have one home each", () => {
  const cases: [string, string][] = [
    [`Deno.env.get("HOME")`, `${shared}adapters/env.ts`],
    ["await fetch(url)", `${shared}adapters/egress.ts`],
    [`import net from "node:net";`, `${shared}adapters/egress-socket.ts`],
    [`import { createClient } from "@supabase/supabase-js";`, `${shared}adapters/database.ts`],
  ];
  for (const [source, home] of cases) {
    assert.deepEqual(check(home, source), []);
    assert.equal(check("supabase/functions/dispatch/send.ts", source).length, 1, source);
    assert.equal(check(`${shared}adapters/other.ts`, source).length, 1, source);
  }
});

Deno.test("what a comment mentions is not used", () => {
  assert.deepEqual(
    check(`${shared}core/a.ts`, "/** Never Date.now(). */\n// nor fetch(url)\nconst a = 1;"),
    [],
  );
});

Deno.test("code after an address in a string is still checked", () => {
  assert.equal(check(`${shared}core/a.ts`, `const url = "https://example.com"; Date.now();`).length, 1);
});

Deno.test("tests and fakes may use anything, production code may not use fakes", () => {
  assert.deepEqual(check(`${shared}core/a.test.ts`, "Deno.test(fetch(Date.now()))"), []);
  assert.deepEqual(check(`${shared}testing/fake-clock.ts`, "Date.now()"), []);
  const fake = `import { clock } from "../testing/fake-clock.ts";`;
  assert.match(check(`${shared}http/endpoint.ts`, fake)[0]!, /only tests use fakes/);
});

Deno.test("a folder that is no layer is refused", () => {
  assert.match(check(`${shared}utils/strings.ts`, "")[0]!, /belongs to no layer/);
});
