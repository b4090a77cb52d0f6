import type { Verdict } from "./failure.ts";

/** What a status says when nobody says more: a verdict and how far to trust it (see the weights in evidence.ts). */
export interface StatusMeaning {
  verdict: Verdict;
  strength: "plain" | "telling" | "strong" | "fair" | "weak";
}

const plain = (verdict: Verdict): StatusMeaning => ({ verdict, strength: "plain" });
const telling = (verdict: Verdict): StatusMeaning => ({ verdict, strength: "telling" });
const strong = (verdict: Verdict): StatusMeaning => ({ verdict, strength: "strong" });
const fair = (verdict: Verdict): StatusMeaning => ({ verdict, strength: "fair" });
const weak = (verdict: Verdict): StatusMeaning => ({ verdict, strength: "weak" });

/** Statuses whose meaning is not that of their class: RFC 9110, the IANA registry, and gateways' own (nginx, Cloudflare, AWS). */
const STATUSES: Record<number, StatusMeaning> = {
  401: telling("auth.unclear"),
  402: strong("data"),
  403: weak("auth.final"),
  404: fair("data"),
  405: strong("data"),
  407: strong("auth.final"),
  408: strong("network"),
  409: fair("data"),
  410: fair("data"),
  413: strong("data"),
  415: strong("data"),
  418: weak("unknown"),
  419: weak("auth.refresh"), // Laravel: the page's session token has expired
  420: strong("rate_limit"), // "enhance your calm": X, Mailgun
  421: fair("network"),
  422: fair("data"),
  423: weak("network"),
  424: weak("network"),
  425: fair("network"),
  429: plain("rate_limit"), // has no other use: a text beside it names what was limited
  430: strong("rate_limit"), // Shopify
  431: strong("data"),
  440: fair("auth.refresh"), // IIS: login time-out
  444: fair("network"),
  449: fair("network"), // Azure: retry with
  451: fair("data"),
  460: fair("network"),
  463: fair("network"),
  477: fair("network"),
  494: strong("data"),
  495: fair("network"),
  496: fair("auth.final"),
  497: fair("data"),
  498: strong("auth.refresh"), // Esri and others: invalid token
  499: fair("network"),
  501: fair("data"),
  505: weak("data"),
  507: fair("data"),
  508: weak("data"),
  509: strong("rate_limit"), // bandwidth limit exceeded
  511: fair("network"),
  561: fair("auth.unclear"), // AWS load balancer: identity provider refused
};

/** The meaning of a status, or null for one that claims success or leads elsewhere. */
export function statusMeaning(status: number): StatusMeaning | null {
  const known = STATUSES[status];
  if (known) return known;
  if (status >= 500 && status <= 599) return fair("network.outage");
  if (status >= 400 && status <= 499) return weak("data");
  return null;
}
