/** PagerDuty's Events API v2 as its documentation describes it, which refuses what the real one refuses. */
import { Ajv2020 } from "ajv";
import { listen, readBody } from "../../../scripts/demo/listen.ts";

/** An event that was taken. */
export interface PagerEvent {
  event_action: "trigger" | "acknowledge" | "resolve";
  dedup_key: string;
  payload?: { summary: string; severity: string; source: string; custom_details: Record<string, unknown> };
}

/** What happens to a request instead of being taken: an answer, none at all, or taken and the connection lost. */
export type Trouble =
  | { status: number; headers?: Record<string, string>; body?: string }
  | "silent"
  | "cut off";

export interface PagerDuty {
  host: string;
  url: string;
  /** The key that it knows. */
  routingKey: string;
  /** Every event that was taken, in order. */
  events: PagerEvent[];
  /** The alert of each dedup_key that was not resolved since. */
  alerts: Map<string, "triggered" | "acknowledged">;
  /** How many requests came, taken or not. */
  requests: number;
  /** The next requests meet these, one each. */
  troubles: Trouble[];
  /** What happens after an event is taken and before that is answered. */
  onTaken: () => Promise<void>;
  stop(): Promise<void>;
}

const text = (maxLength: number) => ({ type: "string", minLength: 1, maxLength });
const isEvent = new Ajv2020({ allowUnionTypes: true }).compile({
  type: "object",
  required: ["routing_key", "event_action"],
  properties: {
    routing_key: { type: "string", minLength: 32, maxLength: 32 },
    event_action: { enum: ["trigger", "acknowledge", "resolve"] },
    dedup_key: text(255),
    client: { type: "string" },
    client_url: { type: "string" },
    payload: {
      type: "object",
      required: ["summary", "source", "severity"],
      properties: {
        summary: text(1_024),
        source: text(1_024),
        severity: { enum: ["critical", "error", "warning", "info"] },
        timestamp: {
          type: "string",
          pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:?\\d\\d)$",
        },
        component: { type: "string" },
        group: { type: "string" },
        class: { type: "string" },
        custom_details: { type: "object" },
      },
      additionalProperties: false,
    },
    links: { type: "array", items: { type: "object", required: ["href"] } },
    images: { type: "array", items: { type: "object", required: ["src"] } },
  },
  additionalProperties: false,
  if: { properties: { event_action: { const: "trigger" } } },
  then: { required: ["payload"] },
  else: { required: ["dedup_key"] },
});

export async function startPagerDuty(): Promise<PagerDuty> {
  const { host, stop } = await listen(async (request, response) => {
    const body = await readBody(request);
    pager.requests++;
    const trouble = pager.troubles.shift();
    if (trouble === "silent") return;
    if (typeof trouble === "object") {
      return void response.writeHead(trouble.status, trouble.headers).end(trouble.body);
    }
    const answer = (status: number, content: object) =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
    if (request.url !== "/v2/enqueue" || request.method !== "POST") {
      return answer(404, { status: "not found" });
    }
    const event = new TextEncoder().encode(body).length <= 512 * 1024 ? parse(body) : null;
    if (!isEvent(event)) {
      return answer(400, {
        status: "invalid event",
        message: "Event object is invalid",
        errors: isEvent.errors,
      });
    }
    const { routing_key, ...taken } = event as unknown as PagerEvent & { routing_key: string };
    if (routing_key !== pager.routingKey) {
      return answer(400, {
        status: "invalid event",
        message: "Invalid routing key",
        errors: [`${routing_key} is unknown`],
      });
    }
    take(taken);
    await pager.onTaken();
    if (trouble === "cut off") return void request.socket.destroy();
    answer(202, { status: "success", message: "Event processed", dedup_key: taken.dedup_key });
  });

  function take(event: PagerEvent) {
    pager.events.push(event);
    const { event_action: action, dedup_key: key } = event;
    if (action === "trigger") pager.alerts.set(key, pager.alerts.get(key) ?? "triggered");
    else if (action === "resolve") pager.alerts.delete(key);
    else if (pager.alerts.has(key)) pager.alerts.set(key, "acknowledged");
  }

  const pager: PagerDuty = {
    ...{ host, stop, events: [], alerts: new Map(), requests: 0, troubles: [] },
    url: `http://${host}/v2/enqueue`,
    routingKey: crypto.randomUUID().replaceAll("-", ""),
    onTaken: () => Promise.resolve(),
  };
  return pager;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
