import type { SubsystemLogger } from "../_shared/audit/subsystem-logger.ts";
import type { PreparedReport } from "../_shared/core/recovery/report.ts";
import { redactText } from "../_shared/core/redaction/redact.ts";
import type { Background, Explainer } from "../_shared/ports.ts";
import type { RecoveryStore } from "./recovery-store.ts";

/** Asks for an explanation where the classification is not sure, without anybody waiting for it. */
export type Explain = (report: PreparedReport, recoveryId: string) => void;

const TIMEOUT_MS = 5_000;
/** Above it a classification needs no second opinion. */
const SURE = 0.6;

const SYSTEM =
  "You are an integration reliability engineer. Analyze failures and provide actionable recovery advice.";

/** @param options.explainer absent when no language model is configured: then nothing is asked */
export function createExplain(
  { explainer, store, audit, background }: {
    explainer: Explainer | null;
    store: RecoveryStore;
    audit: Pick<SubsystemLogger, "logError">;
    background: Background;
  },
): Explain {
  return (report, recoveryId) => {
    if (!explainer || (report.category !== "unknown" && report.confidence >= SURE)) return;
    background((async () => {
      try {
        const text = await explainer.explain({ system: SYSTEM, user: promptFor(report) }, TIMEOUT_MS);
        await store.saveExplanation(recoveryId, redactText(text));
      } catch (error) {
        const resource = `recovery:${recoveryId}`;
        await audit.logError({ actor: "language-model", action: "failure.not_explained", resource, error });
      }
    })());
  };
}

function promptFor(report: PreparedReport): string {
  return `Analyze this integration failure and provide recovery advice:

Service: ${report.service_name}
HTTP Status: ${report.http_status ?? "none"}
Error Code: ${report.error_code ?? "none"}
Error Message: ${report.error_message}
Retry Count: ${report.retry_count}

Deterministic Analysis:
- Category: ${report.category}
- Confidence: ${report.confidence}
- Signals: ${report.signals.join(", ")}

Provide:
1. Confirmation or correction of the category
2. Root cause explanation
3. Specific recovery steps
4. Prevention recommendations

Keep response under 200 words.`;
}
