import type { SystemMode } from "../ports.ts";

/** A mode that a test switches, and how often it was asked. */
export interface FakeMode extends SystemMode {
  safe: boolean;
  asked: number;
}

export function fakeMode(safe = false): FakeMode {
  return {
    safe,
    asked: 0,
    isSafe() {
      this.asked++;
      return Promise.resolve(this.safe);
    },
  };
}
