import type { Failure } from "./failure.ts";
import { authSchemes, readHeaders } from "./headers.ts";
import { jsonInText } from "./json-in-text.ts";
import { readMarkup } from "./markup.ts";

/** The parts of a failure that say something, wherever the provider or the HTTP client put them. */
export interface Clues {
  /** Machine codes, most trusted first: "invalid_grant", "ThrottlingException", "28P01", "20003". */
  codes: string[];
  /** Human texts, whitespace collapsed and cut to 1,000 characters. */
  messages: string[];
  /** Status of the response, else one that the body or the text quotes ("Request failed with status code 429"). */
  status: number | null;
  /** True when the body lists complaints by field, as validation errors do. */
  fieldErrors: boolean;
  /** Lower-case names of the schemes in WWW-Authenticate: "bearer", "basic". */
  authSchemes: string[];
}

const LONGEST_TEXT = 1_000;
const LONGEST_BODY = 65_536;
const MOST_NODES = 300;
const MOST_CODES = 24;
const MOST_MESSAGES = 12;

const CODE_KEYS = new Set(
  ("code error errorcode type errortype reason status name exception category tag errcode errno errorsubcode subcode" +
    " issue id title faultcode declinecode errorsummary policyname errors cause err sqlstate errornumber" +
    " serviceerrorcode failurecode problem extensions oauthproblem").split(" "),
);
const MESSAGE_KEYS = new Set(
  ("message msg errormessage errordescription description detail details errorsummary errmsg errormsg faultstring" +
    " title error reason summary text errors errormessages developermessage usermessage hint statustext cause" +
    " diagnostics longmessage shortmessage info explanation value localizedmessage oauthproblemadvice").split(
      " ",
    ),
);
const STATUS_KEYS = new Set("status statuscode httpstatus httpstatuscode code errorcode httpcode".split(" "));
const FIELD_ERROR_KEYS = new Set(
  "usererrors fielderrors validationerrors invalidparams invalidparameters modelstate violations fieldviolations"
    .split(" "),
);
const QUOTED_STATUS =
  /\b(?:status(?: ?code)?|http(?:\/[\d.]+)?(?: error| status)?(?: code)?|server returned|responded with|response code|returned error)\b[ :=(]{0,3}([45]\d\d)\b|^(?:error )?([45]\d\d)\b(?!-?\d|[ -][45]\.\d)/i;

/** Collects every code and text of a failure, in order of trust, within fixed bounds of time and space. */
export function extractClues(failure: Failure): Clues {
  const found = new Collector();
  found.code(failure.error_code);
  found.text(failure.error_message);
  const headers = readHeaders(failure.headers);
  found.headers(headers);
  found.walk(failure.body);
  const status = statusOf(failure.http_status);
  const failed = status !== null && (status < 200 || status >= 300);
  return {
    codes: [...found.codes],
    messages: [...found.messages],
    status: failed ? status : found.status ?? quotedStatus(found.messages) ?? status,
    fieldErrors: found.fieldErrors,
    authSchemes: authSchemes(headers.get("www-authenticate") ?? ""),
  };
}

class Collector {
  readonly codes = new Set<string>();
  readonly messages = new Set<string>();
  status: number | null = null;
  fieldErrors = false;
  #nodes = 0;

  code(value: unknown): void {
    if (typeof value !== "string" && typeof value !== "number") return;
    const code = String(value).trim();
    if (code === "" || code.length > 200) return;
    if (/^[45]\d\d$/.test(code)) this.status ??= Number(code);
    if (/\s/.test(code) && code.length > 60) this.text(code);
    else if (this.codes.size < MOST_CODES) this.codes.add(code);
  }

  /** A text may itself be a document: clients put whole JSON bodies, HTML pages and form answers into messages. */
  text(value: unknown): void {
    if (typeof value !== "string") return;
    const text = value.slice(0, LONGEST_BODY).trim();
    if (text === "") return;
    const json = jsonInText(text);
    if (json !== undefined) this.walk(json);
    if (json !== undefined && /^[[{"]/.test(text)) return;
    if (text.startsWith("<")) {
      const { fields, texts } = readMarkup(text);
      texts.forEach((part) => this.#say(part));
      return this.walk(fields);
    }
    if (/^[\w.]{1,40}=[^\s=&]{1,500}(?:&[\w.]{1,40}=[^\s&]{0,500}){0,20}$/.test(text)) {
      return this.walk(Object.fromEntries(new URLSearchParams(text)));
    }
    this.#say(text);
  }

  headers(headers: Map<string, string>): void {
    const challenge = headers.get("www-authenticate") ?? "";
    this.code(/\berror="?([\w.-]+)/.exec(challenge)?.[1]);
    this.text(/\berror_description="([^"]+)/.exec(challenge)?.[1]);
    for (const name of ["x-amzn-errortype", "x-ms-error-code", "x-vercel-error"]) {
      this.code(headers.get(name)?.split(":")[0]);
    }
    this.text(headers.get("grpc-message"));
  }

  /** Breadth first, so that the outer, more general fields come before what they quote. */
  walk(root: unknown): void {
    if (typeof root === "string") return this.text(root);
    const queue: unknown[] = [root];
    for (let i = 0; i < queue.length && this.#nodes < MOST_NODES; i++, this.#nodes++) {
      const node = queue[i];
      if (typeof node !== "object" || node === null) continue;
      if (Array.isArray(node)) {
        for (const item of node.slice(0, 20)) {
          typeof item === "string" ? this.#wordOrText(item) : queue.push(item);
        }
        continue;
      }
      for (const [name, value] of Object.entries(node).slice(0, 60)) this.#field(name, value, queue);
    }
  }

  #field(name: string, value: unknown, queue: unknown[]): void {
    const key = name.toLowerCase().replace(/[^a-z]/g, "");
    if (typeof value === "object" && value !== null) {
      queue.push(value);
      const filled = Object.keys(value).length > 0;
      if (filled && (FIELD_ERROR_KEYS.has(key) || (key === "errors" && mapsFieldsToTexts(value)))) {
        this.fieldErrors = true;
      }
      return;
    }
    if (typeof value === "number") {
      if (STATUS_KEYS.has(key) && value >= 400 && value <= 599) this.status ??= value;
      if (CODE_KEYS.has(key)) this.code(value);
      return;
    }
    if (typeof value !== "string") return;
    if (key === "id" && !/^[A-Za-z_.]+$/.test(value)) return; // an identifier, unless it is made of words
    if (CODE_KEYS.has(key) && MESSAGE_KEYS.has(key)) this.#wordOrText(value);
    else if (CODE_KEYS.has(key)) this.code(value);
    else if (MESSAGE_KEYS.has(key)) this.text(value);
  }

  #wordOrText(value: string): void {
    if (/\s/.test(value.trim())) this.text(value);
    else this.code(value);
  }

  #say(text: string): void {
    const message = text.slice(0, LONGEST_TEXT * 2).replace(/\s+/g, " ").trim().slice(0, LONGEST_TEXT);
    if (message !== "" && this.messages.size < MOST_MESSAGES) this.messages.add(message);
  }
}

/** Rails, Laravel and many others: `{"errors": {"title": ["can't be blank"]}}`. */
function mapsFieldsToTexts(errors: object): boolean {
  if (Array.isArray(errors)) return false;
  return Object.values(errors).every((texts) =>
    typeof texts === "string" || (Array.isArray(texts) && texts.every((text) => typeof text === "string"))
  );
}

function statusOf(value: unknown): number | null {
  const status = typeof value === "string" ? Number(value) : value;
  return typeof status === "number" && Number.isInteger(status) && status >= 100 && status <= 999
    ? status
    : null;
}

function quotedStatus(messages: Iterable<string>): number | null {
  for (const message of messages) {
    const match = QUOTED_STATUS.exec(message.slice(0, 300));
    if (match) return Number(match[1] ?? match[2]);
  }
  return null;
}
