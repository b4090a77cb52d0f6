/** Slack's and Teams' incoming webhooks, which refuse what the real ones refuse, for the demo and tests. */
import adaptiveCards from "adaptivecards";
import { listen, readBody } from "./listen.ts";

export type ChannelName = "slack" | "teams";

/** A message that was taken. */
export interface Received {
  channel: ChannelName;
  /** What people see, one line a line. */
  text: string;
}

export interface Receiver {
  /** `127.0.0.1:port`, as allowed hosts name it. */
  host: string;
  slackUrl: string;
  teamsUrl: string;
  /** Every message that was taken, in order. */
  received: Received[];
  /** Every request, taken or not: the channel, and the reason of the refusal. */
  attempts: { channel: ChannelName; refusal: string | null }[];
  /** Answers the channel's next requests so, one each, before anything is looked at. */
  refuse(channel: ChannelName, answers: { status: number; headers?: Record<string, string> }[]): void;
  stop(): Promise<void>;
}

/** Starts the receiver on a free port. `onMessage` is told of every message that is taken, before it is answered. */
export async function startReceiver(
  { onMessage }: { onMessage?: (message: Received) => void | Promise<void> } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const attempts: Receiver["attempts"] = [];
  const refusals: Record<ChannelName, { status: number; headers?: Record<string, string> }[]> = {
    slack: [],
    teams: [],
  };
  const paths = { slack: `/services/${crypto.randomUUID()}`, teams: `/workflows/${crypto.randomUUID()}` };

  const { host, stop } = await listen(async (request, response) => {
    const body = await readBody(request);
    const channel = (["slack", "teams"] as const).find((name) => paths[name] === request.url);
    if (!channel) return void response.writeHead(404).end("no_service");
    const planned = refusals[channel].shift();
    if (planned) {
      attempts.push({ channel, refusal: `HTTP ${planned.status}` });
      return void response.writeHead(planned.status, planned.headers).end();
    }
    const isJson = request.headers["content-type"]?.startsWith("application/json") ?? false;
    const checked = isJson ? CHECKS[channel](body) : { refusal: "invalid_content_type" };
    attempts.push({ channel, refusal: checked.refusal ?? null });
    if (checked.refusal !== undefined) return void response.writeHead(400).end(checked.refusal);
    const message: Received = { channel, text: checked.text };
    received.push(message);
    await onMessage?.(message);
    if (channel === "slack") response.end("ok");
    else response.writeHead(202).end();
  });
  return {
    ...{ host, received, attempts, stop },
    slackUrl: `http://${host}${paths.slack}`,
    teamsUrl: `http://${host}${paths.teams}`,
    refuse: (channel, answers) => void refusals[channel].push(...answers),
  };
}

type Checked = { text: string; refusal?: undefined } | { refusal: string };

const CHECKS: Record<ChannelName, (body: string) => Checked> = { slack: checkSlack, teams: checkTeams };

// deno-lint-ignore no-explicit-any
type Json = any;

/** Slack's own error codes for its own limits (docs.slack.dev: incoming webhooks, Block Kit reference). */
function checkSlack(body: string): Checked {
  const message = parse(body);
  if (!message) return { refusal: "invalid_payload" };
  const { text, blocks = [] } = message;
  if (typeof text !== "string" || text === "" || text.length > 40_000) return { refusal: "no_text" };
  if (!Array.isArray(blocks) || blocks.length > 50) return { refusal: "invalid_blocks" };
  const limits: Record<string, [textType: string, length: number]> = {
    header: ["plain_text", 150],
    section: ["mrkdwn", 3_000],
  };
  const fits = (block: Json) => {
    const [type, length] = limits[block.type] ?? [];
    const content = block.text?.text;
    return type !== undefined && block.text.type === type && typeof content === "string" && content !== "" &&
      content.length <= length! && !/<[!@#]/.test(content);
  };
  return blocks.every(fits) ? { text } : { refusal: "invalid_blocks" };
}

/** A Workflows URL takes a message of one Adaptive Card, at most 28 KB; Microsoft's parser says whether it is one. */
function checkTeams(body: string): Checked {
  if (new TextEncoder().encode(body).length > 28 * 1024) return { refusal: "RequestEntityTooLarge" };
  const message = parse(body);
  const attachment = message?.type === "message" ? message.attachments?.[0] : undefined;
  if (attachment?.contentType !== "application/vnd.microsoft.card.adaptive") {
    return { refusal: "InvalidMessage" };
  }
  const card = new adaptiveCards.AdaptiveCard();
  const context = new adaptiveCards.SerializationContext();
  card.parse(attachment.content, context);
  if (context.eventCount > 0 || card.getItemCount() === 0) return { refusal: "InvalidCard" };
  const lines = attachment.content.body.map((element: Json) =>
    element.text ?? element.inlines.map((run: Json) => run.text).join("")
  );
  return { text: lines.join("\n") };
}

function parse(body: string): Json {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
