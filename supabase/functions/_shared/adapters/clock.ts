import type { Clock } from "../ports.ts";

/** The clock of this process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // By hand, because on Deno 2.1 the sleep of node:timers/promises overlooks a signal that is aborted already.
  sleep(milliseconds, signal) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    const onAbort = () => reject(signal!.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    });
  },
};
