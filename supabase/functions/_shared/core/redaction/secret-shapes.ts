export const REDACTED = "[redacted]";

/** A secret that is recognised by how it looks, wherever it stands. */
interface SecretShape {
  pattern: RegExp;
  /** What to put in its place; default: the marker alone. */
  replace?: (match: string, ...groups: string[]) => string;
}

// Every pattern is linear: after its fixed prefix it either consumes the whole run or is bounded, so no position
// is scanned again and again. None may match text that holds the marker, or a second pass would change it.

/** A token may follow a percent escape or a JSON escape such as \n, both of which end in a letter or digit. */
const START = String.raw`(?:(?<![A-Za-z0-9_-])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))`;
const SLASH = String.raw`(?:\/|\\\/|%(?:25)?2F)`;
const start = (source: string, flags = "g") => new RegExp(START + source, flags);

/** Host and first path segment of webhook addresses whose remaining path is the credential. */
const WEBHOOKS = [
  String.raw`hooks\.slack(?:-gov)?\.com${SLASH}(?:services|workflows|triggers)`,
  String.raw`discord(?:app)?\.com${SLASH}api${SLASH}(?:v\d{1,2}${SLASH})?webhooks`,
  String.raw`webhook\.office\.com${SLASH}webhookb2`,
  String.raw`outlook\.office(?:365)?\.com${SLASH}webhook`,
  String
    .raw`(?:logic\.azure|powerplatform)\.com(?::\d{1,5})?${SLASH}(?:powerautomate${SLASH}automations${SLASH}direct${SLASH})?workflows`,
  String.raw`hooks\.zapier\.com${SLASH}hooks`,
  String.raw`events\.pagerduty\.com${SLASH}integration`,
  String.raw`api\.telegram\.org${SLASH}bot`,
].join("|");

export const SECRET_SHAPES: SecretShape[] = [
  // A block without its end was cut off by someone's size limit: all that is left of it goes.
  {
    pattern:
      /-----BEGIN[A-Z0-9 +%]{0,40}PRIVATE(?: |\+|%20)KEY[A-Z +%]{0,20}-----(?:[\s\S]*?-----END[A-Z0-9 +%]{0,60}-----|[\s\S]*$)/g,
  },
  {
    pattern: new RegExp(`(${WEBHOOKS})(${SLASH})?[^\\s"'<>\\\\]+`, "gi"),
    replace: (_, host, slash) => `${host}${slash ?? ""}${REDACTED}`,
  },
  { pattern: /(:\\?\/\\?\/)[^\s/?#"'<>\\]+@/g, replace: (_, scheme) => `${scheme}${REDACTED}@` },
  {
    pattern: /(%3A%2F%2F)(?:[^\s%&"'<>/]|%(?!2F|40|20)[0-9A-F]{2})+(%40)/gi,
    replace: (_, scheme, at) => `${scheme}${REDACTED}${at}`,
  },
  {
    pattern: start(
      String.raw`(Bearer|Basic|DPoP)((?:\s|%20|\+){1,4})([A-Za-z0-9._~\/-][A-Za-z0-9._~+\/|%-]{5,}={0,2})`,
      "gi",
    ),
    replace: (match, scheme, space, value) => isProse(value ?? "") ? match : `${scheme}${space}${REDACTED}`,
  },
  // "password is hunter2abc", "Token 1f3a9c2b expired"; UUIDs, dates and addresses hold other characters.
  {
    pattern:
      /\b(pass(?:word|phrase|wd)|secret|token|api[ _-]?key)((?: is| was| provided:?)? ["'`]?)([A-Za-z0-9_+/=]{8,})(?=["'`,;)!?.]{0,4}(?:\s|$))/gi,
    replace: (match, name, between, value = "") =>
      /[A-Za-z]/.test(value) && /\d/.test(value) ? `${name}${between}${REDACTED}` : match,
  },
  { pattern: /eyJ[A-Za-z0-9_-]{12,}(?:\.[A-Za-z0-9_-]*){0,4}/g }, // JWT, JWE: base64url of {"
  { pattern: /xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{6,}|xapp-[A-Za-z0-9-]{8,}/g }, // Slack
  { pattern: /sb_secret_[A-Za-z0-9_-]{6,}|sbp_[A-Za-z0-9_]{20,}/g }, // Supabase
  { pattern: /[sr]k_(?:live|test)_[A-Za-z0-9]{6,}|whsec_[A-Za-z0-9+/=_-]{6,}/g }, // Stripe
  { pattern: /(?<=_)secret_[A-Za-z0-9]{8,}/g }, // Stripe client secrets: pi_1_secret_2
  { pattern: /gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}/g }, // GitHub, GitLab
  { pattern: start("(?:AKIA|ASIA)[A-Z0-9]{16}") }, // AWS
  { pattern: /ya29\.[\w-]{8,}|AIza[\w-]{30,}|GOCSPX-[\w-]{16,}/g }, // Google
  { pattern: start(String.raw`1\/\/0[\w-]{20,}`) }, // Google refresh token
  { pattern: start(String.raw`sk-[A-Za-z0-9_*-]{16,}`) }, // OpenAI, Anthropic and their imitators
  { pattern: start(String.raw`SG\.[\w-]{16,}(?:\.[\w-]*)?`) }, // SendGrid
  { pattern: /shp(?:at|ca|pa|ss|ua)_[A-Fa-f0-9]{16,}|dop_v1_[a-f0-9]{20,}|lin_api_\w{16,}/g },
  { pattern: start(String.raw`(?:npm|hf|ntn)_[A-Za-z0-9]{30,}|key-[0-9a-f]{32}`) },
  { pattern: start(String.raw`\d{8,10}:[A-Za-z0-9_-]{35}`) }, // Telegram bot
  {
    pattern: start(
      String.raw`(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}[ -]\d{6}[ -]\d{5})(?![\w-])`,
    ),
    replace: (match) => isCardNumber(match) ? REDACTED : match,
  },
  {
    pattern: start(String.raw`[A-Za-z0-9_-]{40,}={0,2}`),
    replace: (match) => looksRandom(match) ? REDACTED : match,
  },
];

/** "Basic authentication", "Bearer token-type", `Bearer realm="x"`: words that follow a scheme's name in prose. */
export function isProse(value: string): boolean {
  return /^[A-Za-z]?[a-z]{0,18}(?:[-_/.][a-z]{0,18}){0,2}[=.,]?$/.test(value);
}

/** Digits (spaces and dashes allowed) with a payment network's prefix and length and a valid Luhn sum (ISO/IEC 7812-1). */
export function isCardNumber(text: string): boolean {
  const digits = text.replace(/[ -]/g, "");
  const network =
    /^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14})$/;
  if (!network.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const doubled = Number(digits[digits.length - 1 - i]) * (i % 2 + 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Long, unbroken, with upper case, lower case and digits well mixed. Hex digests and UUIDs are ids, not secrets. */
function looksRandom(text: string): boolean {
  const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
  const unbroken = text.split(/[_-]/).some((part) => part.length >= 20);
  return unbroken && count(/[A-Z]/g) >= 5 && count(/[a-z]/g) >= 5 && count(/\d/g) >= 4;
}
