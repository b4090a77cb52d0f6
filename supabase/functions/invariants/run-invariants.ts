import { type Clock, type Database, DatabaseError } from "../_shared/ports.ts";
import type { RunRequest } from "./requests.ts";

/** No check begins after this: a request may take 150 s on the platform, and the last check its own time. */
export const START_UNTIL_MS = 100_000;

/** Longest wait for one check. Its own statement timeout is shorter unless somebody raised it. */
export const CHECK_TIMEOUT_MS = 40_000;

/** What a run found: the answer of `run_invariant`, or only why there is none. */
export type RunResult = { invariant: string; error: null | { code: string; message: string } };

export interface RunAnswer {
  dryRun: boolean;
  results: RunResult[];
  /** Invariants whose turn did not come in the time there is. */
  notRun: string[];
  /** What `score_drift` and `advance_incidents` answered; null for a dry run, which neither scores nor follows. */
  score: unknown;
  incidents: unknown;
}

/**
 * Runs invariants one after the other; one that fails does not keep the others from running. Afterwards the drift is
 * scored and incidents are followed, as the timer does it.
 *
 * @throws {DatabaseError} `invariant.unknown` before anything is run; what scoring and following throw
 */
export async function runInvariants(
  { names, mode, dryRun }: RunRequest,
  { database, clock }: { database: Database; clock: Clock },
): Promise<RunAnswer> {
  const wanted = await chooseInvariants(database, names);
  const started = clock.now();
  const results: RunResult[] = [];
  for (const name of wanted) {
    if (clock.now() - started >= START_UNTIL_MS) break;
    results.push(await runOne(database, { p_name: name, p_mode: mode, p_dry_run: dryRun }));
  }
  return {
    dryRun,
    results,
    notRun: wanted.slice(results.length),
    score: dryRun ? null : await database.rpc("score_drift"),
    incidents: dryRun ? null : await database.rpc("advance_incidents"),
  };
}

/** The named invariants, each once, or all that are enabled. */
async function chooseInvariants(database: Database, names?: string[]): Promise<string[]> {
  const { invariants } = await database.rpc<{ invariants: { name: string; enabled: boolean }[] }>(
    "read_invariants_status",
    { p_limit: 1 },
  );
  if (!names) return invariants.filter(({ enabled }) => enabled).map(({ name }) => name);
  const known = invariants.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return [...new Set(names)];
  throw new DatabaseError(
    "invariant.unknown",
    `No invariant is called ${unknown.map((name) => `"${name}"`).join(", ")}. There are: ${known.join(", ")}`,
    404,
  );
}

/** The failure to run an invariant is a result: nothing is known about it, and the next one has its turn. */
async function runOne(
  database: Database,
  request: { p_name: string; p_mode: string; p_dry_run: boolean },
): Promise<RunResult> {
  try {
    return await database.rpc<RunResult>("run_invariant", request);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return { invariant: request.p_name, error: { code: error.code, message: error.message } };
  }
}
