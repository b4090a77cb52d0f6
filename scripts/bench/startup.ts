/** What a deployment weighs and how long the first answer takes. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { loadSecrets } from "../stack/secrets.ts";
import { prepareHome, projectRoot } from "../stack/paths.ts";
import { serverProcess } from "../stack/server-process.ts";
import { BrokenRun, type Figure, median } from "./figure.ts";

const STARTS = 10;
const ours = join(projectRoot, "supabase/functions/integration-self-heal/index.ts");
const naive = join(projectRoot, "scripts/bench/naive-intake.ts");
const empty = join(projectRoot, "scripts/bench/empty-function.ts");

export async function benchStartup(): Promise<Figure[]> {
  const [ourBundle, peerBundle] = [await bundle(ours), await bundle(naive)];
  const weight = { unit: "kB", peerIs: "supabase-js and three calls", better: "less" } as const;
  const kilobytes = (bytes: Uint8Array) => bytes.length / 1_000;
  return [
    {
      ...weight,
      what: "integration-self-heal: files and packages",
      unit: "modules",
      ours: await countModules(ours),
      peer: await countModules(naive),
    },
    {
      ...weight,
      what: "integration-self-heal: bundle, minified",
      ours: kilobytes(ourBundle),
      peer: kilobytes(peerBundle),
    },
    {
      ...weight,
      what: "integration-self-heal: bundle, minified, gzip",
      ours: kilobytes(gzipSync(ourBundle)),
      peer: kilobytes(gzipSync(peerBundle)),
    },
    {
      what: `integration-self-heal: start to first answer, median of ${STARTS}`,
      unit: "ms",
      ours: await startMs(ours),
      peer: await startMs(empty),
      peerIs: "empty function",
      better: "less",
    },
  ];
}

async function bundle(module: string): Promise<Uint8Array> {
  const output = await Deno.makeTempFile({ suffix: ".js" });
  await deno("bundle", "--quiet", "--minify", "--platform=deno", `--output=${output}`, module);
  const bytes = await Deno.readFile(output);
  await Deno.remove(output);
  return bytes;
}

async function countModules(module: string): Promise<number> {
  return JSON.parse(await deno("info", "--json", module)).modules.length;
}

async function deno(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: projectRoot })
    .output();
  if (!success) throw new BrokenRun(`deno ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

/** Milliseconds from the start of a process until it refuses a caller without a key. */
async function startMs(module: string): Promise<number> {
  const secrets = await loadSecrets(await prepareHome());
  const times: number[] = [];
  for (let run = 0; run < STARTS; run++) {
    const server = serverProcess({
      args: ["--allow-net", "--allow-env", "--allow-read", module],
      env: {
        SUPABASE_URL: "http://127.0.0.1",
        SUPABASE_SECRET_KEYS: JSON.stringify({ default: secrets.secretKey }),
        INTERNAL_WEBHOOK_TOKEN: secrets.internalWebhookToken,
        TOKEN_ENCRYPTION_KEYS: secrets.tokenEncryptionKeys,
      },
      cwd: projectRoot,
      log: () => {},
    });
    const start = performance.now();
    const request = new Request("http://127.0.0.1/", { method: "POST", body: "{}" });
    const { status, body } = await server.forward(request, "/", 30_000);
    times.push(performance.now() - start);
    await body?.cancel();
    await server.kill();
    if (status !== 401) throw new BrokenRun(`a caller without a key was answered with ${status}`);
  }
  return median(times);
}
