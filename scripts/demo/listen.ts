import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server on a free port of this machine. */
export interface Listening {
  server: Server;
  /** `127.0.0.1:port`, as allowed hosts name it. */
  host: string;
  /** Ends it at once, open connections included. */
  stop(): Promise<void>;
}

/** Starts an HTTP server; requests go to `answer`, or to whoever listens to the server's `request` events. */
export async function listen(
  answer?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<Listening> {
  const server = createServer(
    answer && (async (request, response) => {
      try {
        await answer(request, response);
      } catch (error) {
        // A client that goes away in the middle of its request is no error of the server.
        if (!request.destroyed) throw error;
      }
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The whole body of a request as text. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return new TextDecoder().decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
}
