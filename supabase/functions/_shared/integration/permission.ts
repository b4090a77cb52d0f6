import type { Database, Logger } from "../ports.ts";
import type { Grant } from "./token-source.ts";

/** Whether a call may be made, and with what; the answer of `begin_integration_call`. */
export interface Permission {
  allowed: boolean;
  reason: "disabled" | "circuit_open" | "safe_mode" | null;
  /** When the breaker lets a call pass again. */
  retry_at: string | null;
  allowed_hosts: string[];
  idempotency_header: string | null;
  grant: Grant | null;
}

/** What is permitted when the database cannot be asked: calls that change nothing and need nothing from it. */
export const UNASKED: Permission = {
  allowed: true,
  reason: null,
  retry_at: null,
  allowed_hosts: [],
  idempotency_header: null,
  grant: null,
};

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a call may have an effect, so that safe mode stops it; `begin_integration_call` decides alike. */
export function mayHaveEffect(method: string): boolean {
  return !SAFE_METHODS.has(method.toUpperCase());
}

/** Asks the circuit breaker and the mode. Never rejects. */
export async function askPermission(
  { database, logger }: { database: Database; logger: Logger },
  serviceName: string,
  userId: string | null,
  method: string,
): Promise<Permission> {
  try {
    return await database.rpc<Permission>("begin_integration_call", {
      p_service_name: serviceName,
      p_user_id: userId,
      p_method: method,
    });
  } catch (error) {
    logger.error("integration.not_asked", { service_name: serviceName, error });
    return UNASKED;
  }
}
