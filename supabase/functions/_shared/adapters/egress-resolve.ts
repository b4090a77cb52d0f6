import { lookup } from "node:dns/promises";
import { isPublicAddress } from "../core/egress/address.ts";
import { EgressError } from "../ports.ts";
import { timedOut } from "./egress-failure.ts";

/** Turns a name into IP addresses. */
export type Resolve = (hostname: string) => Promise<string[]>;

/**
 * Resolves a name once and checks every address it has: one that is not public blocks them all, unless the target is
 * private by configuration.
 *
 * @throws {EgressError} `egress.dns`, `egress.blocked_address`, `egress.timeout`.
 */
export async function resolveAndCheck(
  target: { hostname: string; private: boolean },
  resolve: Resolve,
  deadline: AbortSignal,
): Promise<string[]> {
  const { hostname } = target;
  let addresses: string[] = [];
  try {
    addresses = await within(deadline, resolve(hostname));
  } catch {
    if (deadline.aborted) throw timedOut(hostname, false);
  }
  if (addresses.length === 0) {
    throw new EgressError("egress.dns", `The name ${hostname} does not resolve`, false);
  }
  if (!target.private && !addresses.every(isPublicAddress)) {
    const reason = `${hostname} resolves to an address that is not public`;
    throw new EgressError("egress.blocked_address", reason, false);
  }
  return addresses;
}

/** The system's resolver. */
export async function systemResolve(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  // IPv4 first: many hosts of functions have no way out over IPv6.
  return found.sort((left, right) => left.family - right.family).map((entry) => entry.address);
}

/** Settles with the work, or rejects at the deadline, whether or not the work can be stopped (name resolution cannot). */
export async function within<T>(deadline: AbortSignal, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const onAbort = () => late.reject(deadline.reason);
  deadline.addEventListener("abort", onAbort);
  try {
    if (deadline.aborted) onAbort();
    return await Promise.race([work, late.promise]);
  } finally {
    deadline.removeEventListener("abort", onAbort);
  }
}
