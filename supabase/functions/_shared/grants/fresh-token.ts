/** What a caller gets instead of a token that is no good any more. */
export type FreshToken =
  | { kind: "fresh"; accessToken: string; tokenVersion: number; expiresAt: string | null }
  /** The provider refused the grant for good: the user must connect again. */
  | { kind: "needs_reauth"; message: string }
  /** There is nothing to refresh with: no grant, no refresh token, or no OAuth client. */
  | { kind: "no_grant"; message: string }
  /** No new token now; another refresh is possible from `retryAt` (ISO 8601) on. */
  | { kind: "failed"; message: string; retryAt: string | null }
  /** The platform is in safe mode: nothing was tried. */
  | { kind: "held"; message: string }
  /** The deadline passed first. The refresh goes on and stores its tokens when they come. */
  | { kind: "late"; message: string };
