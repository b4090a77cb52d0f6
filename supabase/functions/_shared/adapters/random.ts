import type { Random } from "../ports.ts";

/** Good enough for jitter; identifiers and keys come from `crypto`. */
export const systemRandom: Random = () => Math.random();
