import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { EgressError, type EgressRequest } from "../ports.ts";
import { createEgress, type EgressConfig } from "./egress.ts";
import { AUTHORITY, CERTIFICATE, PRIVATE_KEY } from "./egress-test-certificate.ts";

interface Server {
  port: number;
  /** How many connections were opened. */
  opened: () => number;
  /** What was received, connection by connection. */
  received: string[];
}

type Reply = (connection: Deno.Conn, request: string) => Promise<void>;

/** A server on a real port that answers with raw bytes. */
async function withServer(
  reply: Reply,
  test: (server: Server) => Promise<void>,
  listener: Deno.Listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }),
): Promise<void> {
  const received: string[] = [];
  const connections: Deno.Conn[] = [];
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      serving.push(serve(connection, received, reply));
    }
  })();
  try {
    await test({ port: (listener.addr as Deno.NetAddr).port, opened: () => connections.length, received });
  } finally {
    listener.close();
    await accepting.catch(() => {});
    for (const connection of connections) close(connection);
    await Promise.all(serving);
  }
}

async function serve(connection: Deno.Conn, received: string[], reply: Reply): Promise<void> {
  try {
    const request = await readRequest(connection);
    received.push(request);
    await reply(connection, request);
  } catch {
    // The client went away, which some of the tests want.
  }
}

async function readRequest(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  let bytes = "";
  while (!complete(bytes)) {
    const size = await connection.read(buffer);
    if (size === null) break;
    bytes += String.fromCharCode(...buffer.subarray(0, size));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

function complete(request: string): boolean {
  if (request.startsWith("\x16")) return true; // A TLS handshake, for a server that does not speak TLS.
  const end = request.indexOf("\r\n\r\n");
  const length = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0);
  return end >= 0 && request.length >= end + 4 + length;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}

async function write(connection: Deno.Conn, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
}

const say = (text: string): Reply => async (connection) => {
  await write(connection, text);
  close(connection);
};

const ok = (body: string, headers = "") =>
  say(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`);

function send(server: Server, request: Partial<EgressRequest> = {}, config: Partial<EgressConfig> = {}) {
  return createEgress({ privateHosts: [`127.0.0.1:${server.port}`], ...config })
    .send({ url: `http://127.0.0.1:${server.port}/`, method: "GET", timeoutMs: 5_000, ...request });
}

function fails(code: string, sent: boolean) {
  return (error: unknown) => {
    assert.ok(error instanceof EgressError, String(error));
    assert.deepEqual([error.code, error.sent], [code, sent], error.message);
    assert.ok(!error.message.includes("canary"));
    return true;
  };
}

Deno.test("a request arrives with its method, path, headers and body, and the answer comes back", async () => {
  await withServer(ok('{"ok":true}', "x-a: 1\r\nx-a: 2\r\n"), async (server) => {
    const response = await send(server, {
      url: `http://127.0.0.1:${server.port}/path?q=1#fragment`,
      method: "PATCH",
      headers: { Authorization: "Bearer t", "content-type": "application/json" },
      body: '{"a":"ü"}',
    });
    assert.equal(response.status, 200);
    assert.equal(response.body, '{"ok":true}');
    assert.equal(response.headers["x-a"], "1, 2");
    assert.match(server.received[0]!, /^PATCH \/path\?q=1 HTTP\/1\.1\r\n/);
    assert.match(server.received[0]!, /authorization: Bearer t\r\n/);
    assert.match(server.received[0]!, /content-length: 10\r\n/);
    assert.ok(server.received[0]!.endsWith('{"a":"ü"}'));
  });
});

Deno.test("headers that belong to a connection are not copied from a stored request", async () => {
  await withServer(ok("x"), async (server) => {
    const headers = {
      Host: "internal",
      "Transfer-Encoding": "chunked",
      "Accept-Encoding": "br",
      "Content-Length": "9",
    };
    await send(server, { method: "POST", headers, body: "four" });
    assert.match(server.received[0]!, new RegExp(`host: 127.0.0.1:${server.port}\r\n`, "i"));
    assert.match(server.received[0]!, /content-length: 4\r\n/);
    assert.ok(!/internal|chunked|br\r\n/.test(server.received[0]!));
  });
});

Deno.test("a redirect is an answer and is not followed", async () => {
  await withServer(ok("secret"), async (inner) => {
    const redirect = say(
      `HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:${inner.port}/\r\ncontent-length: 0\r\n\r\n`,
    );
    await withServer(redirect, async (server) => {
      const response = await send(server, {}, {
        privateHosts: [`127.0.0.1:${server.port}`, `127.0.0.1:${inner.port}`],
      });
      assert.equal(response.status, 302);
      assert.equal(response.headers.location, `http://127.0.0.1:${inner.port}/`);
      assert.equal(inner.opened(), 0);
    });
  });
});

Deno.test("no spelling of a private address opens a socket", async () => {
  await withServer(ok("secret"), async (server) => {
    const hosts = [
      ...["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "0", "127.0.0.1.", "１２７.0.0.1"],
      ...[
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::1]",
        "[::]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LOCALHOST.",
      ],
    ];
    for (const host of hosts) {
      const url = `https://${host}:${server.port}/`;
      await assert.rejects(
        send(server, { url }, { privateHosts: [] }),
        fails("egress.blocked_address", false),
        host,
      );
    }
    const plain = { url: `http://127.0.0.1:${server.port}/` };
    await assert.rejects(send(server, plain, { privateHosts: [] }), fails("egress.invalid_url", false));
    assert.equal(server.opened(), 0);
  });
});

Deno.test("one private address among a name's addresses blocks the name, and no socket is opened", async () => {
  await withServer(ok("secret"), async (server) => {
    for (
      const addresses of [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "::ffff:127.0.0.1"]]
    ) {
      await assert.rejects(
        send(server, { url: `https://rebind.test:${server.port}/` }, {
          resolve: () => Promise.resolve(addresses),
        }),
        fails("egress.blocked_address", false),
      );
    }
    assert.equal(server.opened(), 0);
  });
});

Deno.test("the connection goes to the address that was checked, and the name is resolved once", async () => {
  await withServer(ok("pinned"), async (server) => {
    let resolved = 0;
    const response = await send(server, { url: `http://pinned.test:${server.port}/` }, {
      privateHosts: [`pinned.test:${server.port}`],
      resolve: () => Promise.resolve(resolved++ === 0 ? ["127.0.0.1"] : ["192.0.2.1"]),
    });
    assert.equal(response.body, "pinned");
    assert.equal(resolved, 1);
    assert.match(server.received[0]!, new RegExp(`host: pinned.test:${server.port}`, "i"));
  });
});

Deno.test("a dead address does not matter while another one answers", async () => {
  await withServer(ok("second"), async (server) => {
    const response = await send(server, { url: `http://two.test:${server.port}/` }, {
      privateHosts: [`two.test:${server.port}`],
      resolve: () => Promise.resolve(["127.0.0.9", "127.0.0.1"]),
    });
    assert.equal(response.body, "second");
  });
});

Deno.test("hosts outside the integration's list are refused before anything is resolved", async () => {
  let resolved = 0;
  const egress = createEgress({ privateHosts: [], resolve: () => Promise.resolve([String(resolved++)]) });
  const request = {
    url: "https://evil.example/",
    method: "GET",
    timeoutMs: 1_000,
    allowedHosts: ["api.example.com"],
  };
  await assert.rejects(egress.send(request), fails("egress.host_not_allowed", false));
  assert.equal(resolved, 0);
});

Deno.test("TLS verifies the name although the connection goes to an address", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: CERTIFICATE, key: PRIVATE_KEY });
  await withServer(ok("verified"), async (server) => {
    const call = (host: string, ca?: string) =>
      send(server, { url: `https://${host}:${server.port}/` }, {
        privateHosts: [`${host}:${server.port}`],
        resolve: () => Promise.resolve(["127.0.0.1"]),
        ca,
      });
    assert.equal((await call("pinned.test", AUTHORITY)).body, "verified");
    await assert.rejects(call("other.test", AUTHORITY), fails("egress.tls", false));
    await assert.rejects(call("pinned.test"), fails("egress.tls", false));
    assert.equal(server.received.filter((request) => request !== "").length, 1);
  }, listener);
});

Deno.test("a port that does not speak TLS is a TLS failure", async () => {
  await withServer(say("HTTP/1.1 400 Bad Request\r\n\r\n"), async (server) => {
    const call = send(server, { url: `https://127.0.0.1:${server.port}/` });
    await assert.rejects(
      call,
      (error: EgressError) => /^egress\.(tls|connection)$/.test(error.code),
    );
  });
});

Deno.test("a body that drips slowly ends at the deadline", async () => {
  const drip: Reply = async (connection) => {
    await write(connection, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
    while (true) {
      await write(connection, "x");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await withServer(drip, async (server) => {
    await assert.rejects(send(server, { timeoutMs: 200 }), fails("egress.timeout", true));
  });
});

Deno.test("a server that never answers is a timeout after which the outcome is unknown", async () => {
  await withServer(() => Promise.resolve(), async (server) => {
    await assert.rejects(send(server, { timeoutMs: 100 }), fails("egress.timeout", true));
  });
});

Deno.test({
  name: "a server that accepts the connection and then ignores the TLS handshake is a timeout",
  // Deno 2.1 keeps the destroyed connection open until the server closes it, which happens at the end of the test.
  sanitizeResources: false,
}, async () => {
  await withServer(() => Promise.resolve(), async (server) => {
    const call = send(server, { url: `https://127.0.0.1:${server.port}/`, timeoutMs: 100 });
    await assert.rejects(call, { code: "egress.timeout" });
  });
});

Deno.test("a name server that never answers is a timeout and nothing was sent", async () => {
  const egress = createEgress({ privateHosts: [], resolve: () => new Promise(() => {}) });
  await assert.rejects(
    egress.send({ url: "https://slow.example/", method: "GET", timeoutMs: 50 }),
    fails("egress.timeout", false),
  );
});

Deno.test("a failure that comes after the deadline brings nothing down", async () => {
  const late = Promise.withResolvers<string[]>();
  const egress = createEgress({ privateHosts: [], resolve: () => late.promise });
  const request = { url: "https://slow.example/", method: "GET", timeoutMs: 0 };
  await assert.rejects(egress.send(request), fails("egress.timeout", false));
  late.reject(new Error("too late"));
  await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("a body larger than allowed is given up, whether its length is announced or not", async () => {
  const chunk = "x".repeat(64 * 1024);
  const endless = (head: string, piece: string): Reply => async (connection) => {
    await write(connection, head);
    while (true) await write(connection, piece);
  };
  const replies = [
    endless("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n", chunk),
    endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", `10000\r\n${chunk}\r\n`),
    endless("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", chunk),
    endless("HTTP/1.1 200 OK\r\n", `x-${chunk.slice(0, 100)}: ${chunk}\r\n`),
  ];
  for (const reply of replies) {
    await withServer(reply, async (server) => {
      await assert.rejects(send(server, { maxResponseBytes: 200_000 }), fails("egress.too_large", true));
    });
  }
});

Deno.test("a body of exactly the limit is read", async () => {
  await withServer(ok("x".repeat(1000)), async (server) => {
    assert.equal((await send(server, { maxResponseBytes: 1000 })).body.length, 1000);
  });
});

Deno.test("chunked bodies and bodies that end with the connection are read whole", async () => {
  const chunked = say(
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
  );
  for (const reply of [chunked, say("HTTP/1.0 200 OK\r\n\r\nabcde")]) {
    await withServer(reply, async (server) => assert.equal((await send(server)).body, "abcde"));
  }
});

Deno.test("a character that is split between two chunks arrives whole", async () => {
  const [first, second] = [new Uint8Array([0xc3]), new Uint8Array([0xbc])];
  await withServer(async (connection) => {
    await write(connection, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    await write(connection, first);
    await write(connection, second);
  }, async (server) => assert.equal((await send(server)).body, "ü"));
});

Deno.test("a body that was compressed unasked is unpacked, and a bomb is given up", async () => {
  const packed = (body: Uint8Array): Reply => async (connection) => {
    await write(
      connection,
      `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await write(connection, body);
  };
  await withServer(packed(gzipSync('{"ok":false}')), async (server) => {
    assert.equal((await send(server)).body, '{"ok":false}');
  });
  await withServer(packed(gzipSync(new Uint8Array(50_000_000))), async (server) => {
    await assert.rejects(send(server), fails("egress.too_large", true));
  });
  await withServer(packed(new TextEncoder().encode("not gzip")), async (server) => {
    await assert.rejects(send(server), fails("egress.connection", true));
  });
});

Deno.test("a connection that breaks after the request was sent leaves the outcome unknown", async () => {
  const broken: Reply[] = [
    (connection) => Promise.resolve(close(connection)),
    say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"),
    say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
    say("not http at all\r\n\r\n"),
  ];
  for (const reply of broken) {
    await withServer(reply, async (server) => {
      await assert.rejects(send(server), fails("egress.connection", true));
      assert.equal(server.opened(), 1, "a request is never sent twice");
    });
  }
});

Deno.test("a refused connection is certain not to have sent anything", async () => {
  let port = 0;
  await withServer(ok(""), (server) => Promise.resolve(void (port = server.port)));
  const egress = createEgress({ privateHosts: [`127.0.0.1:${port}`] });
  const request = { url: `http://127.0.0.1:${port}/`, method: "GET", timeoutMs: 1_000 };
  await assert.rejects(egress.send(request), fails("egress.connection", false));
});

Deno.test("a name that does not exist is a DNS failure", async () => {
  const egress = createEgress({ privateHosts: [] });
  const request = { url: "https://does-not-exist.invalid/", method: "GET", timeoutMs: 5_000 };
  await assert.rejects(egress.send(request), fails("egress.dns", false));
});

Deno.test("headers and methods that would smuggle a second request are refused", async () => {
  await withServer(ok("x"), async (server) => {
    const refused: Partial<EgressRequest>[] = [
      { headers: { "x-a": "canary\r\nx-b: 1" } },
      { headers: { "x-a\r\nx-b": "canary" } },
      { method: "GET / HTTP/1.1\r\n\r\nGET" },
      { method: "" },
    ];
    for (const request of refused) {
      await assert.rejects(send(server, request), fails("egress.invalid_request", false));
    }
    assert.equal(server.opened(), 0);
  });
});

Deno.test("proxies of the environment are not used", async () => {
  await withServer(ok("through the proxy"), async (proxy) => {
    const variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"];
    for (const variable of variables) Deno.env.set(variable, `http://127.0.0.1:${proxy.port}`);
    try {
      await withServer(ok("direct"), async (server) => assert.equal((await send(server)).body, "direct"));
    } finally {
      for (const variable of variables) Deno.env.delete(variable);
    }
    assert.equal(proxy.opened(), 0);
  });
});
