// The table: a row for each queue below its channel's, changed in place. Where more queues are there than fit, it shows the
// worst first and says how many more there are.

import { makeNext, tickNext } from "./due.js";
import { comparedHint, comparedShort } from "./forecast.js";
import { lateOf, longestGrade, riskOf, waitingGrade } from "./grades.js";
import { drawLevel, formulaWords, makeLevel, verdict } from "./level.js";
import { explain } from "./meanings.js";
import { channelName, queueName, UNASSIGNED } from "./names.js";
import { count, duration, share, short } from "./numbers.js";
import { arrange, at, hide, hint, make, mark, markSay, put, say, sayNumber, shape } from "./parts.js";
import { figuresOf, shown, shownAt } from "./shown.js";
import { announce } from "./speaking.js";
import { drawSparkline, makeSparkline } from "./sparkline.js";
import { drawTagLine, makeTagLine } from "./tags.js";
import { t, tn } from "./words.js";
import { worstFirst } from "./worst.js";

const rows = new Map();
const verdicts = new Map();
let limit = Infinity; // how many queues there is room for

const HEADINGS = () => [
  ["name", t("Queue"), "", ""],
  ["waiting", t("Waiting"), t("longest wait"), "waiting"],
  ["due", t("Next target"), "", "target"],
  ["levelcell", t("Service level"), "", "level"],
  ["hour", t("Last hour"), t("today"), "hour"],
  ["num offered", t("Offered"), t("answered"), "offered"],
  ["num abandoned", t("Abandoned"), t("share"), "abandoned"],
  ["num response", t("Response"), t("median, 90%"), "response"],
  ["num handle", t("Handling"), t("mean, 90%"), "handling"],
  ["num toreply", t("To reply"), t("longest"), "reply"],
  ["tagcell", t("Tags"), "", "tags"],
];

export function makeHead() {
  const head = make("div", "row head");
  put(head, "role", "row");
  for (const [className, words, under, what] of HEADINGS()) {
    const node = make("span", className, words, ...(under || className === "levelcell" ? [make("small", "", under)] : []));
    put(node, "role", "columnheader");
    if (what) explain(node, what);
    if (className === "levelcell") node.lastChild.id = "formula";
    head.append(node);
  }
  at("board").prepend(head);
}

function cell(className, label, what, ...children) {
  const node = make("div", `cell ${className}`, make("span", "label", label), ...children);
  put(node, "role", "cell");
  return explain(node, what);
}

function makeRow(key) {
  const [channel, queue] = JSON.parse(key);
  const isChannel = queue === null;
  const title = isChannel ? channelName(channel) : queueName(queue);
  const parts = { channel, queue, title, isChannel, graded: mark("limit"), longGraded: mark("limit") };
  for (const each of ["waiting", "offered", "abandoned", "median", "aht", "toreply"]) parts[each] = make("b");
  for (const each of ["longest", "answered", "rate", "response90", "handle90", "longestReply", "more", "compared"]) parts[each] = make("small");
  parts.risk = mark("risk");
  parts.late = mark("breach");
  parts.stale = mark("stale");
  for (const [kind, { node }] of Object.entries({ late: parts.late, risk: parts.risk, stale: parts.stale })) explain(node, kind);
  parts.next = makeNext("next-due");
  parts.level = makeLevel();
  parts.spark = makeSparkline();
  parts.tags = makeTagLine();
  const words = make("b", "", title);
  const name = make("div", "name", ...(isChannel ? [shape(channel)] : []), words, parts.more);
  put(name, "role", "rowheader");
  hint(name, queue === UNASSIGNED ? t("Contacts that no queue was named for: with a bot, in a menu, or not queued yet") : title);
  if (queue === UNASSIGNED) say(parts.more, t("not queued"));
  const wait = make("div", "stack", parts.longest, make("span", "marks", parts.late.node, parts.risk.node, parts.stale.node));
  parts.cells = {
    waiting: cell("waiting", t("Waiting"), "waiting", make("span", "number", parts.waiting), wait),
    due: cell("due", t("Next target"), "target", parts.next.node),
    level: cell("levelcell", t("Service level"), "level", parts.level.node),
    hour: cell("hour", t("Last hour"), "hour", parts.spark.node, parts.compared),
    offered: cell("num offered", t("Offered"), "offered", parts.offered, parts.answered),
    abandoned: cell("num abandoned", t("Abandoned"), "abandoned", parts.abandoned, parts.rate),
    response: cell("num response", t("Response"), "response", parts.median, parts.response90),
    handle: cell("num handle", t("Handling"), "handling", parts.aht, parts.handle90),
    toreply: cell("num toreply", t("To reply"), "reply", parts.toreply, parts.longestReply),
    tags: cell("tagcell", t("Tags"), "tags", parts.tags.node),
  };
  parts.node = make("div", isChannel ? "row channel" : "row queue", name, ...Object.values(parts.cells));
  put(parts.node, "role", "row");
  parts.node.dataset.channel = channel;
  parts.node.dataset.queue = queue ?? "";
  return parts;
}

function drawRow(parts, group) {
  const figures = figuresOf(group);
  const { now } = group;
  const { cells } = parts;
  parts.group = group;
  sayNumber(parts.waiting, short(now.waiting), 4);
  hint(parts.waiting, tn("{n} waiting", "{n} waiting", now.waiting, { n: count(now.waiting) }));
  const quiet = { waiting: !now.waiting, offered: !figures.offered, abandoned: !figures.abandoned, response: !figures.first_response.n, handle: !figures.handle.n, toreply: !now.awaiting_reply };
  for (const [each, is] of Object.entries(quiet)) cells[each].classList.toggle("quiet", is);
  put(cells.waiting, "data-grade", waitingGrade(group).grade);
  markSay(parts.late, lateOf(now) ? t("{n} late", { n: short(lateOf(now)) }) : "");
  markSay(parts.risk, riskOf(now) ? t("{n} at risk", { n: short(riskOf(now)) }) : "");
  markSay(parts.stale, now.stale && !lateOf(now) && !riskOf(now) ? t("{n} stale", { n: short(now.stale) }) : "");
  sayNumber(parts.offered, count(figures.offered));
  say(parts.answered, figures.bot_contained ? t("{n} bot", { n: short(figures.bot_contained) }) : figures.answered ? count(figures.answered) : "");
  hint(parts.answered, figures.bot_contained ? t("{n} answered, {bot} settled by a bot, with no human asked for", { n: count(figures.answered), bot: count(figures.bot_contained) }) : t("{n} answered", { n: count(figures.answered) }));
  sayNumber(parts.abandoned, count(figures.abandoned));
  say(parts.rate, figures.abandoned && figures.offered ? share(Math.min(1, figures.abandoned / figures.offered)) : "");
  sayNumber(parts.median, duration(figures.first_response.p50_ms));
  say(parts.response90, figures.first_response.n ? duration(figures.first_response.p90_ms) : "");
  sayNumber(parts.aht, duration(figures.aht_ms));
  say(parts.handle90, figures.handle.n ? duration(figures.handle.p90_ms) : "");
  sayNumber(parts.toreply, short(now.awaiting_reply));
  const judged = drawLevel(parts.level, group, figures);
  parts.node.classList.toggle("below-goal", judged === "below" && !parts.isChannel);
  drawSparkline(parts.spark, group.trend);
  say(parts.compared, comparedShort(group.compared));
  hint(parts.compared, comparedHint(group.compared));
  drawTagLine(parts.tags, figures.tags);
  tickRow(parts);
  return judged;
}

/** What ages by itself. */
function tickRow(parts) {
  const { oldest_waiting_since: waiting, oldest_awaiting_since: awaiting } = parts.group.now;
  say(parts.longest, waiting === null ? "" : duration(shownAt() - waiting));
  put(parts.longest, "data-grade", longestGrade(parts.group).grade);
  say(parts.longestReply, awaiting === null ? "" : duration(shownAt() - awaiting));
  tickNext(parts.next, parts.group.due?.[0]);
}

const keyOf = (group) => JSON.stringify([group.channel, group.queue]);

/** Draw the rows that there is room for; returns how many queues there are. */
export function drawQueues(latest) {
  const channels = latest.groups.filter((group) => group.queue === null && group.channel !== null);
  const queues = latest.groups.filter((group) => group.queue !== null);
  const chosen = queues.length > limit ? worstFirst(queues, limit) : queues;
  const order = channels.map((group) => group.channel);
  const wanted = latest.board?.channels?.filter((channel) => order.includes(channel)) ?? order;
  const seen = wanted.flatMap((channel) => [...channels.filter((group) => group.channel === channel), ...chosen.filter((group) => group.channel === channel)]);
  arrange(at("rows"), seen.map(keyOf), rows, makeRow);
  for (const group of seen) drawRow(rows.get(keyOf(group)), group);
  for (const { channel } of channels) {
    const parts = rows.get(JSON.stringify([channel, null]));
    if (!parts) continue;
    const all = queues.filter((group) => group.channel === channel).length;
    const more = all - chosen.filter((group) => group.channel === channel).length;
    say(parts.more, more ? `+${count(more)}` : "");
    hint(parts.more, more ? tn("and {n} more", "and {n} more", more, { n: count(more) }) : "");
  }
  const more = queues.length - chosen.length;
  hide(at("more"), !more);
  say(at("more"), more ? tn("Only the worst queues are shown; {n} more is left out", "Only the worst queues are shown; {n} more are left out", more) : "");
  const formulas = new Set(queues.map((group) => group.formula));
  say(at("formula"), formulas.size === 1 ? formulaWords([...formulas][0]) : formulas.size ? t("formula by queue") : "");
  tell(queues);
  return queues.length;
}

/** Tell screen readers what matters only: a queue that falls below its goal, or is back above it. */
function tell(queues) {
  for (const group of queues) {
    const key = keyOf(group) + shown.latest.window;
    const before = verdicts.get(key);
    const judged = verdict(figuresOf(group).service_level, group.policy);
    verdicts.set(key, judged);
    const queue = `${queueName(group.queue)}, ${channelName(group.channel)}`;
    if (before === "met" && judged === "below") announce(t("{queue}: service level is below its goal", { queue }));
    if (before === "below" && judged === "met") announce(t("{queue}: service level meets its goal again", { queue }));
  }
}

export function tickQueues() {
  for (const parts of rows.values()) tickRow(parts);
}

/** Show at most so many queues from the next drawing on. */
export function limitQueues(many) {
  limit = many;
}
