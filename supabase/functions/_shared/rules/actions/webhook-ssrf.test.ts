import assert from "node:assert/strict";
import net from "node:net";
import tls from "node:tls";
import { createEgress } from "../../adapters/egress.ts";
import { systemResolve } from "../../adapters/egress-resolve.ts";
import { EgressError } from "../../ports.ts";
import { actionContext } from "../../testing/action-context.ts";
import { webhook } from "./webhook.ts";

const words = (text: string) => text.trim().split(/\s+/);

/** Hosts inside the network, in every spelling that some parser takes for one. */
const INSIDE = words(String.raw`
  127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 127.000.000.001 127.0.0.1. 2130706433 2130706434 017700000001
  0x7f000001 0X7F000001 0x7fffffff 0x7f.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0.0x0.1 0x7f.0.1 127.0x1 00000177.1
  0x00000000007f000001 127.0.0.01 127.65535 0177.0377.0377.0376
  0 00 0x0 0.0 0.1 0.0.0.0 0.255.255.255 255.255.255.255 4294967295
  10.0.0.1 10.255.255.255 10.1 167772161 0xa000001 012.0.0.1 172.16.0.1 172.31.255.255 2886729729 192.168.0.1
  192.168.1.1 192.168.257 3232235777 0xc0a80101 0300.0250.1.1 100.64.0.1 100.127.255.254 198.18.0.1 192.0.0.1
  169.254.169.254 169.254.169.254. 2852039166 0xa9fea9fe 0xA9.0xFE.0xA9.0xFE 0251.0376.0251.0376 169.254.43518
  169.16689662 0251.254.0xa9.254 169.254.170.2 169.254.0.1 168.63.129.16 2822734096 0xa83f8110 0250.077.0201.020
  100.100.100.200 1684301000 192.0.0.192 [fd00:ec2::254] [fe80::a9fe:a9fe] metadata metadata.google.internal
  metadata.google.internal. instance-data instance-data.ec2.internal
  [::1] [::] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [0::1] [fc00::1] [fe80::1] [febf::1]
  [fd12:3456:789a::1] [fec0::1] [ff02::1] [2001:db8::1] [100::1] [5f00::1] [3fff::1] [4000::1]
  [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:127.0.0.1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1]
  [::ffff:0:127.0.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:10.0.0.1] [::ffff:168.63.129.16]
  [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:101::]
  [2001::7f00:1] [2001:0:7f00:1::] [::ffff:0x7f.1]
  １２７.0.0.1 127。0。0。1 127．0．0．1 127｡0｡0｡1 ①②⑦.0.0.1 𝟙𝟚𝟟.𝟘.𝟘.𝟙 １６９.２５４.１６９.２５４ ２１３０７０６４３３ 0x７f.1
  %31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.%C2%AD1 127.0.0.1%E3%80%82
  localhost LOCALHOST LocalHost localhost. a.localhost foo.bar.localhost localhost.localdomain ｌｏｃａｌｈｏｓｔ
  ⓛⓞⓒⓐⓛⓗⓞⓢⓣ loc%C2%ADalhost %6c%6fcalhost kubernetes db kong printer.local nas.lan router.home.arpa wiki.intranet
  redis.internal`);

/** Whole URLs: other schemes, credentials, hosts where other parsers look for them. */
const ODD = [
  ...words(String.raw`
    http://127.0.0.1:PORT/ HTTP://LOCALHOST:PORT/ http://alerts.example.com:PORT/ http://[::1]:PORT/ https:127.0.0.1:PORT/
    https://user:password@127.0.0.1:PORT/ https://alerts.example.com@127.0.0.1:PORT/ https:///127.0.0.1:PORT/
    https://alerts.example.com:443@127.0.0.1:PORT/ https://127.0.0.1:PORT@alerts.example.com/ https:////127.0.0.1:PORT/
    https://127.0.0.1:PORT\@alerts.example.com/ https:\\127.0.0.1:PORT\ https://127.0.0.1:PORT#@alerts.example.com/
    https://127.0.0.1:PORT?@alerts.example.com/ https://127.0.0.1:0PORT/ https://[::1%25lo]:PORT/ https://[::1]PORT/
    https://[127.0.0.1]:PORT/ https://127.0.0.1:PORT:443/ https://127.0.0.1.1:PORT/ https://256.0.0.1:PORT/
    https://0x100000000:PORT/ https://127..1:PORT/ https:// https://:PORT/ https://./ https://..:PORT/
    ftp://127.0.0.1:PORT/ file:///etc/passwd file://127.0.0.1/etc/passwd gopher://127.0.0.1:PORT/_x dict://127.0.0.1:PORT/
    ldap://127.0.0.1:PORT/ ws://127.0.0.1:PORT/ wss://127.0.0.1:PORT/ data:,x javascript:fetch('https://127.0.0.1:PORT')
    blob:https://127.0.0.1:PORT/x jar:https://127.0.0.1:PORT!/ unix:/run/docker.sock tcp://127.0.0.1:PORT
    //127.0.0.1:PORT/ /\127.0.0.1:PORT/ 127.0.0.1:PORT localhost:PORT/`),
  ...["", " https://127.0.0.1:PORT/ ", "ht\ntps://127.0.0.1:PORT/", "\thttps://127.0.0.1\t:PORT/"],
  ...["https://127.0.0.\u00ad1:PORT/", "https://loc\u200balhost:PORT/", "https://127.0.0.1\0:PORT/"],
];

/** Names that look public and lead inside. */
const LEADING_INSIDE = words(`
  127.0.0.1.nip.io localtest.me a9fea9fe.rebind.example xn--nxasmq6b.example 1.0.0.127.in-addr.example
  spoofed.burp.example localhost.example.com ⓔxample.com customer-7.example _dmarc.example.com`);

/** Runs with every connection of this process counted. */
async function counting<T>(run: (count: () => string[]) => Promise<T>): Promise<T> {
  const opened: string[] = [];
  const [plain, secure] = [net.connect, tls.connect];
  // deno-lint-ignore no-explicit-any
  const counted = (connect: (...args: any[]) => any) => (options: any, ...rest: unknown[]) => {
    opened.push(options.host);
    return connect(options, ...rest);
  };
  net.connect = counted(plain);
  tls.connect = counted(secure);
  try {
    return await run(() => opened);
  } finally {
    net.connect = plain;
    tls.connect = secure;
  }
}

/** Listens on this machine's port for whoever gets through. */
async function withPort(test: (port: number, accepted: () => number) => Promise<void>): Promise<void> {
  let accepted = 0;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      accepted++;
      await connection.read(new Uint8Array(4096));
      await connection.write(new TextEncoder().encode("HTTP/1.1 204 No Content\r\n\r\n"));
      connection.close();
    }
  })();
  try {
    await test(listener.addr.port, () => accepted);
  } finally {
    listener.close();
    await serving;
  }
}

/** Literal addresses and names of this machine as the system has them, anything else leads inside. */
const hostileResolve = async (name: string) =>
  net.isIP(name) || name.endsWith("localhost") ? await systemResolve(name) : ["127.0.0.1"];

async function outcomeOf(url: string, egress: ReturnType<typeof createEgress>) {
  const context = actionContext({ egress, signingKeys: [btoa("1".repeat(32))] });
  return await webhook.run({ type: "webhook", url, payload: {} }, context);
}

function insideUrls(port: number): string[] {
  const hosts = INSIDE.map((host) => `https://${host}:${port}/`);
  return [...hosts, ...ODD.map((url) => url.replaceAll("PORT", String(port)))];
}

Deno.test("no URL that points inside the network is saved or opens a socket, however it is spelt", async () => {
  await withPort(async (port, accepted) => {
    const urls = insideUrls(port);
    assert.ok(new Set(urls).size >= 150, String(new Set(urls).size));
    const egress = createEgress({ privateHosts: [], resolve: hostileResolve });
    await counting(async (opened) => {
      for (const url of urls) {
        const problems = webhook.check({ type: "webhook", url, payload: {} }, actionContext().deps);
        assert.equal(problems.length, 1, `${JSON.stringify(url)} would be saved`);
        assert.equal((await outcomeOf(url, egress)).state, "failed", url);
        // The way out refuses it, too, whoever asks.
        const sending = egress.send({ url, method: "POST", timeoutMs: 1_000 });
        await assert.rejects(sending, EgressError, `${JSON.stringify(url)} would be sent`);
      }
      assert.deepEqual(opened(), []);
    });
    assert.equal(accepted(), 0);
  });
});

Deno.test("a public name that leads inside opens no socket, alone or among public addresses", async () => {
  const answers = [
    ...[["127.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["168.63.129.16"], [
      "64:ff9b::7f00:1",
    ]],
    ...[["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1111", "fd00:ec2::254"], [
      "0.0.0.0",
    ]],
    ...[["fe80::1%eth0"], ["127.1"], [""]],
  ];
  await withPort(async (port, accepted) => {
    await counting(async (opened) => {
      for (const [index, name] of [...LEADING_INSIDE, ...answers.keys()].entries()) {
        const url = typeof name === "string" ? `https://${name}:${port}/` : `https://rebind.example:${port}/`;
        const addresses = typeof name === "string" ? ["127.0.0.1"] : answers[name]!;
        const egress = createEgress({ privateHosts: [], resolve: () => Promise.resolve(addresses) });
        const outcome = await outcomeOf(url, egress);
        const error = outcome.state === "failed" ? outcome.error : outcome.state;
        assert.match(error, /^egress\.blocked_address: /, `${index}: ${url} ${addresses}`);
      }
      assert.deepEqual(opened(), []);
    });
    assert.equal(accepted(), 0);
  });
});

Deno.test("a name server that answers differently the second time leads nobody inside", async () => {
  await withPort(async (port, accepted) => {
    let asked = 0;
    const resolve = () => Promise.resolve(asked++ === 0 ? ["127.0.0.9"] : ["127.0.0.1"]);
    // The first answer stands for a public address: nothing listens there, so that this test sends nothing out.
    const egress = createEgress({ privateHosts: [`rebind.example:${port}`], resolve });
    await counting(async (opened) => {
      await assert.rejects(
        egress.send({ url: `https://rebind.example:${port}/`, method: "POST", timeoutMs: 5_000 }),
      );
      assert.deepEqual(opened(), ["127.0.0.9"]);
    });
    assert.deepEqual([asked, accepted()], [1, 0]);

    // What was public when the rule was saved, or in the try before, is resolved and checked anew.
    const answers = [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"]];
    const later = createEgress({ privateHosts: [], resolve: () => Promise.resolve(answers.shift()!) });
    await counting(async (opened) => {
      for (let tries = 0; tries < 2; tries++) {
        assert.equal((await outcomeOf(`https://rebind.example:${port}/`, later)).state, "failed");
      }
      assert.deepEqual(opened(), []);
    });
    assert.equal(accepted(), 0);
  });
});

Deno.test("a connection that is made would be counted", async () => {
  await withPort(async (port, accepted) => {
    await counting(async (opened) => {
      const egress = createEgress({ privateHosts: [`127.0.0.1:${port}`] });
      await egress.send({ url: `http://127.0.0.1:${port}/`, method: "POST", timeoutMs: 5_000 });
      assert.deepEqual(opened(), ["127.0.0.1"]);
    });
    assert.equal(accepted(), 1);
  });
});
