/** TCP ports on 127.0.0.1. */
import { StackError } from "./stack-error.ts";

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/**
 * Fails when a port is taken.
 *
 * @param purpose named in the error text, for example "the gateway"
 * @throws StackError `port.in_use`
 */
export function requireFreePort(port: number, purpose: string): void {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new StackError(
      "port.in_use",
      `Port ${port}, which ${purpose} needs, is used by another program: stop that program or choose another port with --port=<number>.`,
    );
  }
}
