import { z } from "zod";

export const runRequest = z.strictObject({
  /** All that are enabled unless given. */
  names: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
  mode: z.enum(["auto", "full", "incremental"]).default("auto"),
  /** Shows what auto-correct would change, and changes nothing. */
  dryRun: z.boolean().default(false),
});
export type RunRequest = z.output<typeof runRequest>;

export const statusRequest = z.strictObject({
  /** How many open violations are shown, the newest first. */
  limit: z.string().regex(/^\d{1,4}$/, "must be a whole number").transform(Number)
    .pipe(z.number().min(1).max(500)).optional(),
});
