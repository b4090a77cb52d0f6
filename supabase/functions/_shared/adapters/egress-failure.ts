import { EgressError } from "../ports.ts";

/** The deadline passed. */
export function timedOut(hostname: string, sent: boolean): EgressError {
  return new EgressError("egress.timeout", `${hostname} did not answer completely in time`, sent);
}

/**
 * Names what went wrong with a connection. The original text stays behind: it may quote headers.
 *
 * @param sent Whether a part of the request may have left this process.
 */
export function toEgressError(error: unknown, hostname: string, sent: boolean): EgressError {
  if (error instanceof EgressError) return error;
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return new EgressError(
      "egress.invalid_request",
      "The method or a header of the request is not valid",
      false,
    );
  }
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    return new EgressError("egress.too_large", `The headers of ${hostname}'s answer are too large`, sent);
  }
  // A refused certificate ends the handshake, before which TLS lets nothing of the request out.
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code) || /peer certificate/.test(message)) {
    return new EgressError("egress.tls", `The certificate of ${hostname} was not accepted`, false);
  }
  if (/_SSL_|_TLS_/.test(code) || /handshake|corrupt message/.test(message)) {
    return new EgressError("egress.tls", `The TLS connection to ${hostname} failed`, sent);
  }
  const reason = /^[A-Z_]{3,40}$/.test(code) ? ` (${code})` : "";
  return new EgressError("egress.connection", `The connection to ${hostname} failed${reason}`, sent);
}
