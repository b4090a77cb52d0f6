import { isPublicAddress } from "./address.ts";
import { portOf } from "./host-and-port.ts";

/** Where a request may go, or why not. */
export type Target =
  | { allowed: true; url: URL; hostname: string; private: boolean }
  | { allowed: false; code: RefusalCode; reason: string };

export type RefusalCode = "egress.invalid_url" | "egress.host_not_allowed" | "egress.blocked_address";

/**
 * Names of this machine and of its network (RFC 6761, 6762, 8375, and what ICANN reserved), and names without a dot,
 * which only a network's own search list completes.
 */
const INSIDE_NAME = /^[^.]*\.?$|(^|\.)(localhost|localdomain|local|internal|intranet|lan|home\.arpa)$/;

/**
 * Decides by its URL alone whether a request may leave. A name that passes must still be resolved, and each of its
 * addresses checked with `isPublicAddress`, unless the target is private by configuration.
 *
 * `URL` has already normalised every odd spelling of an IPv4 address (`0x7f.1`, `2130706433`, full-width digits), so
 * the rules look at its `hostname` and never at the text.
 *
 * @param allowedHosts When given, only these `host`s or `host:port`s.
 * @param privateHosts `host:port`s that may be private and may be reached without TLS.
 */
export function decideTarget(
  text: string,
  { allowedHosts, privateHosts }: { allowedHosts?: string[]; privateHosts: string[] },
): Target {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    return refuse("egress.invalid_url", "The address is not an http(s) URL");
  }
  if (url.username || url.password) {
    return refuse("egress.invalid_url", "The address holds credentials; they belong into a header");
  }
  const host = url.hostname.replace(/\.$/, "");
  const hostAndPort = `${host}:${portOf(url)}`;
  const names = (list: string[]) => list.some((entry) => [host, hostAndPort].includes(entry.toLowerCase()));
  if (allowedHosts && !names(allowedHosts)) {
    return refuse("egress.host_not_allowed", `The host ${host} is not among the integration's allowed hosts`);
  }
  const hostname = host.replace(/^\[|\]$/g, "");
  if (privateHosts.includes(hostAndPort)) return { allowed: true, url, hostname, private: true };
  if (url.protocol === "http:") {
    return refuse("egress.invalid_url", `The host ${host} may be reached over https only`);
  }
  const isAddress = host.startsWith("[") || /^[\d.]+$/.test(host);
  if (isAddress && !isPublicAddress(hostname)) {
    return refuse("egress.blocked_address", `The address ${host} is not a public one`);
  }
  if (!isAddress && INSIDE_NAME.test(host)) {
    return refuse("egress.blocked_address", `The name ${host} is one of a private network`);
  }
  return { allowed: true, url, hostname, private: false };
}

function refuse(code: RefusalCode, reason: string): Target {
  return { allowed: false, code, reason };
}
