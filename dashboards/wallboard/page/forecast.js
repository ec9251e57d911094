// Where the service level of this interval and of this day is going: so far, what is likely, and the best that is still
// possible. And today's contacts next to the same weekday of the last weeks.

import { explain } from "./meanings.js";
import { clockTime, count, growth, shortShare, weekday } from "./numbers.js";
import { hide, hint, make, name, say, shape } from "./parts.js";
import { shown } from "./shown.js";
import { t, tn } from "./words.js";

function makeLine() {
  const title = make("th");
  title.scope = "row";
  const cells = {};
  for (const kind of ["so_far", "likely", "best"]) {
    const words = make("span");
    const under = shape("below");
    cells[kind] = { node: make("td", "", under, words), words, under };
  }
  return { node: make("tr", "", title, ...Object.values(cells).map(({ node }) => node)), title, cells };
}

export function makeForecast() {
  const interval = makeLine();
  const day = makeLine();
  const head = make("tr", "", make("td"), ...[t("so far"), t("likely"), t("best")].map((word) => make("th", "", word)));
  for (const cell of head.querySelectorAll("th")) explain(cell, "forecast").scope = "col";
  const caption = make("caption", "unseen", t("Service level: so far, likely, best possible"));
  const node = make("table", "forecast", caption, make("thead", "", head), make("tbody", "", interval.node, day.node));
  return { node, interval, day };
}

/** Why nothing can be said of what still comes. */
const noPast = () => (shown.latest.past?.state === "ready" ? t("Nothing is known of this weekday yet") : t("The last weeks are not known now"));

function drawLine(parts, projection, title) {
  say(parts.title, title);
  for (const [kind, { node, words, under }] of Object.entries(parts.cells)) {
    const value = projection[kind];
    const judged = value === null || value === undefined ? "none" : value >= projection.objective ? "met" : "below";
    name(node, judged);
    under.classList.toggle("away", judged !== "below");
    say(words, shortShare(value));
  }
  const { expected } = projection;
  hint(parts.node, expected === null || expected === undefined ? noPast() : tn("{n} contact still expected", "{n} contacts still expected", Math.round(expected), { n: count(Math.round(expected)) }));
}

export function drawForecast(parts, projection) {
  hide(parts.node, !projection);
  if (!projection) return;
  drawLine(parts.interval, projection.interval, t("until {time}", { time: clockTime(projection.interval.to) }));
  drawLine(parts.day, projection.day, t("today"));
}

/** 632 today, +6 % on a usual Sunday; without a past only the count. */
export function comparedWords(compared) {
  if (!compared) return "";
  const { offered_now: today, offered_then: then } = compared;
  if (then === null || then === undefined || then <= 0) return t("{n} today", { n: count(today) });
  return t("{n} today, {change}", { n: count(today), change: growth((today - then) / then) });
}

/** The same where there is little room. */
export function comparedShort(compared) {
  if (!compared) return "";
  const { offered_now: today, offered_then: then } = compared;
  if (then === null || then === undefined || then <= 0) return count(today);
  return `${count(today)} ${growth((today - then) / then)}`;
}

/** The same at length. */
export function comparedHint(compared) {
  if (!compared) return "";
  const { offered_then: then, weeks } = compared;
  const { at, time_zone: timeZone } = shown.latest;
  if (then === null || then === undefined) return noPast();
  const day = weekday(at, timeZone);
  return tn("{then} by this time of day on the last {day}", "{then} by this time of day on average of the last {n} weeks, {day}", weeks, { then: count(Math.round(then)), day });
}
