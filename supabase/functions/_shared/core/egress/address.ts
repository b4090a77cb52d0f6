import ipaddr from "ipaddr.js";

/** Looks public, but answers virtual machines of Azure with their host's metadata. */
const AZURE_HOST = "168.63.129.16";

/**
 * Whether an IP address is an ordinary address of the public internet. Everything else is not: private, loopback,
 * link-local (cloud metadata), shared, multicast, documentation and reserved ranges, and all IPv6 forms that carry an
 * IPv4 address inside, because a translator may lead them anywhere.
 *
 * @param address An IPv4 or IPv6 address without brackets.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== "unicast") return false;
  if (parsed.kind() === "ipv4") return parsed.toString() !== AZURE_HOST;
  // IANA hands out global unicast addresses from 2000::/3 only (RFC 4291, section 2.4).
  return parsed.match(ipaddr.parse("2000::"), 3);
}
