import { createBackground } from "../_shared/adapters/background.ts";
import { createDatabase } from "../_shared/adapters/database.ts";
import { createEgress } from "../_shared/adapters/egress.ts";
import type { Config } from "../_shared/adapters/env.ts";
import { createExplainer } from "../_shared/adapters/llm.ts";
import { createTokenEndpoint } from "../_shared/adapters/oauth.ts";
import { systemRandom as random } from "../_shared/adapters/random.ts";
import { createSystemMode } from "../_shared/adapters/system-mode.ts";
import { createTokenVault } from "../_shared/adapters/token-vault.ts";
import { getSubsystemLogger } from "../_shared/audit/subsystem-logger.ts";
import { createGrantRefresher } from "../_shared/grants/refresher.ts";
import type { Clock, Logger } from "../_shared/ports.ts";
import { createAdopt } from "./adopt.ts";
import { createExplain } from "./explain.ts";
import { createHandleWork } from "./handle-work.ts";
import { createRecover } from "./recover.ts";
import { createRecoveryStore } from "./recovery-store.ts";
import { createReportFailure, type RecoveryAnswer } from "./report-failure.ts";
import type { HealRequest } from "./request.ts";
import { createScan, type ScanAnswer } from "./scan.ts";

type SelfHealConfig = Pick<Config, "project" | "tokenKeys" | "privateHosts" | "secretUrls" | "llm">;

/** Calls share round trips, so one that hangs holds up those behind it. */
const DATABASE_TIMEOUT_MS = 5_000;

/** Puts the function's parts together: one handler for reports and scans. */
export function createSelfHeal(config: SelfHealConfig, clock: Clock, logger: Logger) {
  const { secretUrls, llm } = config;
  const database = createDatabase({ ...config.project, timeoutMs: DATABASE_TIMEOUT_MS });
  const egress = createEgress(config);
  const background = createBackground({ logger });
  const vault = createTokenVault(config.tokenKeys);
  const tokenEndpoint = createTokenEndpoint({ egress, clock });
  const refresher = createGrantRefresher({ database, vault, tokenEndpoint, clock, background });
  const store = createRecoveryStore(database);
  const recover = createRecover({
    clock,
    random,
    egress,
    refresher,
    mode: createSystemMode(database),
    logger,
    secretUrls,
  });
  const handleWork = createHandleWork({ recover, store, clock, logger });
  const audit = getSubsystemLogger("self-heal", { database });
  const explainer = llm && createExplainer({ egress, ...llm });
  const explain = createExplain({ explainer, store, audit, background });
  const reportFailure = createReportFailure({ store, handleWork, explain, clock, random });
  const adopt = createAdopt({ store, clock, random, logger });
  const scan = createScan({ store, adopt, handleWork, refresher, clock, logger });

  return (request: HealRequest): Promise<RecoveryAnswer | ScanAnswer> =>
    request.mode === "scan" ? scan(request.limit, request.window_minutes) : reportFailure(request);
}
