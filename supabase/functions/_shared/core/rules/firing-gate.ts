const HOUR_MS = 3_600_000;

/** What holds a matching rule back. */
export type Suppression = "cooldown" | "limit";

/**
 * Decides, event by event, whether a rule that matches would fire: the gate of backtests, by the events' own times.
 * Firings themselves are gated in the database (`private.fire_rules`), by its clock and the same two rules: first the
 * cooldown, then the firings of the last hour.
 *
 * @returns a function of the event's instant in milliseconds, which must not go back
 */
export function createFiringGate(
  { cooldownSeconds = 0, maxFiresPerHour = null }: {
    cooldownSeconds?: number;
    maxFiresPerHour?: number | null;
  },
): (at: number) => "fires" | Suppression {
  const fires: number[] = [];
  let lastHour = 0;
  return (at) => {
    if (fires.length > 0 && at < fires.at(-1)! + cooldownSeconds * 1_000) return "cooldown";
    while (fires[lastHour]! <= at - HOUR_MS) lastHour++;
    if (maxFiresPerHour !== null && fires.length - lastHour >= maxFiresPerHour) return "limit";
    fires.push(at);
    return "fires";
  };
}
