import type { Message } from "./message.ts";

/** A place where people are told. Each channel is one file of this shape in `channels/`, listed in `channels.ts`. */
export interface Channel {
  /** As in table `notification_channels`. */
  name: string;
  /** The JSON body that the channel's incoming webhook expects, within its limits whatever the message holds. */
  render(message: Message): string;
  /** Whether an answer with a 2xx status says that the message was taken. */
  accepts(responseBody: string): boolean;
}
