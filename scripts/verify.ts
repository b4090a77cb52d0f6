/**
 * `deno task verify`: checks every invariant of the project in full, as the timer does, so it also corrects what may be
 * corrected; scores the drift, and looks for damage of the audit logs. The exit code is 0 when all is well, 1 when something is violated or damaged, 3 when something could not be
 * checked.
 */
import { readArguments } from "./command-line.ts";
import { type DataApi, openDataApi, RefusedError } from "./data-api.ts";

/** For one check over all rows; a check's own limit is 30 seconds unless somebody raised it. */
const TIMEOUT_MS = 120_000;

/** The run was refused, or nobody knows what came of it. */
const NOT_RUN = "invariant.not_run";
/** Somebody else runs it, most often the timer, which keeps what it has run until all are. */
const BUSY = "invariant.busy";
const BUSY_PATIENCE_MS = 60_000;
const BUSY_PAUSE_MS = 1_000;

const MOST_ENTITIES = 3;
const LONGEST_ENTITY = 40;

/** What one invariant's run says. */
interface Run {
  invariant: string;
  priority: string;
  /** Null: all entities. */
  checked: number | null;
  open_violations: number;
  corrected: number;
  duration_ms: number;
  violations: { entity: string }[];
  error: { code: string; message: string } | null;
}

interface Drift {
  score: number | null;
  lost: { invariant: string; priority: string; violations: number; points: number }[];
  unknown: { invariant: string; why: string }[];
}

interface Damage {
  table_name: string;
  open_damage: number;
}

interface Invariant {
  name: string;
  priority: string;
}

/** Runs each of them; those that are busy again behind the others, until patience ends. */
async function runAll(api: DataApi, invariants: Invariant[]): Promise<Run[]> {
  const patienceEnds = Date.now() + BUSY_PATIENCE_MS;
  const runs = new Map<string, Run>();
  for (let left = invariants; left.length > 0;) {
    for (const invariant of left) runs.set(invariant.name, await run(api, invariant));
    left = Date.now() < patienceEnds ? left.filter(({ name }) => runs.get(name)!.error?.code === BUSY) : [];
    if (left.length > 0) await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
  }
  return [...runs.values()];
}

/** A run in full; one that did not come about is one with an error. */
async function run(api: DataApi, { name, priority }: Invariant): Promise<Run> {
  try {
    return await api<Run>("POST", "rpc/run_invariant", { p_name: name, p_mode: "full" });
  } catch (error) {
    const { message } = error as Error;
    const code = error instanceof RefusedError && error.code === BUSY ? BUSY : NOT_RUN;
    return {
      ...{ invariant: name, priority, checked: null, open_violations: 0, corrected: 0, duration_ms: 0 },
      ...{ violations: [], error: { code, message } },
    };
  }
}

/** An invariant that was checked and not corrected has an error, too, but what breaks it is known. */
function isUnknown({ invariant, error }: Run, { unknown }: Drift): boolean {
  return error?.code === NOT_RUN || error?.code === BUSY ||
    unknown.some((one) => one.invariant === invariant);
}

function row(run: Run, drift: Drift): string[] {
  const { invariant, priority, checked, open_violations, duration_ms, violations, error } = run;
  if (isUnknown(run, drift)) {
    return [invariant, priority, "-", "unknown", time(duration_ms), error?.code ?? ""];
  }
  const entities = violations.slice(0, MOST_ENTITIES).map(({ entity }) => printable(entity));
  const more = open_violations > entities.length && entities.length > 0 ? ", ..." : "";
  return [
    ...[invariant, priority, String(checked ?? "all"), String(open_violations)],
    ...[time(duration_ms), entities.join(", ") + more],
  ];
}

function time(milliseconds: number): string {
  return `${Math.round(milliseconds)} ms`;
}

/** Data of the project: without what would steer a terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  const harmless = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
  return harmless.length > LONGEST_ENTITY ? `${harmless.slice(0, LONGEST_ENTITY)}...` : harmless;
}

/** Lines of equal columns, as wide as their widest cell. */
function table(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd());
}

function describe(runs: Run[], drift: Drift, damage: Damage[]): string[] {
  const header = ["invariant", "priority", "checked", "violations", "time", "first entities"];
  return [
    ...table([header, ...runs.map((run) => row(run, drift))]),
    "",
    ...runs.filter(({ corrected }) => corrected > 0)
      .map(({ invariant, corrected }) => `${invariant}: ${corrected} corrected`),
    ...runs.filter(({ error }) => error).map(({ invariant, error }) => `${invariant}: ${error!.message}`),
    `Drift score: ${drift.score === null ? "unknown" : `${drift.score} of 100`}`,
    ...drift.lost.map(({ invariant, priority, violations, points }) =>
      `  -${points} for ${invariant} (${priority}), violations: ${violations}`
    ),
    ...drift.unknown.map(({ invariant, why }) => `  unknown: ${invariant}: ${why}`),
    ...damage.map(({ table_name, open_damage }) =>
      `Damage of ${table_name}: ${open_damage} findings, see audit_damage; deno task verify-audit tells more`
    ),
  ];
}

async function verify(): Promise<number> {
  const api = openDataApi(TIMEOUT_MS);
  const { invariants } = await api<{ invariants: (Invariant & { enabled: boolean })[] }>(
    ...["POST", "rpc/read_invariants_status", { p_limit: 1 }] as const,
  );
  const runs = await runAll(api, invariants.filter(({ enabled }) => enabled));
  const drift = await api<Drift>("POST", "rpc/score_drift", {});
  const status = await api<Damage[]>("GET", "audit_status?select=table_name,open_damage");
  const damage = status.filter(({ open_damage }) => open_damage > 0);

  console.log(describe(runs, drift, damage).join("\n"));
  const off = invariants.length - runs.length;
  if (off > 0) console.log(`Not checked, as they are switched off: ${off}`);
  if (runs.some(({ open_violations }) => open_violations > 0) || damage.length > 0) return 1;
  if (runs.length > 0 && !runs.some((run) => isUnknown(run, drift))) return 0;
  console.error(runs.length > 0 ? "Not everything could be checked." : "There is no invariant to check.");
  return 3;
}

readArguments("verify");
try {
  Deno.exit(await verify());
} catch (error) {
  console.error(`Nothing is known: ${(error as Error).message}`);
  Deno.exit(3);
}
