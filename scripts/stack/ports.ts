/** TCP ports on 127.0.0.1. */
import { StackError } from "./stack-error.ts";

/** Below the ports that Linux and macOS give to outgoing connections, which come and go by the hundred in tests. */
const [lowest, highest] = [11_000, 31_000];

/**
 * The first of some consecutive ports that were free a moment ago.
 *
 * @param count how many
 */
export function freePort(count = 1): number {
  while (true) {
    const first = lowest + Math.floor(Math.random() * (highest - lowest));
    if (Array.from({ length: count }, (_, index) => first + index).every(isFree)) return first;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return false;
  }
}

/**
 * Fails when a port is taken.
 *
 * @param purpose named in the error text, for example "the gateway"
 * @throws StackError `port.in_use`
 */
export function requireFreePort(port: number, purpose: string): void {
  if (isFree(port)) return;
  throw new StackError(
    "port.in_use",
    `Port ${port}, which ${purpose} needs, is used by another program: stop that program or choose another port with --port=<number>.`,
  );
}
