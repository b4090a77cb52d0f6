import type { Database, Logger } from "../ports.ts";
import type { Grant } from "./token-source.ts";

/** Whether a call may be made, and with what; the answer of `begin_integration_call`. */
export interface Permission {
  allowed: boolean;
  reason: "disabled" | "circuit_open" | null;
  /** When the breaker lets a call pass again. */
  retry_at: string | null;
  allowed_hosts: string[];
  idempotency_header: string | null;
  grant: Grant | null;
}

/** What is permitted when the database cannot be asked: calls that need nothing from it. */
export const UNASKED: Permission = {
  allowed: true,
  reason: null,
  retry_at: null,
  allowed_hosts: [],
  idempotency_header: null,
  grant: null,
};

/** Asks the circuit breaker. Never rejects. */
export async function askPermission(
  { database, logger }: { database: Database; logger: Logger },
  serviceName: string,
  userId: string | null,
): Promise<Permission> {
  try {
    return await database.rpc<Permission>("begin_integration_call", {
      p_service_name: serviceName,
      p_user_id: userId,
    });
  } catch (error) {
    logger.error("integration.not_asked", { service_name: serviceName, error });
    return UNASKED;
  }
}
