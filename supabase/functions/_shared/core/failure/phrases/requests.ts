/** A recipient that cannot or will not take it. */
export const RECIPIENTS: readonly RegExp[] = [
  /(?:blocked|kicked|stopped) by the (?:user|recipient)/,
  /by (?:the )?(?:user|recipient) .{0,20}blocked/,
  /(?:user|recipient|subscriber|member|contact).{0,20}(?:unsubscribed|opted[ -]?out|is deactivated|not opted)/,
  /cannot (?:send|initiate|dm|message).{0,25}(?:user|recipient|bot|group)/,
  /(?:recipient|mailbox|inbox|email account) .{0,30}(?:unavailable|unknown|inactive|over quota|is full|rejected)/,
  /(?:inactive|suppressed|blocklisted|invalid|unverified) (?:recipient|addresse?s?|email|phone|number|mailbox)/,
  /email (?:account|address) .{0,40}(?:does not exist|not verified|invalid|not valid)/,
  /sender (?:identity|address|domain)/,
  /blocked using|spamhaus|listed (?:in|at|by)|considered spam|spam (?:detected|content)/,
  /user unknown/,
  /not a valid (?:phone|mobile|email)/,
  /(?:undeliverable|re-?engagement|landline|carrier violation)/,
  /user (?:is )?not (?:in|a member of)\b(?! (?:this |the |any )?(?:organi[sz]ation|workspace|team|tenant|company|account))/,
];

/** Tokens and passwords that are no credentials of the caller. */
export const OTHER_TOKENS: readonly RegExp[] = [
  /(?:device|registration|sync|page|paging|next|continuation|continue|cursor|scroll|card|payment|push|fcm|upload|change|subscription|instance) ?token/,
  /unexpected token/,
  /idempot|password (?:format|policy|strength|length|is too|should|protected)|password-protected/,
];

/** Unavailable to this request, not out of order. */
export const NOT_OFFERED: readonly RegExp[] = [
  /does ?n[o']t exist,? or you|unavailable (?:between|in your|for (?:this|the|your) (?:selected )?(?:destination|address|location|region|country|route|currency|product))/,
];

/** The customer's payment failed, whatever the customer got wrong. */
export const PAYMENTS: readonly RegExp[] = [
  /payment .{0,30}(?:failed|declined|refused|rejected|not completed)(?!.{0,30}(?:api|token|credential|key))/,
  /(?:card|cardholder|payer|buyer|shopper|3d ?secure|3ds) ?authentication (?:failed|required|declined)/,
];

/** What is wrong with the request. */
export const COMPLAINTS: readonly RegExp[] = [
  /not[ -]?found|no such|does ?n[o']t exist|doesn't exist|don't exist/,
  /could not (?:find|be found|locate)|couldn't find|can't find|cannot find|unable to find/,
  /nonexistent|non-existent/,
  /unknown (?:channel|user|field|column|table|method|command|type|message|property|parameter|argument|attribute|key|account|topic|option|path|endpoint|operation|resource|domain)/,
  /not exist|no longer (?:available|exists|supported)|no document|no rows|(?:no|zero) results?/,
  /already (?:\w+ed\b|exists?|been|in use|used|taken|succeeded|registered|subscribed|being|closed|paid|canceled|processed)/,
  /duplicate|taken\b|in (?:the )?(?:past|future)\b|window (?:is )?closed|not unique|in use\b/,
  /(?:is|are|was) (?:a )?(?:required|missing|mandatory|empty|blank|invalid|malformed|not allowed|not valid|not supported|not a valid|immutable|read[ -]?only|deprecated|deleted|archived|closed)/,
  /(?:required|missing|mandatory|unknown|unrecogni[sz]ed|unsupported|invalid|illegal|bad|incorrect|wrong|unexpected|duplicate|malformed|empty|extra|undefined) (?:\w+ ){0,2}(?:field|parameter|param|argument|value|property|attribute|input|format|json|xml|body|payload|data|type|name|id|url|uri|header|query|schema|syntax|request|object|option|column|key|element|version|date|enum|arguments|fields|parameters|params|currency|amount|operation|content|filter|channel|user|blocks|characters?|form body|char|token|path|state|status|event|range|choice|reference|resource|record|file|address|email|phone|recipient|domain|port|scheme|host|encoding|method|action)s?\b/,
  /maximum (?:allowed|number)/,
  /missing (?:required|mandatory|parameter|field|argument|data|value)/,
  /required (?:field|parameter|property|argument|object|attribute|header|key|element|value)/,
  /field required|required but|not provided/,
  /must (?:be|have|contain|not|specify|provide|include|match|start|supply|set)/,
  /can(?:no|')t be (?:blank|empty|null|greater|less|parsed|processed|changed|modified|deleted|used|confirmed|after|before|updated|found|converted)/,
  /cannot (?:be|have|contain|delete|update|create|confirm|query|deserialize|insert|add|remove|modify|use|parse|set|convert|cast|unmarshal|specify)/,
  /may not (?:be|have|contain)|should (?:be|have|not|contain|match)|unable to parse/,
  /could not (?:parse|convert|decode|be parsed|be processed|deserialize)|failed to parse/,
  /parse error|parsing|problems parsing|syntax|malformed|not well-formed|deserializ|serializ/,
  /validat|schema|constraint|violat|unprocessable|semantically|type mismatch|mismatch/,
  /incompatible|inconsistent|conflict|out of range|out-of-range/,
  /too (?:long|short|small|large|big|old|many|low|high)|not (?:a )?valid/,
  /not (?:one of|match|supported|implemented|editable|acceptable|allowed)|unsupported/,
  /deprecated|unimplemented|does not match|did not match|wrong kind/,
  /expected .{1,30} (?:but|got|found|to be)|immutable|stale object|precondition/,
  /version conflict|etag/,
  /incomplete|reverted|bad request|invalid (?:argument|request|input|value|url|uri|email|phone|number|address|date)/,
  /illegal (?:argument|character)|weak password|password (?:should|must|is too|strength)/,
  /declined|insufficient funds|expired card|card (?:expired|number|was)|do not honor|sold out/,
  /out of stock|empty\.?$|is empty|no (?:recipients|subject|body|text|content|file)/,
  /entity is deleted|has been (?:deleted|removed|archived|deactivated|deprecated)|\bgone\b/,
  /is archived|is locked|resource locked|unavailable shop|content (?:policy|filter)|flagged/,
  /prohibited|deemed|disallowed|moderation|policy violation|safety/,
  /no (?:scheme|protocol)\b|port number|missing (?:an )?(?:protocol|scheme|'http)/,
  /(?:protocol|scheme) (?:is )?(?:missing|not supported|unsupported)|relative url|bad uri/,
  /invalid hostname|bad\/illegal format|malformed url|failed to parse url/,
  /must be (?:an )?absolute|cannot have body|--allow-|null value in column|permission entry/,
  /unmarshal|mapper|rejected/,
];
