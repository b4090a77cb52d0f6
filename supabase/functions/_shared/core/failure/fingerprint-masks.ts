/** One kind of value and how it is taken out of a message. */
interface Mask {
  pattern: RegExp;
  replace: string | ((match: string, ...groups: string[]) => string);
}

const MASK = "<*>";

const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}";
const WEEKDAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}";
const UNIT = [
  "[kKMGTP]?i?[bB]|[KMGTP]|bytes?|bits?|pages?|[KMG]?Hz|%|°?C|[AP]M|UTC|GMT|[ECMP][SD]T",
  "[numµ]?s|m?secs?|(?:milli|micro|nano)?seconds?|min|minutes?|h|hrs?|hours?|days?",
].join("|");

const FILE_TYPE = [
  "log|txt|csv|json|ya?ml|xml|html?|pdf|png|jpe?g|gif|zip|gz|tar|tmp|dat|bin|db|sql|pem|crt|lock|pid|conf|cfg|ini",
  "properties|service|socket|timer|mount|so|dll|exe|sys|jar|class|java|c|cc|cpp|h|go|rs|py|rb|php|js|mjs|ts|sh",
].join("|");

/** Nouns that a name may follow: "for user alice", "in project atlas". */
const OWNER =
  "user|username|login|account|client|organization|org|project|workspace|tenant|team|channel|host|server|group|model|bucket|topic|queue";
/** What follows such a noun without being a name: "invalid user credentials", "the server closed". */
const NO_NAME =
  "(?!(?:credentials?|tokens?|ids?|names?|numbers?|keys?|values?|size|limit|count|address|input|output|request|response|agent|session|password|secret|data|type|role|state|errors?|is|was|has|does|did|cannot|can|not|with|and|or|lost|unknown|unavailable|\\w{4,}ed|\\w{4,}ing)\\b)";

/** Fields that say what went wrong. Their words are the message itself, not a value. */
const TELLING =
  /(?:^|[._-])(?:error|err|errno|code|reason|cause|status|exception|message|msg|fault|detail|error_description)$|[a-z](?:Error|Errno|Code|Reason|Cause|Status|Exception|Message)$/i;
const TELLING_IN_JSON =
  /^(?:type|kind|title|state|event|category|result|hint|description|errorType|__type)$/i;

/**
 * The values of a message, in the order in which they are masked. Every pattern is linear: no nested quantifiers, and
 * what may fail late is bounded.
 */
export const MASKS: Mask[] = [
  { pattern: /\[redacted\]/g, replace: MASK },
  { pattern: /\n\s{0,20}at [^\n]*/g, replace: "" }, // stack frames
  { pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>()[\]{},;]+/gi, replace: MASK }, // URLs
  { pattern: /\b(?:arn|urn):[^\s"'<>()[\]{},;]+/g, replace: MASK },
  { pattern: /[^\s"'<>()[\]{},;=:]{1,64}@[A-Za-z0-9.-]{1,255}/g, replace: MASK }, // e-mails, class@hash
  // JSON: the name without its quotes, and the text of a telling field.
  {
    pattern: /"([\w.-]{1,64})"\s?:\s?(?:"((?:[^"\\]|\\.){0,1000})")?/g,
    replace: (_, name = "", value) =>
      `${name}: ${value === undefined ? "" : tells(name, value, true) ? value : MASK}`,
  },
  // key=value. A value is quoted, bracketed, the words up to ", key=", or one word.
  {
    pattern:
      /(?<![\w.$-])([\w.$-]+\]?)(=| = ?)(?![=>])("[^"]{0,500}"|'[^']{0,500}'|\([^()]{0,500}\)|\[[^\][]{0,500}\]|\{[^{}]{0,500}\}|<[^<>]{0,500}>|[^,;=()[\]{}"'\n]{0,80}(?=[,;] ?[\w.-]{1,40}=)|[^\s,;&()[\]{}"']*)/g,
    replace: (match, name = "", sign = "", value = "") =>
      value === "" || tells(name, value) ? match : `${name}${sign}${MASK}`,
  },
  // Quoted text, unless it is a request line.
  {
    pattern: /(?<![\w\\])(["'`])((?:(?!\1)[^\n]){0,300})\1(?!\w)/g,
    replace: (match, _quote, content = "") => /^[A-Z]{3,7} \S+ HTTP/.test(content) ? match : MASK,
  },
  { pattern: /\[(?:[^\s,[\]()]{1,100}, ?){1,50}[^\s,[\]()]{1,100}\]|\[\]/g, replace: `[${MASK}]` }, // lists
  { pattern: /(?<![\w-])[\w-]+\[\d[\d, -]*\d\]/g, replace: MASK }, // ranges of hosts: node-[0-31,40]
  { pattern: /(?<![\w.])(?:[A-Za-z]:|\\)\\[^\s"'<>|,;()[\]]*/g, replace: MASK }, // Windows paths
  { pattern: /(?<![\w.~*>])~?\.{0,2}\/[^\s"'<>,;()[\]{}:]+/g, replace: MASK }, // Unix paths
  { pattern: /(?<![\w./-])[\w.-]+\/[\w.-]+\/[^\s"'<>,;()[\]{}:]*/g, replace: MASK }, // relative paths
  {
    pattern: /(?<![\w./-])[\w.-]+\/[\w.-]+(?![\w./-])/g, // default/web-1, but not "read/write"
    replace: (match) => /[_.-]/.test(match) ? MASK : match,
  },
  {
    pattern: new RegExp(String.raw`(?<![\w@.-])[\w@-]+\.(?:${FILE_TYPE})(?![\w.=-])`, "g"),
    replace: MASK,
  },
  // MAC and IPv6 addresses, key fingerprints.
  { pattern: /\[[0-9A-Fa-f:]{2,39}\]:\d{1,5}\b/g, replace: MASK },
  { pattern: /(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,40}[0-9A-Fa-f]{1,4}(?![\w:])/g, replace: MASK },
  {
    pattern: new RegExp(String.raw`\b(?:${WEEKDAY},? )?(?:${MONTH} {1,2}\d|\d{1,2}[ -]${MONTH}[ -]\d)`, "g"),
    replace: MASK,
  },
  {
    pattern: /(?<![\w.@$-])[A-Za-z_][\w$-]*(?:\.[\w$-]+)+(?::\d+)?(?![\w$.-]| ?=)/g,
    replace: (match) => isQualifiedName(match) ? MASK : match,
  },
  // A short host name is told from a field ("size:8080") by its port.
  {
    pattern:
      /(?<![\w.-])[A-Za-z][\w-]*:(?:80|443|8080|8443|3000|3306|5432|5672|6379|6543|8000|9092|27017|54321)\b/g,
    replace: MASK,
  },
  // Whatever holds a digit. Two dots are a leader: "exceptions......0".
  { pattern: /(?:[\w+#%$~*&@/\\-]|\.(?!\.|\s|$))+/g, replace: (match) => /\d/.test(match) ? MASK : match },
  { pattern: /\b[0-9a-fA-F]{8,}\b/g, replace: MASK }, // hexadecimal that happens to have letters only
  { pattern: /\b(?:true|false)\b/gi, replace: MASK },
  { pattern: /(?<=[:=] ?)(?:yes|no|on|off|null|none|nil)(?=\s*(?:[,;)\]}]|$))/gi, replace: MASK },
  { pattern: new RegExp(String.raw`<?<\*> ?(?:${UNIT})(?![\w<])`, "g"), replace: MASK }, // "1.5 MB", "<1 sec"
  {
    pattern: new RegExp(
      String
        .raw`\b(invalid user|(?:for|by|of|in|as|to|on|from) (?:${OWNER})|named|called|with id) ${NO_NAME}[^\s<>()[\],;:]*(?=\s*(?:$|[.,;:([]|(?:from|by|at|on|in|is|was|has|does)\b))`,
      "gi",
    ),
    replace: `$1 ${MASK}`,
  },
  {
    pattern: new RegExp(
      String.raw`\b(${OWNER}) ${NO_NAME}[^\s<>]+ (?=(?:is|was|has|does|cannot|already)\b)`,
      "gi",
    ),
    replace: `$1 ${MASK} `,
  },
  { pattern: /\buser [^\s<>]* (?=from <\*>|\[)/g, replace: `user ${MASK} ` },
  {
    pattern: new RegExp(String.raw`\bfor [^\s<]+ (from|in (?:${OWNER})) (?=<\*>)`, "g"),
    replace: `for ${MASK} $1 `,
  },
  {
    pattern: /\b((?:no such|unknown|unrecognized|unsupported) [\w ]{1,40}:) [^\s<]+$/gi,
    replace: `$1 ${MASK}`,
  },
  { pattern: /<\*>(?:[\s,:;.#|/+~*&=-]*<\*>)+/g, replace: MASK }, // a list of values is a value
  // The same value said in another way: "1407 (1.37 KB)", "Token{1f}".
  { pattern: /<\*>(?: ?\((?:[\s,:;]|<\*>)*\)|\{<\*>\}|\[<\*>\])/g, replace: MASK },
  { pattern: /<\*>(?:[\s,:;.#|/+~*&=-]*<\*>)+/g, replace: MASK },
  { pattern: /\s+/g, replace: " " },
];

/** Whether a field's text is what the message says. Anything with a digit in it may be an id. */
function tells(name: string, value: string, json = false): boolean {
  if (json) return TELLING.test(name) || TELLING_IN_JSON.test(name);
  return TELLING.test(name) && !/\d/.test(value);
}

const TOP_LEVEL = /\.(?:com|net|org|io|dev|app|co|edu|gov|cn|de|uk|fr|jp|ru|eu|local|internal|lan|example)$/i;

/** A host or a class: three parts or more, a port, or a known top-level domain. Error classes are told by name. */
function isQualifiedName(text: string): boolean {
  if (/(?:Exception|Error|Fault|Failure)$/.test(text)) return false;
  return /:\d+$/.test(text) || text.split(".").length >= 3 || TOP_LEVEL.test(text);
}
