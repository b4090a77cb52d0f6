/** A stack for one test file: real database, APIs and functions, on free ports, gone when it stops. */
import { type Stack, type StackOptions, startStack } from "../stack/stack.ts";

/**
 * Starts a throw-away stack with all migrations applied. It takes about a second, so every test file has its own.
 *
 * @param env variables for the functions, on top of the platform's
 * @param options anything else that {@link startStack} understands
 */
export async function testStack(
  env: Record<string, string> = {},
  options: StackOptions = {},
): Promise<Stack> {
  return await startStack({ throwAway: true, env, ...options });
}
