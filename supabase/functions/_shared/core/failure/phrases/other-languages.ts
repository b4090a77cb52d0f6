/**
 * The commonest sentences in German, French, Spanish, Portuguese, Italian, Dutch, Polish, Russian, Chinese, Japanese and
 * Korean. Without `\b`, which knows ASCII letters only.
 */
const TOKEN =
  "(?:token|jeton|session|sitzung|anmeldung|sesi[óo]n|sess[ãa]o|sessione|sessie|sesja|токен|сесси|トークン|セッション|令牌|凭证|登录|会话|토큰|세션)";
const EXPIRED =
  "(?:abgelaufen|expir(?:é|ó|ad|ou)|caducad|vencid|scadut|verlopen|wygas|просроч|ист[её]к|期限切れ|期限が切れ|过期|失效|만료)";
const INVALID =
  "(?:ungültig|invalide(?![a-z])|inv[áa]lid[oa]|no v[áa]lid|non valid|ongeldig|无效|不合法|недействит|無効|유효하지)";

export const TOO_OFTEN: readonly RegExp[] = [
  /zu viele (?:anfragen|versuche)|trop de (?:requêtes|tentatives|demandes)|demasiad[ao]s (?:solicitudes|peticiones|intentos)/,
  /muitas (?:solicitações|requisições|tentativas)|troppe richieste|te veel (?:verzoeken|aanvragen)|zbyt wiele żądań/,
  /слишком много (?:запросов|попыток)|превышен.{0,20}(?:лимит|запрос)|频繁|频率|并发|限流|リクエスト.{0,4}多すぎ|요청이 너무 많/,
];

export const UNPAID: readonly RegExp[] = [/余额不足|欠费/];

export const STALE_TOKENS: readonly RegExp[] = [
  new RegExp(`${TOKEN}.{0,25}(?:${EXPIRED}|${INVALID})`),
  new RegExp(`${INVALID}.{0,8}(?:access )?${TOKEN}`),
];

export const REFUSALS: readonly RegExp[] = [
  /zugriff verweigert|(?:keine|fehlende) berechtigung|nicht berechtigt|accès (?:refusé|interdit)|acceso denegado|acesso negado/,
  /accesso negato|toegang geweigerd|brak uprawnień|доступ запрещ[её]н|отказано в доступе|недостаточно прав/,
  /无权限|权限不足|未授权|禁止访问|アクセス.{0,2}拒否|権限がありません|권한이 없|접근.{0,3}거부/,
  /(?:passwort|mot de passe|contraseña|senha|password|wachtwoord) (?:ist )?(?:falsch|ungültig|incorrecte?|invalide|incorrecta|incorreta|errata|onjuist)/,
  /неверный (?:логин|пароль)|密码错误|パスワードが|api-schlüssel|clé (?:d')?api|(?:clave|chave|chiave) (?:de )?api/,
];

export const LOGINS: readonly RegExp[] = [
  /nicht (?:angemeldet|autorisiert|authentifiziert)|non (?:authentifié|autorisé|autorizzato)|n[oã]o? autorizado/,
  /niet geautoriseerd|не авторизован|未登录|認証|인증/,
];

export const TRANSPORT: readonly RegExp[] = [
  /zeitüberschreitung|verbindung .{0,30}(?:fehlgeschlagen|abgebrochen|verweigert|unterbrochen)|délai d'attente/,
  /connexion (?:refusée|impossible|interrompue|perdue)|tiempo de espera|conexión (?:rechazada|perdida)|tempo limite/,
  /conexão (?:recusada|perdida)|connessione (?:rifiutata|scaduta)|время ожидания|соединени/,
  /超时|连接(?:失败|被)|タイムアウト|接続(?:できません|に失敗)|시간 초과/,
];

export const OUTAGES: readonly RegExp[] = [
  /interner (?:server)?fehler|(?:derzeit|zurzeit|vorübergehend) nicht (?:verfügbar|erreichbar)|wartungsarbeiten/,
  /erreur interne|service indisponible|error interno|servicio no disponible|erro interno|serviço indisponível|errore interno/,
  /interne fout|внутренняя ошибка|временно недоступ|系统繁忙|服务不可用|内部错误|系统错误|サーバーエラー|メンテナンス|서버 오류|점검/,
];

export const COMPLAINTS: readonly RegExp[] = [
  new RegExp(INVALID),
  /nicht gefunden|pflichtfeld|erforderlich|introuvable|non trouvé|obligatoire|manquant|n'existe pas|existe déjà/,
  /no (?:se )?encontr|no existe|obligatori|requerid|ya existe|não (?:encontrad|existe)|non trovat|niet gevonden|verplicht/,
  /nie znaleziono|не найден|обязательн|не существует|不存在|参数|不能为空|格式错误|重复|見つかりません|存在しません|必須|찾을 수 없|필수|잘못된/,
];
