/** Last word of a field name whose value is always secret. */
const SECRET_WORDS = new Set([
  ..."password passwords passwd pwd passphrase passcode secret secrets credential credentials".split(" "),
  ..."authorization cookie cookies cvv cvc cvv2 otp apikey jwt pan".split(" "),
]);

/** Last word of a field name that is also an ordinary word: "unexpected token: punctuation". */
const AMBIGUOUS_WORDS = new Set("token tokens signature sig hmac bearer assertion pass pin".split(" "));

/** The last two words together, for last words that are harmless alone ("primary key", "error code"). */
const SECRET_PAIRS = new Set([
  ..."api private secret access signing encryption service role master auth account shared".split(" ")
    .map((word) => `${word} key`),
  ..."subscription session ssh routing integration webhook hmac".split(" ").map((word) => `${word} key`),
  ..."card number,card no,security code,auth code,authorization code,recovery code,verification code".split(
    ",",
  ),
  ..."device code,code verifier,connection string".split(","),
]);

/** Names written as one word: clientsecret, ACCESSTOKEN. */
const SECRET_SUFFIXES = ["token", "secret", "password", "passwd", "apikey", "secretkey", "privatekey"]
  .concat(["accesskey", "cardnumber", "passphrase", "authorization"]);

/** Words before "token" that make it a page cursor or the name of an error ("invalid_token"). */
const HARMLESS_BEFORE_TOKEN = new Set([
  ..."page next continuation sync pagination stop invalid expired missing bad unknown".split(" "),
  ..."unexpected revoked unsupported no".split(" "),
]);

/** Names that are secret as a URL query parameter only: elsewhere `code` is an error code and `key` a name. */
const QUERY_ONLY = new Set("code key auth session ticket".split(" "));

/**
 * How secret the value of a field is, judged by the field's name alone.
 *
 * `secret`: always; `ambiguous`: the name is also an ordinary word, so prose needs a second look;
 * `query`: only as a URL query parameter; `none`: the name says nothing.
 */
export type KeySecrecy = "secret" | "ambiguous" | "query" | "none";

/** Judges a field name in any spelling: `client_secret`, `clientSecret`, `X-Api-Key`, `ACCESS_TOKEN2`. */
export function keySecrecy(name: string): KeySecrecy {
  // Only the end of a name decides, and a short slice keeps hostile names cheap.
  const words = name.slice(-80)
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase().split(/[^a-z]+/).filter(Boolean);
  const last = words.at(-1) ?? "";
  const previous = words.at(-2) ?? "";
  if (last.startsWith("token") && HARMLESS_BEFORE_TOKEN.has(previous)) return "none";
  if (SECRET_WORDS.has(last) || SECRET_PAIRS.has(`${previous} ${last}`)) return "secret";
  if (AMBIGUOUS_WORDS.has(last)) return "ambiguous";
  if (SECRET_SUFFIXES.some((suffix) => last.endsWith(suffix))) return "secret";
  return words.length === 1 && QUERY_ONLY.has(last) ? "query" : "none";
}

/** Whether a structured value (JSON, header) under this name must be hidden. */
export function isSecretKey(name: string): boolean {
  const secrecy = keySecrecy(name);
  return secrecy === "secret" || secrecy === "ambiguous";
}
