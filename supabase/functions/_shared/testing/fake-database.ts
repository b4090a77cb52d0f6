import type { Database } from "../ports.ts";

/** A database that was asked; `calls` holds what for, in order. */
export interface FakeDatabase extends Database {
  calls: [name: string, args?: Record<string, unknown>][];
}

/** @param answers by the function's name: what it returns, or what decides that and may throw */
export function fakeDatabase(answers: Record<string, unknown> = {}): FakeDatabase {
  const calls: FakeDatabase["calls"] = [];
  return {
    calls,
    // deno-lint-ignore require-await
    async rpc<T>(name: string, args?: Record<string, unknown>) {
      calls.push(args ? [name, args] : [name]);
      const answer = answers[name];
      return (typeof answer === "function" ? answer(args) : answer) as T;
    },
  };
}
