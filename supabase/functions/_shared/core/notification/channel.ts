import type { Message } from "./message.ts";

/** A place where people are told. Each channel is one file of this shape in `channels/`, listed in `channels.ts`. */
export interface Channel {
  /** As in table `notification_channels`. */
  name: string;
  /** The JSON body that the channel's incoming webhook expects, within its limits whatever the message holds. */
  render(message: Message): string;
  /** The same for a plain text of up to 3,000 characters. */
  renderText(text: string): string;
  /** Whether an answer with a 2xx status says that the message was taken. */
  accepts(responseBody: string): boolean;
}
