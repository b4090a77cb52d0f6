import { z } from "zod";
import { onEvent, type Plugin } from "./plugin.ts";

/** From the best one down. */
const QUALITIES = ["4K", "1440p", "1080p", "720p", "480p"] as const;

/** Caps the quality of a stream whose bandwidth does not suffice. Players read the cap from the result of the run. */
export const qualityMonitor: Plugin = {
  id: "quality-monitor",
  description: "Decides which qualities a stream may still use.",
  events: {
    degrade: onEvent(
      z.strictObject({ suggestedQuality: z.enum(QUALITIES) }),
      ({ suggestedQuality }) => ({
        maxQuality: suggestedQuality,
        allowedQualities: QUALITIES.slice(QUALITIES.indexOf(suggestedQuality)),
      }),
    ),
  },
};
