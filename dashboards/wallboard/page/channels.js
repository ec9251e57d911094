// The top row: a card for each channel, live channels first. Calls and chats tell who waits, how long, and whether that is
// within the goal; e-mail is a backlog, with what is due next. No number mixes channels.

import { makeNext, tickNext } from "./due.js";
import { comparedHint, comparedWords, drawForecast, makeForecast } from "./forecast.js";
import { lateOf, longestGrade, riskOf, waitingGrade } from "./grades.js";
import { drawLevel, makeLevel } from "./level.js";
import { explain } from "./meanings.js";
import { channelName, LIVE, queueName } from "./names.js";
import { count, duration, NONE, short } from "./numbers.js";
import { arrange, at, hide, hint, make, mark, markSay, put, say, sayNumber, shape } from "./parts.js";
import { figuresOf, shownAt } from "./shown.js";
import { drawLevelLine, drawSparkline, makeLevelLine, makeSparkline } from "./sparkline.js";
import { t } from "./words.js";

const cards = new Map();

function figure(className, label, what, ...under) {
  const number = explain(make("b"), what);
  const words = explain(make("dt", "", label), what);
  return { node: make("div", `figure ${className}`, words, make("dd", "", number), make("dd", "under", ...under)), number, label: words };
}

function makeCard(channel) {
  const live = LIVE.has(channel);
  const parts = { channel, live, late: mark("breach"), risk: mark("risk"), stale: mark("stale"), limit: mark("limit"), longLimit: mark("limit") };
  for (const kind of ["late", "risk", "stale", "limit"]) explain(parts[kind].node, kind);
  explain(parts.longLimit.node, "limit");
  parts.more = make("small");
  parts.next = makeNext(live ? "next-due" : "next-due big");
  parts.nextLabel = make("small", "", t("next target"));
  parts.waiting = figure("waiting", live ? t("Waiting") : t("Backlog"), live ? "waiting" : "backlog", parts.late.node, parts.risk.node, parts.stale.node, ...(live ? [] : [parts.limit.node]));
  if (live) parts.waiting.node.append(make("dd", "under own-limit", parts.limit.node)); // below its own figure, not below the next one's
  parts.longest = live
    ? figure("longest", t("Longest wait"), "longest", parts.longLimit.node, make("span", "next-line", parts.nextLabel, parts.next.node))
    : figure("longest", t("Due next"), "target", parts.more);
  if (!live) parts.longest.number.replaceWith(parts.next.node);
  parts.level = makeLevel();
  parts.compared = make("small", "compared");
  parts.spark = makeSparkline("hour");
  parts.line = makeLevelLine();
  parts.forecast = makeForecast();
  const title = make("h2", "", shape(channel), make("span", "", channelName(channel)));
  const level = make("div", "figure level-figure", explain(make("dt", "", t("Service level")), "level"), make("dd", "", parts.level.node));
  const hour = explain(make("div", "hour-trend", parts.line.node, parts.spark.node, make("small", "", t("last hour"))), "hour");
  parts.node = make("article", "channel-card", make("header", "", title, parts.compared), make("dl", "figures-row", parts.waiting.node, parts.longest.node, level), make("div", "foot", hour, parts.forecast.node));
  parts.node.dataset.channel = channel;
  put(parts.node, "aria-label", channelName(channel));
  return parts;
}

function drawGrade(parts, grade, limit, words) {
  put(parts.figure.node, "data-grade", grade);
  markSay(parts.mark, limit === null ? "" : words);
}

function drawCard(parts, group) {
  const { now } = group;
  parts.group = group;
  sayNumber(parts.waiting.number, short(parts.live ? now.waiting : now.open), 4);
  parts.waiting.node.classList.toggle("quiet", !(parts.live ? now.waiting : now.open));
  markSay(parts.late, lateOf(now) ? t("{n} late", { n: short(lateOf(now)) }) : "");
  markSay(parts.risk, riskOf(now) ? t("{n} at risk", { n: short(riskOf(now)) }) : "");
  markSay(parts.stale, now.stale && !(lateOf(now) && riskOf(now)) ? t("{n} stale", { n: short(now.stale) }) : "");
  const waiting = waitingGrade(group);
  drawGrade({ figure: parts.waiting, mark: parts.limit }, waiting.grade, waiting.limit, t("limit {n}", { n: count(waiting.limit) }));
  drawLevel(parts.level, group, figuresOf(group));
  say(parts.compared, comparedWords(group.compared));
  hint(parts.compared, comparedHint(group.compared));
  drawSparkline(parts.spark, group.trend);
  drawLevelLine(parts.line, group.trend, group.policy);
  drawForecast(parts.forecast, group.projection);
  tickCard(parts);
}

function tickCard(parts) {
  const { now, due } = parts.group;
  const coming = (due ?? []).find((each) => each.due_at >= shownAt());
  if (parts.live) {
    const since = now.oldest_waiting_since;
    sayNumber(parts.longest.number, since === null ? NONE : duration(shownAt() - since));
    parts.longest.node.classList.toggle("quiet", since === null);
    const longest = longestGrade(parts.group);
    drawGrade({ figure: parts.longest, mark: parts.longLimit }, longest.grade, longest.limit, t("limit {n}", { n: duration(longest.limit) }));
    hide(parts.nextLabel.parentNode, !coming);
  }
  tickNext(parts.next, coming);
  if (!parts.live) say(parts.more, [t("{n} without an answer", { n: short(now.waiting) }), coming ? t("next: {queue}", { queue: queueName(coming.queue) }) : ""].filter(Boolean).join(" · "));
}

/** The board's channels that have contacts, in its order. */
function order(groups, wanted) {
  const there = new Map(groups.filter((group) => group.queue === null && group.channel !== null).map((group) => [group.channel, group]));
  const rank = (channel) => (LIVE.has(channel) ? 0 : 1);
  const names = wanted?.filter((channel) => there.has(channel)) ?? [...there.keys()].sort((one, other) => rank(one) - rank(other));
  return names.map((channel) => there.get(channel));
}

export function drawChannels(latest) {
  const groups = order(latest.groups, latest.board?.channels);
  const parent = at("channels");
  arrange(parent, groups.map((group) => group.channel), cards, makeCard);
  put(parent, "data-many", String(groups.length));
  for (const group of groups) drawCard(cards.get(group.channel), group);
}

export function tickChannels() {
  for (const parts of cards.values()) tickCard(parts);
}
