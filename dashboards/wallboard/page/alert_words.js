// What an alert says, in the reader's language, from what it judges. For a condition that this
// page does not know, it shows the server's sentence.

import { channelName, queueName } from "./names.js";
import { count, duration, factor, share, target } from "./numbers.js";
import { t, tn } from "./words.js";

/** A measured value by its unit. */
function measured(value, unit) {
  if (value === null || value === undefined) return "";
  if (unit === "ms") return duration(value);
  if (unit === "share") return share(value);
  return unit === "factor" || unit === "ratio" ? factor(value) : count(value);
}

const SENTENCES = {
  at_risk: () => t("Contact close to its target"),
  breached: () => t("Contact past its target"),
  attainment: ({ value, limit, over }) => (over ? t("Service level {value} over {over}, goal {limit}", { value, limit, over }) : t("Service level {value}, goal {limit}", { value, limit })),
  burn_rate: ({ value, limit }) => t("Targets are missed {value} times as fast as the goal allows, limit {limit}", { value, limit }),
  interval_attainment: ({ value, limit }) => t("{value} of half hours reach the goal, {limit} have to", { value, limit }),
  longest_wait: ({ value, limit }) => t("Longest wait {value}, limit {limit}", { value, limit }),
  waiting: ({ value, limit, many }) => tn("{value} waiting, limit {limit}", "{value} waiting, limit {limit}", many, { value, limit }),
  nobody_available: () => t("Nobody is free while somebody waits"),
  surge: ({ value }) => t("{value} times as many contacts as usual", { value }),
  no_events: ({ value }) => t("No events for {value}", { value }),
  part_behind: ({ value }) => t("A part of Pulssi is {value} behind", { value }),
  part_away: ({ value }) => t("A part of Pulssi has been away for {value}", { value }),
  dead_letters: ({ value, many }) => tn("{value} event could not be read", "{value} events could not be read", many, { value }),
};

export function sentence(alert) {
  const words = SENTENCES[alert.condition];
  if (!words) return alert.title;
  const { value, limit, unit } = alert;
  const needed = /at_risk|breached|nobody_available/.test(alert.condition);
  if (!needed && (value === null || value === undefined)) return alert.title;
  return words({ value: measured(value, unit), limit: measured(limit, unit), over: alert.window_ms ? target(alert.window_ms) : "", many: Math.round(value ?? 0) });
}

/** Where: the channel and the queue, the tag, the group of agents, or the rule that named the alert. */
export function place(alert) {
  const words = [];
  if (alert.channel) words.push(channelName(alert.channel));
  if (alert.queue !== null && alert.queue !== undefined) words.push(queueName(alert.queue));
  if (alert.tag) words.push(alert.tag);
  if (alert.group && alert.group !== alert.queue) words.push(alert.group);
  if (alert.contact_id) words.push(alert.contact_id.split(":").at(-1));
  return words.length ? words.join(" · ") : alert.rule;
}

export const severityWord = (severity) => (severity === "critical" ? t("Critical") : t("Warning"));
