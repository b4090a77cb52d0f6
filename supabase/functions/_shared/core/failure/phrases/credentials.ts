/** Two fields of a login form, one of which is wrong: no complaint about an e-mail address. */
export const LOGIN_PAIRS: readonly RegExp[] = [
  /(?:invalid|incorrect|wrong|bad|unknown) .{0,12}(?:e-?mail|phone|user ?name)(?: address| number)?(?:,| or| and| ?\/) ?(?:the )?password/,
  /(?:e-?mail|phone|user ?name)(?: address| number)?(?: or| and| ?\/) ?(?:the )?password .{0,20}(?:incorrect|invalid|wrong|match)/,
];

/** A refused password or key; drivers wrap it in "failed to connect". */
export const PASSWORDS: readonly RegExp[] = [
  /(?:invalid|wrong|incorrect|bad|unknown|failed|unrecogni[sz]ed) ?(?:user ?name|email|login|user|account|security|auth\w*)?.{0,16}(?:password|credentials?|user ?name|login|passphrase|signature|private key|merchant account|hmac)\b/,
  /ssh.{0,40}unable to authenticate|no supported (?:authentication )?methods|configured authentication methods/,
  /too many authentication failures|publickey|keyboard-interactive|certificate authentication failed/,
  /^53[0458][ -](?:[45]\.\d|login|auth|not logged|must)|(?:invalid|wrong|unknown) .{0,20}licen[cs]e number/,
  /access denied for user|pg hba|proxy authentication required|authentication failed for|\bauth fail$|bad auth\b|refused our key/,
  /kerberos|gssapi|authentication plugin/,
];

/** A handshake that was answered with a status, and what gateways say of tokens and keys alike. */
export const REFUSED_HANDSHAKES: readonly RegExp[] = [
  /^invalid authentication credentials|(?:handshake|websocket|server response)\D{0,40}40[13]\b/,
];

/** Texts about a token that mention revocation, signatures or time-outs beside it (RFC 6750, section 3.1). */
export const STALE_OR_REVOKED: readonly RegExp[] = [
  /access ?token[^.]{0,30}expired[^.]{0,12} revoked|expected oauth ?2? access token|(?:jwt|json web token|\btoken):? signature|(?:your|user|login) session (?:has )?timed? ?out/,
];

/** Keys, grants, clients and refresh tokens: what a refresh itself needs, or does without. */
export const GRANTS_AND_KEYS: readonly RegExp[] = [
  /revoked|deauthori[sz]ed|uninstalled|withdrawn/,
  /refresh ?token.{0,60}(?:invalid|expired|not (?:found|valid)|revoked|used|unknown|missing|inactive|malformed|required|does)/,
  /(?:invalid|expired|bad|unknown|missing|malformed|no|wrong|stale) [^.]{0,25}refresh ?token/,
  /missing (?:an? )?auth\w*|token .{0,20}(?:disabled|blocked|banned)/,
  /(?:invalid|unauthori[sz]ed|incorrect|bad|unknown|disabled|deleted|missing|wrong) ?(?:oauth )?(?:client|application|app|integrator|consumer|api|access|subscription|license|signing|partner|project|secret|service|bot|integration|server|account)?[ -]?(?:key|secret|client id|client|credentials? id|api token|api keys|app id|application-id)\b/,
  /api[ -]?(?:key|token)s?.{0,40}(?:invalid|not valid|not found|expired|missing|required|disabled|incorrect|wrong|not (?:exist|match|provided|recogni[sz]ed|set|supplied|allowed|authorized|permitted|have)|n't|denied|blocked|restricted)/,
  /(?:invalid|incorrect|wrong|bad|no|missing|unrecogni[sz]ed|expired|unknown|provide an?|without an?|valid) .{0,15}(?:api|x-api|access|secret|subscription)[ -]?keys?/,
  /(?:provided|api|access|secret|consumer|subscription|licen[cs]e|routing|signing|integration) key .{0,40}(?:invalid|not valid|access|expired|disabled)/,
  /(?:secret|access[ -]key|api[ -]?key|token)\b.{0,25}(?:is |are )?required/,
  /client (?:authentication|secret|identifier|assertion|credentials?|id)/,
  /invalid grant|authori[sz]ation (?:code|grant) .{0,30}(?:invalid|expired|used|malformed|not)/,
  /grant .{0,20}(?:invalid|expired|not allowed)/,
  /(?:personal|bot|deploy|private|developer|verification|webhook) (?:access )?token .{0,25}(?:invalid|expired|incorrect|not (?:valid|found))/,
  /(?:invalid|expired|incorrect|wrong) .{0,12}(?:personal|bot|deploy|private|developer) (?:access )?token/,
  /consent/,
];

/** An expiry by name; texts go on with "access denied" or "please re-authenticate". */
export const EXPIRED_TOKENS: readonly RegExp[] = [
  /(?:tokens?|jwt|session|ticket|cookie)(?: \w{1,14}){0,7} (?:has |have |is |was |already |been )*(?:expired|stale|outdated)/,
  /expired .{0,25}(?:token|session|jwt|ticket|cookie)\b|session time-?out/,
];

/** Scopes, permissions, membership, accounts: a fresh token has the same. */
export const PERMISSIONS: readonly RegExp[] = [
  /credentials? (?:were |was )?not (?:provided|found|supplied)/,
  /(?:unable to|could not) locate credentials|cannot (?:view|list|access)\b/,
  /\bno (?:valid )?(?:\w+ )?(?:token|authori[sz]ation|credentials)\b|(?:check|verify) your credentials/,
  /insufficient.{0,40}(?:scope|permission|privilege|right|access|authori[sz]ation|role)/,
  /(?:missing|requires?|required|without|lacks?|lacking|granted|additional|needs?|contain|higher|extended|not enough|no|proper|elevated|valid|sufficient|necessary).{0,40}(?:scopes?|permissions?|privileges?|access rights)\b/,
  /(?:scopes?|permissions?|privileges?)\b.{0,40}(?:missing|required|requested|not granted|denied|insufficient|needed|not have|error|invalid)/,
  /(?:permission|access|authori[sz]ation|request|login|user)s? (?:is |was |has been |to .{0,30} is )?(?:denied|refused|forbidden|restricted)/,
  /(?:not|n't|un) ?(?:been )?(?:authori[sz]ed|permitted|allowed|entitled|granted|eligible).{0,10} (?:to|for|by|the|on|from)\b/,
  /(?:doesn't|does not|do not|don't|didn't|not|cannot|can't) (?:currently )?have .{0,50}(?:access|permission|privilege|rights?|scope|authority)/,
  /(?:no|without|lost|lacks?|grant) (?:\w+ )?access|must have .{0,30}(?:access|permission|role)/,
  /access to (?:this|the) .{0,30}(?:is )?(?:blocked|denied|restricted|forbidden|not allowed)/,
  /forbidden by|restricted by (?:policy|organi[sz]ation|admin)/,
  /ip (?:address )?.{0,30}(?:not (?:allowed|whitelisted|in)|allowlist|blocked|restricted)/,
  /saml|single sign[- ]?on|\bsso\b|\bmfa\b|multi[- ]?factor|two[- ]?(?:factor|step)/,
  /\b2fa\b|\botp\b|conditional access|app password|application-specific password/,
  /(?:account|user|app|application|client|bot|key|tenant|organi[sz]ation|workspace|profile|merchant|credential)s? .{0,30}(?:suspended|disabled|deactivated|inactive|locked|banned|blocked|terminated|deleted|not active)/,
  /(?:suspended|disabled|deactivated|inactive|locked|banned) (?:account|user|app|application|tenant|organi[sz]ation|merchant)/,
  /(?:password|user ?name|credentials?|login|signature|hmac).{0,50}(?:incorrect|invalid|not (?:valid|accepted|recogni[sz]ed)|failed|mismatch|wrong|match)/,
  /login (?:failed|incorrect|was refused|attempt)|(?:sasl|smtp|password|ldap) authentication/,
  /authentication mechanism/,
  /(?:no|missing|without|not contain|does not contain) (?:valid |an? |any |the |required |authentication |authorization |server |access |bearer |auth )*(?:credentials?|authori[sz]ation header|authentication token|authentication credentials|api tokens?|server token|auth header)/,
  /not accessible by|re-?authori[sz]|re-?authenticat|reconnect (?:your|the|this) /,
  /re-?connect account/,
  /row[ -]level security|not in allowlist|scope (?:is )?(?:invalid|not)|invalid scope/,
  /(?:outside|outdated|skewed|too skewed|clock|old|difference).{0,40}(?:recvwindow|current time|skew)/,
  /clock skew|timestamp .{0,30}(?:outside|too old|expired)/,
  /user has not (?:authori[sz]ed|granted)|has not (?:been )?(?:authori[sz]ed|granted|approved)/,
  /merchant approval|admin(?:istrator)? approval/,
  /(?:app|application|token|client|developer|account) (?:is )?(?:not|only) approved/,
  /cannot perform write actions|read-only application/,
  /(?:team|workspace|organi[sz]ation|tenant|account|app|application|client|site|domain|project|company|partner|device|integration|user|ip|origin|merchant)s? (?:address )?(?:is |was )?not (?:yet )?(?:authori[sz]ed|(?:white|allow)listed|approved|permitted)/,
  /unauthori[sz]ed (?:ip|origin|domain|permission|scope|team|application)/,
  /(?:user|you|member|client)\b.{0,20}(?:not|n\'t) (?:an? )?(?:active )?(?:member of|part of|belong to)/,
  /(?:invalid|bad|wrong|duplicate|stale) nonce|nonce .{0,20}(?:invalid|used|rejected|expired)/,
  /(?:malformed|invalid|bad|incorrect|wrong|unsupported) .{0,25}auth\w* (?:header|scheme)/,
  /(?:unknown|invalid|wrong) (?:api user|account sid|merchant id|partner id|access id)|licen[cs]e number .{0,20}invalid/,
  /(?:password|passphrase)s? .{0,20}expired|expired password|sign[ -]?up (?:is )?required/,
  /e-?mail .{0,20}not confirmed|(?:account|user) .{0,12}not .{0,8}(?:verified|activated|confirmed)/,
  /(?:origin|referr?er) .{0,60}(?:not|n't) (?:allowed|permitted)|not installed/,
];

/** Any other token that is not accepted. */
export const STALE_TOKENS: readonly RegExp[] = [
  /(?:tokens?|jwt|session|ticket|assertion|credentials?|authentication|authori[sz]ation|access|login|cookie)(?: \w{1,14}){0,7} (?:has |have |is |was |already |been )*(?:expired|timed out|stale|outdated)/,
  /expired .{0,25}(?:token|session|jwt|ticket|credential|authentication|authori[sz]ation|login)/,
  /(?:token|jwt|session) ?(?:is |was |has |no longer |not |yet )*(?:expired|expiry|exp\b|valid\b|not active|inactive)/,
  /(?:token|jwt|session|ticket) .{0,40}(?:invalid|not valid|incorrect|could not be (?:verified|decoded|validated)|not recogni[sz]ed|unknown|malformed|not found)/,
  /(?:invalid|bad|unknown|unrecogni[sz]ed|not valid|malformed|incorrect|illegal|wrong|outdated) .{0,30}(?:token|jwt|session)\b/,
  /session (?:id )?(?:not found|does not exist|invalid|expired)|token signature/,
  /signature verification/,
  /(?:validat|verif)(?:e|y|ing|ication of)(?: the)?(?: \w+)? (?:access )?(?:token|jwt)/,
  /exp claim|"exp" claim|id token/,
  /invalid auth(?:entication|orization)? token|signature has expired/,
];

/** Something about logging in, without the reason. */
export const LOGINS: readonly RegExp[] = [
  /unauthori[sz]ed|unauthenticated|not authenticated|not authori[sz]ed|not logged in/,
  /authenticat(?:e|ion|ed|or)|authori[sz]ation (?:required|failed|error|header)/,
  /must be (?:logged in|signed in)|please log ?in|log ?in (?:required|again|to)|sign in|signin required/,
  /access ?token|bearer token|oauth token|auth token/,
];

/**
 * Secrets that people type or configure. Too common in all texts to decide a category, but a 401 that speaks of one
 * does not mean a token.
 */
export const SECRETS =
  /\b(?:keys?|secrets?|signatures?|signed|passwords?|passw\w*|pin|hmac|checksum|hash|timestamp|nonce|licen[cs]e|user ?name|merchant|install\w*)\b/;
