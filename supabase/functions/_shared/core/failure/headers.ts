/**
 * Response headers by lower-case name, within fixed bounds. Accepts what callers really pass: any case, numbers,
 * repeated headers as arrays; leaves out what is no header value.
 */
export function readHeaders(headers: unknown): Map<string, string> {
  const known = new Map<string, string>();
  if (typeof headers !== "object" || headers === null) return known;
  for (const [name, value] of Object.entries(headers).slice(0, 200)) {
    const values = (Array.isArray(value) ? value : [value]).filter((one) =>
      typeof one === "string" || typeof one === "number"
    );
    if (values.length > 0) known.set(name.toLowerCase(), values.join(", ").slice(0, 1000));
  }
  return known;
}

/**
 * Lower-case names of the schemes that a WWW-Authenticate header asks for. They stand at the start or after a comma and,
 * unlike parameters, without "=" (RFC 9110, section 11.6.1).
 */
export function authSchemes(challenges: string): string[] {
  const names = challenges.matchAll(/(?:^|,) *([A-Za-z][\w-]{0,40})(?= +[^ =]|,| *$)/g);
  return [...names].map(([, name = ""]) => name.toLowerCase());
}
