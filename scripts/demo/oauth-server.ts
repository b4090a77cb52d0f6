/** A certified OAuth 2 server (`oidc-provider`) with refresh token rotation and reuse detection, for the demo and tests. */
import { listen } from "./listen.ts";

/** A running OAuth server with one confidential client. */
export interface OAuthServer {
  /** `127.0.0.1:port`, as allowed hosts name it. */
  host: string;
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** What a user's consent leaves behind: a refresh token, and an access token that has expired meanwhile. */
  connect(): Promise<{ accessToken: string; refreshToken: string }>;
  /** Whether the server issued this access token and it is still valid. */
  isActive(accessToken: string): Promise<boolean>;
  /** The status that each request to the token endpoint was answered with. */
  tokenAnswers: number[];
  stop(): Promise<void>;
}

/**
 * Starts the server on a free port. A refresh token works once; its second use revokes the whole grant.
 *
 * @param options.delayMs how long the token endpoint holds back its answer after the tokens were rotated
 * @param options.accessTokenSeconds lifetime of access tokens, 3,600 unless given
 */
export async function startOAuthServer(
  { delayMs = 0, accessTokenSeconds = 3_600 }: { delayMs?: number; accessTokenSeconds?: number } = {},
): Promise<OAuthServer> {
  const { server, host, stop } = await listen();
  const [clientId, clientSecret] = ["self-healing", crypto.randomUUID()];
  const provider = await createProvider(`http://${host}`, {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["https://app.example/callback"],
      token_endpoint_auth_method: "client_secret_basic",
    }],
    rotateRefreshToken: true,
    ttl: { AccessToken: accessTokenSeconds, IdToken: 3_600, RefreshToken: 86_400, Grant: 86_400 },
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId }),
    }),
  });

  const tokenAnswers: number[] = [];
  provider.use(async (context, next) => {
    await next();
    if (context.path !== "/token") return;
    tokenAnswers.push(context.status);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  });
  server.on("request", provider.callback());

  return {
    ...{ host, tokenUrl: `http://${host}/token`, clientId, clientSecret, tokenAnswers, stop },
    connect: () => consent(provider, clientId),
    async isActive(accessToken) {
      return await provider.AccessToken.find(accessToken) !== undefined;
    },
  };
}

/** The part of `oidc-provider` that is used here; the package brings no types. */
interface Provider {
  use(step: (context: { path: string; status: number }, next: () => Promise<void>) => Promise<void>): void;
  callback(): (request: unknown, response: unknown) => void;
  Client: { find(id: string): Promise<unknown> };
  AccessToken: { find(value: string): Promise<unknown> };
  Grant: new (properties: object) => { addOIDCScope(scope: string): void; save(): Promise<string> };
  RefreshToken: new (properties: object) => { save(): Promise<string> };
}

/** Creates the server without its console notices, which are meant for those who run it in production. */
async function createProvider(issuer: string, configuration: object): Promise<Provider> {
  const { info, warn } = console;
  const unlessNotice = (print: typeof info) => (...parts: unknown[]) => {
    if (!String(parts[0]).includes("oidc-provider ")) print(...parts);
  };
  Object.assign(console, { info: unlessNotice(info), warn: unlessNotice(warn) });
  try {
    const { default: Provider } = await import("oidc-provider");
    const provider: Provider = new Provider(issuer, configuration);
    return provider;
  } finally {
    Object.assign(console, { info, warn });
  }
}

/** Stores what the authorization code flow stores, without going through its pages. */
async function consent(
  provider: Provider,
  clientId: string,
): Promise<{ accessToken: string; refreshToken: string }> {
  const accountId = crypto.randomUUID();
  const scope = "openid offline_access";
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  const refreshToken = new provider.RefreshToken({
    ...{ accountId, scope, gty: "authorization_code", expiresWithSession: false },
    client: await provider.Client.find(clientId),
    grantId: await grant.save(),
  });
  return { accessToken: `expired-${crypto.randomUUID()}`, refreshToken: await refreshToken.save() };
}
