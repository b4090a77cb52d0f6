/**
 * The architecture's rules about who may use what, checked on the text of the source files.
 *
 * Imports go down only: functions -> what they share (rules, integration, grants, audit, outbox) -> http -> adapters -> ports -> core.
 */
import { dirname, join } from "node:path/posix";

const functionsFolder = "supabase/functions/";
const sharedFolder = `${functionsFolder}_shared/`;
const layers = [
  "core",
  "ports",
  "adapters",
  "http",
  "outbox",
  "audit",
  "grants",
  "integration",
  "rules",
  "function",
] as const;
type Layer = typeof layers[number];
const folders = layers.filter((layer) => layer !== "ports" && layer !== "function");

/** Libraries that neither do I/O nor keep a clock. */
const pureLibraries = ["zod", "ipaddr.js", "re2js", "canonicalize"];

/** What only some files may do. */
const reserved: {
  what: string;
  pattern: RegExp;
  allowed: (path: string, layer: Layer) => boolean;
  advice: string;
}[] = [
  {
    what: "reads the environment",
    pattern: /\bDeno\s*\.\s*env\b|\bprocess\s*\.\s*env\b/,
    allowed: (path) => path === `${sharedFolder}adapters/env.ts`,
    advice: "only adapters/env.ts does",
  },
  {
    what: "opens a connection",
    pattern:
      /(?<![.\w])fetch\s*\(|\bglobalThis\.fetch\b|\bDeno\s*\.\s*(connect|startTls|connectTls)\b|\bnew WebSocket\b|from "(undici|(node:)?(net|tls|http|https|http2|dgram))"/,
    allowed: (path) => path.startsWith(`${sharedFolder}adapters/egress`),
    advice: "only adapters/egress does",
  },
  {
    what: "imports supabase-js",
    pattern: /from "@supabase\/supabase-js/,
    allowed: (path) => path === `${sharedFolder}adapters/database.ts`,
    advice: "only adapters/database.ts does",
  },
  {
    what: "uses the runtime, a clock or chance",
    pattern:
      /\bDeno\s*[.[]|\bDate\s*\.\s*now\b|\bnew Date\(\s*\)|\bMath\s*\.\s*random\b|\bperformance\s*\.|\bset(Timeout|Interval)\b|\bcrypto\s*\.\s*(randomUUID|getRandomValues)\b|\bprocess\s*\./,
    allowed: (_path, layer) => layer !== "core",
    advice: "core gets such things as arguments",
  },
];

/** A broken rule, as a sentence that begins with the path. */
export type Violation = string;

/**
 * Checks source files against the rules. Test files and `_shared/testing/` may use anything.
 *
 * @param files path relative to the repository -> source text
 */
export function checkLayers(files: Map<string, string>): Violation[] {
  return [...files].flatMap(([path, source]) => {
    if (!path.startsWith(functionsFolder) || !path.endsWith(".ts")) return [];
    if (path.endsWith(".test.ts") || path.startsWith(`${sharedFolder}testing/`)) return [];
    const layer = layerOf(path);
    if (!layer) {
      return [`${path} belongs to no layer: _shared holds ports.ts, testing/ and ${folders.join("/, ")}/`];
    }
    const code = withoutComments(source);
    return [
      ...importsOf(code).flatMap((specifier) => checkImport(path, layer, specifier)),
      ...reserved
        .filter(({ pattern, allowed }) => pattern.test(code) && !allowed(path, layer))
        .map(({ what, advice }) => `${path} ${what}: ${advice}`),
    ];
  });
}

function checkImport(path: string, layer: Layer, specifier: string): Violation[] {
  if (!specifier.startsWith(".")) {
    const pure = pureLibraries.some((library) =>
      specifier === library || specifier.startsWith(`${library}/`)
    );
    return layer === "core" && !pure
      ? [`${path} imports ${specifier}: core imports only core and pure libraries`]
      : [];
  }
  const target = join(dirname(path), specifier);
  if (target.startsWith(`${sharedFolder}testing/`)) {
    return [`${path} imports ${target}: only tests use fakes`];
  }
  const targetLayer = layerOf(target);
  if (!targetLayer) return [`${path} imports ${target}, which belongs to no layer`];
  if (targetLayer === "function" && functionNameOf(target) !== functionNameOf(path)) {
    return [`${path} imports ${target}: no one imports a function's files but itself`];
  }
  return layers.indexOf(targetLayer) > layers.indexOf(layer)
    ? [`${path} imports ${target}: ${layer} may not import ${targetLayer}, imports go down only`]
    : [];
}

function layerOf(path: string): Layer | undefined {
  if (!path.startsWith(functionsFolder)) return undefined;
  if (!path.startsWith(sharedFolder)) return "function";
  if (path === `${sharedFolder}ports.ts`) return "ports";
  const folder = path.slice(sharedFolder.length).split("/")[0];
  return layers.find((layer) => layer === folder);
}

function functionNameOf(path: string): string {
  return path.slice(functionsFolder.length).split("/")[0]!;
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[^]*?\*\//g, "").replace(/(?<!:)\/\/.*$/gm, "");
}

function importsOf(code: string): string[] {
  return [...code.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]!);
}
