import type { Clock } from "../ports.ts";

/** A clock that stands still except for sleeping, which takes no real time. */
export interface FakeClock extends Clock {
  /** The lengths of all sleeps, in milliseconds. */
  sleeps: number[];
  advance(milliseconds: number): void;
}

/** @param start instant that the clock starts at, in milliseconds */
export function fakeClock(start = Date.parse("2026-01-02T03:04:05Z")): FakeClock {
  let now = start;
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => now,
    advance: (milliseconds) => void (now += milliseconds),
    async sleep(milliseconds, signal) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve);
        signal?.addEventListener("abort", () => {
          clearTimeout(timer);
          reject(signal.reason);
        }, { once: true });
      });
      sleeps.push(milliseconds);
      now += milliseconds;
    },
  };
}
