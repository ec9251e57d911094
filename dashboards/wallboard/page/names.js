// What channels, queues and weekdays are called in the reader's language.

import { t } from "./words.js";

const CHANNELS = { call: t("Calls"), chat: t("Chats"), email: t("E-mails") };
export const UNASSIGNED = "unassigned"; // the queue of contacts that named none

/** Channels whose contacts wait on the line: they come first. */
export const LIVE = new Set(["call", "chat"]);

export const channelName = (channel) => CHANNELS[channel] ?? channel;
export const queueName = (queue) => (queue === "" || queue === UNASSIGNED ? t("unassigned") : queue);
