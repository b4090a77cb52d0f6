import type { Channel } from "./channel.ts";
import { slack } from "./channels/slack.ts";
import { teams } from "./channels/teams.ts";

/** Every channel; another one is a file in `channels/`, an entry here and a row in `notification_channels`. */
export const channels: readonly Channel[] = [slack, teams];
