import assert from "node:assert/strict";
import { compactDecrypt, exportJWK, generateKeyPair } from "jose";
import { Webhook } from "standardwebhooks";
import { listen, readBody } from "../../../scripts/demo/listen.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import { webhookSecret } from "../../functions/_shared/rules/actions/webhook-signature.ts";

Deno.test("a rule's payload arrives signed and, for a receiver with a key, readable for that receiver alone", async () => {
  const received: { headers: Record<string, string>; body: string }[] = [];
  const receiver = await listen(async (request, response) => {
    received.push({ headers: request.headers as Record<string, string>, body: await readBody(request) });
    response.end();
  });
  const stack = await testStack({ EGRESS_PRIVATE_HOSTS: receiver.host });
  try {
    const call = async (path: string, body: unknown) => {
      const headers = { apikey: stack.secrets.secretKey };
      const url = `${stack.url}/functions/v1/rules${path}`;
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      return await response.json();
    };
    const action = {
      ...{ type: "webhook", url: `http://${receiver.host}/hook`, payload: { patient: "{{event.patient}}" } },
      encryption: { enabled: true },
    };
    const condition = { field: "patient", operator: "exists" };
    await call("", { id: "admission", name: "Admission", status: "active", condition, action });

    const early = await call("/evaluate", { event: { patient: "Ada" } });
    assert.match(JSON.stringify(early), /webhook\.no_public_key: /);
    assert.equal(received.length, 0);

    const { publicKey, privateKey } = await generateKeyPair("ECDH-ES+A256KW", { extractable: true });
    const jwk = { ...await exportJWK(publicKey), kid: "2026" };
    await stack.sql`insert into webhook_receivers (host, public_key)
      values (${receiver.host}, ${stack.sql.json(jwk as never)})`;
    const answer = await call("/evaluate", { event: { patient: "Ada" } });
    assert.match(JSON.stringify(answer), /"success":true,"result":\{"status":200\}/);

    const [{ headers, body }] = received as [typeof received[0]];
    const secret = webhookSecret(stack.env.WEBHOOK_SIGNING_KEYS!, receiver.host);
    new Webhook(secret).verify(body, headers, { jsonParse: false });
    const { plaintext, protectedHeader } = await compactDecrypt(body, privateKey);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), { patient: "Ada" });
    assert.equal(protectedHeader.kid, "2026");
    const [run] = await stack.sql`select id from action_runs where state = 'succeeded'`;
    assert.equal(headers["webhook-id"], run!.id);
  } finally {
    await stack.stop();
    await receiver.stop();
  }
});
