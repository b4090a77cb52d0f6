/** A throw-away stack with a receiver of webhooks, and the calls that tests of rules make. */
import { listen, readBody } from "../demo/listen.ts";
import type { Role } from "../../supabase/functions/_shared/ports.ts";
import type { Stack } from "../stack/stack.ts";
import { type SignedIn, signIn } from "./sign-in.ts";
import { testStack } from "./stack.ts";

/** A request that the receiver got. */
export interface ReceivedWebhook {
  path: string;
  headers: Record<string, string | string[] | undefined>;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** An answer of the function `rules`. */
export interface RulesAnswer {
  status: number;
  // deno-lint-ignore no-explicit-any
  body: any;
}

export interface Rules {
  stack: Stack;
  /** Where webhooks arrive: `http://127.0.0.1:port`. */
  receiverUrl: string;
  /** What arrived, in order. */
  received: ReceivedWebhook[];
  /** Decides the status that the receiver answers with; 200 unless replaced. */
  onWebhook: (webhook: ReceivedWebhook) => number | Promise<number>;
  /** What the functions printed. */
  log: string[];
  /** Calls the function `rules` below `/rules`, with a secret key unless other headers are given. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<RulesAnswer>;
  /** Saves a rule that sends every event with its own `test` to the receiver, with the given changes; returns its id. */
  save(changes?: Record<string, unknown>): Promise<string>;
  /** Signs a user up, with a role or none; returns what he sends to be recognised. */
  signIn(role?: Role): Promise<SignedIn>;
  /** Takes all rules out of the way of the next test. */
  archiveAll(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRules(env: Record<string, string> = {}): Promise<Rules> {
  const received: ReceivedWebhook[] = [];
  const log: string[] = [];
  const receiver = await listen(async (request, response) => {
    const text = await readBody(request);
    const webhook = { path: request.url!, headers: request.headers, body: text && JSON.parse(text) };
    received.push(webhook);
    response.writeHead(await rules.onWebhook(webhook)).end();
  });
  const stack = await testStack({ EGRESS_PRIVATE_HOSTS: receiver.host, ...env }, {
    log: (line) => void log.push(line),
  });
  const receiverUrl = `http://${receiver.host}`;
  const rules: Rules = {
    ...{ stack, receiverUrl, received, log, onWebhook: () => 200 },
    async call(method, path, body, headers = { apikey: stack.secrets.secretKey }) {
      const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`${stack.url}/functions/v1/rules${path}`, { method, headers, body: text });
      return { status: response.status, body: await response.json() };
    },
    async save(changes = {}) {
      const id = `rule-${crypto.randomUUID()}`;
      const rule = {
        ...{ id, name: "A rule", condition: { field: "test", operator: "eq", value: id } },
        action: { type: "webhook", url: `${receiverUrl}/${id}`, payload: { event: "{{event}}" } },
        ...changes,
      };
      const { status, body } = await rules.call("POST", "", rule);
      if (status !== 201) throw new Error(`The rule was not saved: ${JSON.stringify(body)}`);
      return rule.id;
    },
    signIn: (role) => signIn(stack, role),
    async archiveAll() {
      await stack.sql`update rules set status = 'archived'`;
      received.length = 0;
      rules.onWebhook = () => 200;
    },
    async stop() {
      await stack.stop();
      await receiver.stop();
    },
  };
  return rules;
}
