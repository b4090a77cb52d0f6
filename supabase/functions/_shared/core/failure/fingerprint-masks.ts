import {
  FILE_TYPE,
  KNOWN_PORT,
  MONTH,
  NO_NAME,
  OWNER,
  TELLING,
  TELLING_IN_JSON,
  TOP_LEVEL_DOMAIN,
  UNIT,
  WEEKDAY,
} from "./fingerprint-words.ts";

/** One kind of value and how it is taken out of a message. */
interface Mask {
  pattern: RegExp;
  replace: string | ((match: string, ...groups: string[]) => string);
}

const MASK = "<*>";
const regex = (source: TemplateStringsArray, ...parts: string[]) =>
  new RegExp(String.raw(source, ...parts).replaceAll("\n", ""), "g");

const BRACKETED = String.raw`\([^()]{0,500}\)|\[[^\][]{0,500}\]|\{[^{}]{0,500}\}|<[^<>]{0,500}>`;
const UP_TO_NEXT_FIELD = String.raw`[^,;=()[\]{}"'\n]{0,80}(?=[,;] ?[\w.-]{1,40}=)`;
const VALUE = String.raw`"[^"]{0,500}"|'[^']{0,500}'|${BRACKETED}|${UP_TO_NEXT_FIELD}|[^\s,;&()[\]{}"']*`;
const NAME = String.raw`(?!(?:${NO_NAME})\b)[^\s<>()[\],;:]`;
const VALUES = /<\*>(?:[\s,:;.#|/+~*&=-]*<\*>)+/g;

/**
 * The values of a message, in the order in which they are masked. Every pattern takes linear time: what may be
 * scanned and then fail is bounded, and no unbounded repetition holds another.
 */
export const MASKS: Mask[] = [
  { pattern: /\[redacted\]/g, replace: MASK },
  { pattern: /\n\s{0,20}at [^\n]*/g, replace: "" }, // stack frames
  { pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>()[\]{},;]+/gi, replace: MASK }, // URLs
  { pattern: /(?<![\w.-])(?:arn|urn):[^\s"'<>()[\]{},;]+/g, replace: MASK },
  { pattern: /[^\s"'<>()[\]{},;=:]{1,64}@[A-Za-z0-9.-]{1,255}/g, replace: MASK }, // e-mails, class@hash

  // Fields. JSON loses its quotes, so that the text of a telling field is masked like any other text.
  {
    pattern: /"([\w.-]{1,64})"\s?:\s?(?:"((?:[^"\\]|\\.){0,1000})")?/g,
    replace: (_, name = "", value) =>
      `${name}: ${value === undefined || tellsInJson(name) ? value ?? "" : MASK}`,
  },
  {
    pattern: regex`(?<![\w.$-])([\w.$-]+\]?)(=| = ?)(?![=>])(${VALUE})`,
    replace: (_, name = "", sign = "", value = "") =>
      `${name}${sign}${value === "" ? "" : tells(name, value) ? value.replace(/^"(.*)"$/, "$1") : MASK}`,
  },
  {
    pattern: /(?<![\w\\])(["'`])((?:(?!\1)[^\n]){0,300})\1(?!\w)/g,
    replace: (match, _quote, content = "") => /^[A-Z]{3,7} \S+ HTTP/.test(content) ? match : MASK,
  },
  { pattern: /\[(?:[^\s,[\]()]{1,100}, ?){1,50}[^\s,[\]()]{1,100}\]|\[\]/g, replace: `[${MASK}]` },

  // Addresses and places.
  { pattern: /(?<![\w-])[\w-]+\[\d[\d, -]*\d\]/g, replace: MASK }, // ranges of hosts: node-[0-31,40]
  { pattern: /(?<![\w.])(?:[A-Za-z]:|\\)\\[^\s"'<>|,;()[\]]*/g, replace: MASK }, // Windows paths
  { pattern: /(?<![\w.~*>])~?\.{0,2}\/[^\s"'<>,;()[\]{}:]+/g, replace: MASK }, // Unix paths
  { pattern: /(?<![\w./-])[\w.-]+\/[\w.-]+\/[^\s"'<>,;()[\]{}:]*/g, replace: MASK }, // relative paths
  {
    pattern: /(?<![\w./-])[\w.-]+\/[\w.-]+(?![\w./-])/g, // default/web-1, but not "read/write"
    replace: (match) => /[_.-]/.test(match) ? MASK : match,
  },
  { pattern: regex`(?<![\w@.-])[\w@-]+\.(?:${FILE_TYPE})(?![\w.=-])`, replace: MASK },
  { pattern: /\[[0-9A-Fa-f:]{2,39}\]:\d{1,5}\b/g, replace: MASK }, // [IPv6]:port
  { pattern: /(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,40}[0-9A-Fa-f]{1,4}(?![\w:])/g, replace: MASK }, // IPv6, MAC
  {
    pattern: /(?<![\w.@$-])(?:\*\.)?[A-Za-z_][\w$-]*(?:\.[\w$-]+)+(?::\d+)?(?![\w$.-]| ?=)/g,
    replace: (match) => isQualifiedName(match) ? MASK : match,
  },
  // A host of one word is told from a field ("size:8081") by its port.
  { pattern: regex`(?<![\w.-])[A-Za-z][\w-]*:(?:${KNOWN_PORT})\b`, replace: MASK },

  // Whatever holds a digit. Two dots are a leader: "exceptions......0".
  { pattern: regex`\b(?:${WEEKDAY},? )?(?:${MONTH} {1,2}\d|\d{1,2}[ -]${MONTH}[ -]\d)`, replace: MASK },
  { pattern: /(?:[\w+#%$€£¥~*&@/\\-]|\.(?!\.|\s|$))+/g, replace: (match) => /\d/.test(match) ? MASK : match },
  { pattern: /\b[0-9a-fA-F]{8,}\b/g, replace: MASK }, // hexadecimal that happens to have letters only
  { pattern: regex`<?<\*> ?(?:${UNIT})(?![\w<])`, replace: MASK }, // "1.5 MB", "<1 sec"
  { pattern: /\b(?:true|false)\b/gi, replace: MASK },
  { pattern: /(?<=[:=] ?)(?:yes|no|on|off|null|none|nil)(?=\s*(?:[,;)\]}]|$))/gi, replace: MASK },

  // Names, told by the words around them.
  {
    pattern:
      regex`\b([Ii]nvalid user|(?:[Ff]or|[Bb]y|[Oo]f|[Ii]n|[Aa]s|[Tt]o|[Oo]n|[Ff]rom) (?:${OWNER})|named|called|with id) 
${NAME}*(?=\s*(?:$|[.,;:([]|(?:from|by|at|on|in|is|was|has|does|not)\b))`,
    replace: `$1 ${MASK}`,
  },
  {
    pattern: new RegExp(regex`\b(${OWNER}) ${NAME}+ (?=(?:is|was|has|does|not|cannot|already)\b)`, "gi"),
    replace: `$1 ${MASK} `,
  },
  { pattern: /\buser [^\s<>]* (?=from <\*>|\[)/g, replace: `user ${MASK} ` },
  { pattern: regex`\bfor [^\s<]+ (from|in (?:${OWNER})) (?=<\*>)`, replace: `for ${MASK} $1 ` },
  {
    pattern: /\b(ENOTFOUND|EAI_AGAIN|lookup|resolve(?: host)?:?) (?!<\*>|hosts?\b)[\w.-]+/g,
    replace: `$1 ${MASK}`,
  },
  { pattern: /(\b(?:ID|id)|[a-z]I[dD])(s?: ?)[\w.-]+/g, replace: `$1$2${MASK}` }, // Trace ID: abc
  { pattern: /\bfrom [A-Z][A-Z_]{1,64} to [A-Z][A-Z_]{1,64}\b/g, replace: `from ${MASK} to ${MASK}` }, // states
  {
    pattern: /\b((?:no such|unknown|unrecognized|unsupported) [\w ]{1,40}:) [^\s<]+$/gi,
    replace: `$1 ${MASK}`,
  },

  // A list of values is a value, and so is one said in two ways: "1407 (1.37 KB)", "Token{1f}".
  { pattern: VALUES, replace: MASK },
  { pattern: /<\*>(?: ?\((?:[\s,:;]|<\*>)*\)|\{<\*>\}|\[<\*>\])/g, replace: MASK },
  { pattern: VALUES, replace: MASK },
  { pattern: /\s+/g, replace: " " },
];

const TELLING_NAME = new RegExp(`(?:${TELLING})$`, "i");
const TELLING_JSON_NAME = new RegExp(`(?:${TELLING_IN_JSON})$`, "i");
const tellsInJson = (name: string) => TELLING_JSON_NAME.test(name);

/** Whether a field's text is what the message says. A single word with a digit in it may be an id. */
function tells(name: string, value: string): boolean {
  return TELLING_NAME.test(name) && (/\s/.test(value) || !/\d/.test(value));
}

const IN_TOP_LEVEL_DOMAIN = new RegExp(`\\.(?:${TOP_LEVEL_DOMAIN})$`, "i");

/** A host or a class: three parts or more, a port, or a known top-level domain. Error classes are no values. */
function isQualifiedName(text: string): boolean {
  if (/(?:Exception|Error|Fault|Failure)$/.test(text)) return false;
  return /:\d+$/.test(text) || text.split(".").length >= 3 || IN_TOP_LEVEL_DOMAIN.test(text);
}
