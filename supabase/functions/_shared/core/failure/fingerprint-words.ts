/** The vocabulary of the masks, as alternatives of regular expressions. */

export const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}";
export const WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}";

export const UNIT = [
  "[kKMGTP]?i?[bB]|[KMGTP]|bytes?|bits?|pages?|[KMG]?Hz|%|°?C|usd|eur|gbp|USD|EUR|GBP|[AP]M|UTC|GMT|[ECMP][SD]T",
  "[numµ]?s|m?secs?|(?:milli|micro|nano)?seconds?|min|minutes?|h|hrs?|hours?|days?",
].join("|");

export const FILE_TYPE = [
  "log|txt|csv|json|ya?ml|xml|html?|pdf|png|jpe?g|gif|zip|gz|tar|tmp|dat|bin|db|sql|pem|crt|lock|pid|conf|cfg|ini",
  "properties|service|socket|timer|mount|so|dll|exe|sys|jar|class|java|c|cc|cpp|h|go|rs|py|rb|php|js|mjs|ts|sh",
].join("|");

export const TOP_LEVEL_DOMAIN =
  "com|net|org|io|dev|app|co|edu|gov|cn|de|uk|fr|jp|ru|eu|local|internal|lan|example";

export const KNOWN_PORT = "80|443|8000|8080|8443|3000|3306|5432|5672|6379|6543|9092|27017|54321";

/** Nouns that a name may follow: "for user alice", "in project atlas". */
export const OWNER = [
  "user|username|login|account|client|organization|org|project|workspace|tenant|team|channel|group|topic|queue|model",
  "host|server|node|pod|container|backend|bucket|repository|repo|table|relation|column|schema|collection|view",
].join("|");

/** What follows such a noun without being a name: "invalid user credentials", "the server closed". */
export const NO_NAME = [
  "credentials?|tokens?|ids?|names?|numbers?|keys?|values?|size|limit|count|address|input|output|request|response",
  "agent|session|password|secret|data|type|role|state|errors?|certificate|process|pool|cache|format|connection",
  "is|was|has|does|did|cannot|can|not|with|and|or|already|lost|unknown|unavailable|\\w{4,}ed|\\w{4,}ing",
].join("|");

/** Fields that say what went wrong: their words are the message, not a value. */
export const TELLING =
  "error|err|errno|code|reason|cause|status|exception|message|msg|fault|detail|description";
/** In JSON these, too, say what went wrong (RFC 9457 and the error objects of most providers). */
export const TELLING_IN_JSON = `${TELLING}|type|kind|title|state|event|category|result|hint`;
