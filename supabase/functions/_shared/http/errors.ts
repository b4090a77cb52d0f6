import { RuleError } from "../core/rules/rule.ts";
import { DatabaseError } from "../ports.ts";

/** Every error code that an endpoint of this product answers by itself. SQL's own codes carry their status with them. */
const ERRORS = {
  "auth.required": {
    status: 401,
    title: "This endpoint needs a valid credential; see the documentation of its authentication",
  },
  "auth.role_required": { status: 403, title: "This endpoint needs a greater role than yours" },
  "safe_mode.active": {
    status: 503,
    title: "The platform is in safe mode and takes no writes; send the request again when it is over",
  },
  "safe_mode.token_wrong": { status: 403, title: "This is not the override token" },
  "safe_mode.token_blocked": { status: 403, title: "No override token is taken until a new one is set" },
  "safe_mode.token_missing": { status: 403, title: "No override token is set" },
  "safe_mode.not_active": { status: 409, title: "The mode is not safe" },
  "request.not_found": {
    status: 404,
    title: "There is nothing at this path; see the documentation of this function",
  },
  "request.method_not_allowed": { status: 405, title: "This endpoint does not support the request's method" },
  "request.timeout": { status: 408, title: "The request's body took too long to arrive" },
  "request.too_large": { status: 413, title: "The request's body is larger than this endpoint accepts" },
  "request.incomplete": { status: 400, title: "The request's body ended before it was complete" },
  "request.invalid_json": { status: 400, title: "The request's body is not valid JSON in UTF-8" },
  "request.invalid": { status: 422, title: "The request does not have the expected shape" },
  "database.rejected": { status: 422, title: "The database refused a value of the request" },
  "database.busy": { status: 503, title: "The database is busy; send the request again" },
  "database.read_only": { status: 503, title: "The database accepts no writes at the moment" },
  "database.unreachable": { status: 503, title: "The database cannot be reached; send the request again" },
  "database.timeout": {
    status: 504,
    title: "The database did not answer in time; the request may have taken effect",
  },
  "config.invalid": {
    status: 500,
    title: "This function is not configured completely; its log says what is missing",
  },
  "internal": { status: 500, title: "Something unexpected failed; quote the request id when you report it" },
} satisfies Record<string, { status: number; title: string }>;

/** Seconds after which a request that safe mode refused may be sent again. */
const SAFE_MODE_PAUSE = "60";

export type ErrorCode = keyof typeof ERRORS;

/** An answer other than success that a handler or a step of the pipeline decides on. The caller sees all of it. */
export class HttpError extends Error {
  override name = "HttpError";
  /**
   * @param code Decides the HTTP status, by the table above.
   * @param details Machine-readable particulars, such as the fields that are wrong.
   * @param headers Of the answer, on top of the usual ones.
   */
  constructor(
    readonly code: ErrorCode,
    message?: string,
    readonly details?: unknown,
    readonly headers?: Record<string, string>,
  ) {
    super(message ?? ERRORS[code].title);
  }
}

/** What the caller may know about a failure. */
export interface PublicError {
  status: number;
  code: string;
  message: string;
  details?: unknown;
  headers?: Record<string, string>;
}

/**
 * Decides what the caller learns about a failure. Texts written for callers pass (`HttpError`, `RuleError`, errors that
 * SQL raised on purpose); of other known failures only the code and a fixed text; of unknown ones nothing but `internal`.
 */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof DatabaseError && !error.code.startsWith("database.")) {
    return { status: error.status, code: error.code, message: error.message };
  }
  if (error instanceof RuleError) {
    return { status: 422, code: error.code, message: error.message, details: error.errors };
  }
  const code = errorCode(error);
  const { status, title } = ERRORS[code];
  if (error instanceof HttpError) {
    return { status, code, message: error.message, details: error.details, headers: error.headers };
  }
  return { status, code, message: title };
}

/** The answer that tells a caller about a failure. */
export function errorResponse(shown: PublicError, requestId: string): Response {
  const { status, code, message, details } = shown;
  const headers = {
    ...(status === 401 && { "www-authenticate": "Bearer" }),
    ...(code === "safe_mode.active" && { "retry-after": SAFE_MODE_PAUSE }),
    ...shown.headers,
  };
  return Response.json({ error: { code, message, details, request_id: requestId } }, { status, headers });
}

function errorCode(error: unknown): ErrorCode {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && Object.hasOwn(ERRORS, code) ? code as ErrorCode : "internal";
}
