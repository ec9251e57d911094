// What each figure means, in a sentence: told where the pointer rests on it or on its label, and listed in the settings
// for screens without a pointer.

import { hint, make, mark } from "./parts.js";
import { t } from "./words.js";

const MEANINGS = {
  waiting: t("Contacts that wait for a first answer now, and how long the longest of them has waited"),
  backlog: t("Open e-mails now; below it, those without any answer yet"),
  longest: t("How long the contact that waits longest has waited up to now"),
  late: t("Past a target now: of the first or next response, the wait in the queue or the resolution"),
  risk: t("Close to such a target now"),
  stale: t("Without an event for so long that they are in no other number"),
  limit: t("A limit that was set for this board is reached"),
  target: t("Time until the most urgent contact passes its target; with +, how late it is"),
  level: t("Share of contacts answered within their target, over the time chosen above; the line on the bar is the goal"),
  live: t("With those that wait beyond their target now counted as missed"),
  forecast: t("Service level of this half hour and of the day: so far; likely, with the contacts that usually still come; and the best still possible, if all of these are answered in time"),
  hour: t("Contacts in each five minutes of the last hour, in orange those who left; the line is the service level, dashed its goal"),
  today: t("Contacts today up to now, and how far that is from the mean of the same weekday in the last four weeks"),
  offered: t("Contacts that came in the time chosen above; below it, those that were answered"),
  abandoned: t("Customers who left without an answer; below it, their share of the contacts that came"),
  response: t("Time to the first answer of a person: half of them were faster; below it, the time that 90% did not exceed"),
  handling: t("Work of an agent on a contact, with wrap-up: the mean; below it, the time that 90% did not exceed"),
  reply: t("Customers who wrote again and wait for a reply now; below it, how long the longest of them has waited"),
  tags: t("The most frequent tags: contacts in the time chosen above, and how far that is from the same hours of the last four weeks; in italics those that the taxonomy does not have"),
  agents: t("Agents by what they do now; free slots are the contacts that they could take now"),
};

export const meaning = (name) => MEANINGS[name];

/** Tell it where the pointer rests on a node. */
export function explain(node, name) {
  hint(node, MEANINGS[name]);
  return node;
}

const sign = (kind, words) => mark(kind, words).node;

const LISTED = () => [
  [t("Waiting"), "waiting"],
  [t("Backlog"), "backlog"],
  [t("Longest wait"), "longest"],
  [sign("breach", t("{n} late", { n: 3 })), "late"],
  [sign("risk", t("{n} at risk", { n: 3 })), "risk"],
  [sign("stale", t("{n} stale", { n: 3 })), "stale"],
  [sign("limit", t("limit {n}", { n: 5 })), "limit"],
  [t("Next target"), "target"],
  [t("Service level"), "level"],
  [t("now {share}", { share: "" }).trim(), "live"],
  [[t("so far"), t("likely"), t("best")].join(", "), "forecast"],
  [t("Last hour"), "hour"],
  [t("Today"), "today"],
  [t("Offered"), "offered"],
  [t("Abandoned"), "abandoned"],
  [t("Response"), "response"],
  [t("Handling"), "handling"],
  [t("To reply"), "reply"],
  [t("What people contact us about"), "tags"],
  [t("Agents"), "agents"],
];

/** List all of them. */
export const meaningsList = () => LISTED().flatMap(([term, name]) => [make("dt", "", term), make("dd", "", MEANINGS[name])]);
