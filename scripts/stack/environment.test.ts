import assert from "node:assert/strict";
import { testProject } from "../testing/project.ts";
import { readEnvFile } from "./environment.ts";

Deno.test("the environment file adds to the stack's variables and cannot point it to another project", async () => {
  const project = await testProject({
    "functions/.env": "SLACK_WEBHOOK_URL=https://hooks.slack.com/x\nSUPABASE_URL=https://live.supabase.co\n",
  });
  try {
    assert.deepEqual(await readEnvFile(project.folder), {
      SLACK_WEBHOOK_URL: "https://hooks.slack.com/x",
    });
  } finally {
    await project.remove();
  }
});
