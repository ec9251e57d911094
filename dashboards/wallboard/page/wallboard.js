"use strict";

// The page draws what `/api/stream` says, and never passes old numbers off as new: whatever is older than three seconds
// is greyed out, with its age and the reason. Ages tick here, by the server's clock; nothing is computed twice.

const STALE_AFTER_MS = 3000;
const SILENT_AFTER_MS = 3000;
const GIVEN_UP_AFTER_MS = 6000;
const NARROW = 1100; // as in the style sheet: below it the page scrolls
const SMALLEST = 0.55; // letters are never smaller than this share of their size
const WINDOWS = ["5m", "15m", "30m", "60m", "today"];
const CHANNELS = { call: "Calls", chat: "Chats", email: "E-mails" };
const FORMULAS = {
  short_excluded: "in time ÷ all but short abandons",
  answered_only: "in time ÷ answered",
  offered: "in time ÷ answered and abandoned",
  abandons_met: "in time, abandons too ÷ all",
  excluding_abandoned_within: "in time ÷ all but abandons in time",
};
const NONE = "–";
const UNASSIGNED = "unassigned"; // the queue of contacts that named none

const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

let latest = null; // the newest figures
let freshness = null; // the newest word on how fresh they are
let heardAt = -Infinity; // by the page's own monotonic clock
let clockAhead = 0; // server's clock minus the page's
let source = null;
let chosen = "15m";
const rows = new Map();
const verdicts = new Map();

// --- words for numbers -------------------------------------------------------------------------------------------

/** 1:23, 2 h 05, 3 d 04 h: never a bare number of seconds. */
function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const s = Math.max(0, Math.round(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  const minutes = Math.floor(s / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)}`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

/** A target as people say it: 20 s, 5 min, 24 h. */
function target(ms) {
  if (ms % 3600000 === 0) return `${ms / 3600000} h`;
  if (ms % 60000 === 0 && ms >= 120000) return `${ms / 60000} min`;
  return ms % 1000 === 0 && ms < 120000 ? `${ms / 1000} s` : duration(ms);
}

/** Cut, never rounded up: 99.96 % is not 100 %, and 79.98 % has not met 80 %. */
function share(value) {
  if (value === null || value === undefined) return NONE;
  return value >= 1 ? "100 %" : `${(Math.floor(value * 1000 + 1e-6) / 10).toFixed(1)} %`;
}

const count = (n) => (n === null || n === undefined ? NONE : whole.format(n));
/** A count with a place of five characters: 12.3k from ten thousand on. */
const short = (n) => (n < 10000 ? count(n) : `${(Math.floor(n / 100) / 10).toFixed(n < 100000 ? 1 : 0)}k`);
const clockTime = (ms, seconds) =>
  new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined });
const now = () => Date.now() + clockAhead;
/** What ages are told by: numbers that are no longer live do not age as if they were. */
const shownAt = () => (document.body.dataset.state === "live" || !freshness || freshness.as_of === null ? now() : freshness.as_of);

// --- small parts of the page ---------------------------------------------------------------------------------------

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function shape(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

/** Change text only where it differs, so that nothing is laid out for nothing. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(kind, text = "") {
  const words = make("span", "", text);
  const node = make("span", `mark ${kind}`, shape(kind), words);
  return { node, words };
}

function markSay(of, text) {
  of.node.hidden = !text;
  say(of.words, text);
}

const verdict = (level, policy) => (level === null || !policy ? "none" : level >= policy.objective ? "met" : "below");

/** Service level: the number, a bar with the goal on it, and in words and shape whether it is met. */
function levelParts() {
  const number = make("b");
  const bar = make("div", "bar", make("i"), make("u"));
  const met = mark("met", "met");
  const below = mark("below", "below");
  const goal = make("span");
  const live = make("small");
  const node = make("div", "level", number, make("div", "gauge", bar, live), make("div", "goal", met.node, below.node, goal));
  return { node, number, bar, met, below, goal, live };
}

function drawLevel(parts, group, figures) {
  const { policy } = group;
  const level = figures.service_level;
  const judged = verdict(level, policy);
  parts.node.className = `level ${judged}`;
  say(parts.number, share(level));
  parts.bar.firstChild.style.width = `${(level ?? 0) * 100}%`;
  parts.bar.lastChild.hidden = !policy;
  if (policy) parts.bar.lastChild.style.left = `${policy.objective * 100}%`;
  const goal = policy ? `${Math.round(policy.objective * 1000) / 10} % in ${target(policy.target_ms)}` : "";
  markSay(parts.met, judged === "met" ? `meets ${goal}` : "");
  markSay(parts.below, judged === "below" ? `below ${goal}` : "");
  say(parts.goal, judged !== "none" ? "" : policy ? `goal ${goal}` : "targets differ");
  const live = group.now.breached ? figures.service_level_live : null;
  say(parts.live, live === null ? "" : `now ${share(live)}`);
  parts.live.title = "With those that wait beyond their target now counted as missed";
  return judged;
}

// --- rows ---------------------------------------------------------------------------------------------------------

function cell(className, label, ...children) {
  const node = make("div", `cell ${className}`, make("span", "label", label), ...children);
  node.setAttribute("role", "cell");
  return node;
}

function makeRow(group) {
  const isChannel = group.queue === null;
  const title = isChannel ? CHANNELS[group.channel] ?? group.channel : group.queue || "unassigned";
  const parts = { title, isChannel };
  for (const name of ["waiting", "longest", "offered", "answered", "abandoned", "rate"]) parts[name] = make(name === "longest" || name === "rate" ? "small" : "b");
  for (const name of ["median", "aht", "toreply"]) parts[name] = make("b");
  for (const name of ["response90", "handle90", "longestReply", "bot"]) parts[name] = make("small");
  parts.risk = mark("risk");
  parts.breach = mark("breach");
  parts.level = levelParts();
  parts.tags = make("ul", "tags");
  const name = make("div", "name", ...(isChannel && CHANNELS[group.channel] ? [shape(group.channel)] : []), make("b", "", title));
  name.setAttribute("role", "rowheader");
  name.title = group.queue === UNASSIGNED ? "Contacts that no queue was named for: with a bot, in a menu, or not queued yet" : title;
  if (group.queue === UNASSIGNED) name.append(make("small", "", "not queued"));
  const level = make("div", "levelcell", make("span", "label", "Service level"), parts.level.node);
  level.setAttribute("role", "cell");
  const tags = make("div", "tagcell", make("span", "label", "Top tags"), parts.tags);
  tags.setAttribute("role", "cell");
  parts.cells = {
    waiting: cell("waiting", "Waiting now", parts.waiting, make("div", "stack", parts.longest, parts.breach.node, parts.risk.node)),
    offered: cell("num counted", "Offered", parts.offered, make("small")),
    answered: cell("num counted", "Answered", parts.answered, parts.bot),
    abandoned: cell("num counted", "Abandoned", parts.abandoned, make("small")),
    response: cell("num pair", "First response", parts.median, parts.response90),
    handle: cell("num pair", "Handle time", parts.aht, parts.handle90),
    toreply: cell("num toreply", "To reply now", parts.toreply, parts.longestReply),
  };
  const c = parts.cells;
  parts.node = make("div", isChannel ? "row channel" : "row queue", name, c.waiting, level, c.offered, c.answered, c.abandoned, c.response, c.handle, c.toreply, tags);
  parts.node.setAttribute("role", "row");
  parts.node.dataset.channel = group.channel;
  parts.node.dataset.queue = group.queue ?? "";
  return parts;
}

function drawRow(parts, group) {
  const figures = group.windows[latest.window];
  const gauges = group.now;
  say(parts.waiting, short(gauges.waiting));
  parts.cells.waiting.title = `${count(gauges.waiting)} waiting`;
  parts.cells.waiting.classList.toggle("quiet", !gauges.waiting);
  markSay(parts.risk, gauges.at_risk ? `${short(gauges.at_risk)} at risk` : "");
  markSay(parts.breach, gauges.breached ? `${short(gauges.breached)} late` : "");
  for (const name of ["offered", "answered", "abandoned"]) {
    say(parts[name], count(figures[name]));
    parts.cells[name].classList.toggle("quiet", !figures[name]);
  }
  say(parts.bot, figures.bot_contained ? `${short(figures.bot_contained)} bot` : "");
  parts.bot.title = figures.bot_contained ? `${count(figures.bot_contained)} settled by a bot, with no human asked for` : "";
  say(parts.median, duration(figures.first_response.p50_ms));
  say(parts.response90, duration(figures.first_response.p90_ms));
  parts.cells.response.classList.toggle("quiet", !figures.first_response.n);
  say(parts.aht, duration(figures.aht_ms));
  say(parts.handle90, duration(figures.handle.p90_ms));
  parts.cells.handle.classList.toggle("quiet", !figures.handle.n);
  say(parts.toreply, short(gauges.awaiting_reply));
  parts.cells.toreply.classList.toggle("quiet", !gauges.awaiting_reply);
  const judged = drawLevel(parts.level, group, figures);
  parts.node.classList.toggle("below-goal", judged === "below" && !parts.isChannel);
  drawTags(parts.tags, figures.tags);
  parts.gauges = gauges;
  tickRow(parts);
  return judged;
}

function drawTags(list, tags) {
  const key = JSON.stringify(tags);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(
    ...tags.map(({ tag, n, known }) => {
      const item = make("li", known ? "" : "unknown", tag, make("b", "", count(n)));
      item.title = known ? `${tag}: ${n}` : `${tag}: ${n}, not in the taxonomy`;
      return item;
    }),
  );
}

/** What ages by itself. */
function tickRow(parts) {
  const { oldest_waiting_since: waiting, oldest_awaiting_since: awaiting } = parts.gauges;
  say(parts.longest, waiting === null ? "" : duration(shownAt() - waiting));
  say(parts.longestReply, awaiting === null ? "" : duration(shownAt() - awaiting));
}

// --- the centre -----------------------------------------------------------------------------------------------------

const centre = {};

function makeCentre() {
  const tile = (name, label, ...beside) => {
    const figure = make("dd", "figure");
    const under = make("dd", "under");
    centre[name] = { figure, under };
    return make("dl", `tile t-${name}`, make("dt", "", label), figure, make("dd", "beside", ...beside), under);
  };
  centre.breach = mark("breach");
  centre.risk = mark("risk");
  at("centre").append(
    tile("waiting", "Waiting now", centre.breach.node, centre.risk.node),
    tile("level", "Service level"),
    tile("offered", "Offered"),
    tile("answered", "Answered"),
    tile("abandoned", "Abandoned"),
    tile("response", "Median response"),
    tile("handle", "Average handle"),
    tile("open", "Open now"),
  );
}

function drawCentre(group) {
  const figures = group.windows[latest.window];
  const gauges = group.now;
  centre.gauges = gauges;
  const set = (name, figure, under) => {
    say(centre[name].figure, figure);
    say(centre[name].under, under);
  };
  say(centre.waiting.figure, count(gauges.waiting));
  markSay(centre.breach, gauges.breached ? `${count(gauges.breached)} late` : "");
  markSay(centre.risk, gauges.at_risk ? `${count(gauges.at_risk)} at risk` : "");
  const judged = latest.groups.filter((each) => each.queue !== null && verdict(each.windows[latest.window].service_level, each.policy) !== "none");
  const met = judged.filter((each) => verdict(each.windows[latest.window].service_level, each.policy) === "met").length;
  set("level", share(figures.service_level), judged.length ? `${met} of ${judged.length} queues on goal` : "");
  set("offered", count(figures.offered), figures.bot_contained ? `${count(figures.bot_contained)} settled by a bot` : "");
  set("answered", count(figures.answered), figures.offered ? `${share(Math.min(1, figures.answered / figures.offered))} of offered` : "");
  set("abandoned", count(figures.abandoned), figures.offered ? `${share(Math.min(1, figures.abandoned / figures.offered))} of offered` : "");
  set("response", duration(figures.first_response.p50_ms), `90 % in ${duration(figures.first_response.p90_ms)}`);
  set("handle", duration(figures.aht_ms), `90 % in ${duration(figures.handle.p90_ms)}`);
  set("open", count(gauges.open), `${count(gauges.handling)} in handling`);
  tickCentre();
}

function tickCentre() {
  if (!centre.gauges) return;
  const since = centre.gauges.oldest_waiting_since;
  say(centre.waiting.under, since === null ? "nobody waits" : `longest ${duration(shownAt() - since)}`);
}

// --- drawing all -----------------------------------------------------------------------------------------------------

function draw() {
  const [all, ...others] = latest.groups;
  const empty = others.length === 0;
  at("empty").hidden = !empty || latest.state !== "live";
  at("board").hidden = at("centre").hidden = empty;
  drawCentre(all);
  drawAgents(empty ? [] : latest.agents);
  const wanted = new Set();
  const body = at("rows");
  const heard = [];
  let previous = null;
  for (const group of others) {
    const key = JSON.stringify([group.channel, group.queue]);
    wanted.add(key);
    if (!rows.has(key)) rows.set(key, makeRow(group));
    const parts = rows.get(key);
    if (parts.node.parentNode !== body || parts.node.previousSibling !== previous) body.insertBefore(parts.node, previous ? previous.nextSibling : body.firstChild);
    previous = parts.node;
    const judged = drawRow(parts, group);
    if (!parts.isChannel) heard.push([key, `${parts.title}, ${CHANNELS[group.channel] ?? group.channel}`, judged]);
  }
  for (const [key, parts] of rows) {
    if (wanted.has(key)) continue;
    parts.node.remove();
    rows.delete(key);
  }
  const size = `${rows.size} ${at("agents").childElementCount}`;
  if (body.dataset.size !== size) {
    body.dataset.size = size;
    fit();
  }
  const formulas = new Set(latest.groups.map((group) => group.formula));
  say(at("formula"), formulas.size === 1 ? FORMULAS[all.formula] : "formula by queue");
  at("formula").title = [...formulas].join(", ");
  for (const parts of rows.values()) parts.level.node.title = "";
  for (const group of others) rows.get(JSON.stringify([group.channel, group.queue])).level.node.title = `${group.formula}: ${FORMULAS[group.formula]}`;
  drawSpan();
  announce(heard);
}

/** Many queues: smaller letters, down to a size, rather than a board that somebody would have to scroll. */
function fit() {
  const root = document.documentElement;
  root.style.setProperty("--fit", 1);
  if (window.innerWidth <= NARROW || at("board").hidden) return;
  let size = 1;
  for (let step = 0; step < 3 && root.scrollHeight > window.innerHeight && size > SMALLEST; step += 1) {
    size = Math.max(SMALLEST, (size * window.innerHeight) / root.scrollHeight - 0.002);
    root.style.setProperty("--fit", size);
  }
}

function drawSpan() {
  const { from, to } = latest.windows[latest.window];
  const centreZone = latest.time_zone;
  const text =
    latest.window === "today"
      ? `since ${clockTime(from)} (midnight in ${centreZone})`
      : `from ${clockTime(from)} to ${clockTime(Math.min(to, shownAt()))}`;
  say(at("span"), text);
}

/** Tell screen readers what matters only: a queue that falls below its goal, or is back above it. */
function announce(heard) {
  const news = [];
  for (const [key, title, judged] of heard) {
    const before = verdicts.get(key + latest.window);
    verdicts.set(key + latest.window, judged);
    if (before === "met" && judged === "below") news.push(`${title}: service level is below its goal`);
    if (before === "below" && judged === "met") news.push(`${title}: service level meets its goal again`);
  }
  if (news.length) speak(news.slice(0, 3).join(". "));
}

function speak(text) {
  say(at("spoken"), text);
}

// --- how fresh it is -------------------------------------------------------------------------------------------------

/** Name the state of the page, and say what is wrong where something is. */
function condition() {
  const silentMs = performance.now() - heardAt;
  const ageMs = freshness && freshness.as_of !== null ? now() - freshness.as_of : null;
  const age = ageMs === null ? "" : `numbers are ${duration(ageMs)} old`;
  if (silentMs > SILENT_AFTER_MS) {
    const words = heardAt === -Infinity ? "connecting to the wallboard" : ["connection to the wallboard lost", age, "trying again"].filter(Boolean).join(" · ");
    return ["lost", heardAt === -Infinity ? "connecting" : "no connection", words];
  }
  const { state, reason } = freshness;
  if (state === "waiting") return ["waiting", "waiting", reason];
  if (state === "reading") return ["reading", "reading", `${reason}: numbers are not complete yet`];
  if (state === "stale" || (ageMs !== null && ageMs > STALE_AFTER_MS + 1500)) {
    return ["stale", ageMs === null ? "stale" : `${duration(ageMs)} old`, [reason, age].filter(Boolean).join(" · ")];
  }
  return ["live", "live", ""];
}

let told = "";

function drawCondition() {
  const [state, word, words] = condition();
  document.body.dataset.state = state;
  say(at("freshness-text"), word);
  const notice = at("notice");
  // The age ticks where people see it; a screen reader hears the change of state once.
  notice.setAttribute("role", "presentation");
  notice.hidden = !words || (state === "lost" && heardAt === -Infinity && performance.now() < 1500);
  say(notice, words);
  if (state !== told) {
    if (told) speak(state === "live" ? "The wallboard is live" : words);
    told = state;
  }
  document.title = state === "live" ? "Pulssi" : `Pulssi: ${word}`;
}

function tick() {
  drawCondition();
  const time = Date.now();
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  say(at("clock"), clockTime(time, true));
  const centreZone = latest ? latest.time_zone : null;
  const elsewhere = centreZone && centreZone !== zone;
  const there = elsewhere ? new Date(now()).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: centreZone }) : "";
  say(at("zone"), elsewhere ? `${zone} · centre ${centreZone} ${there}` : zone);
  for (const parts of rows.values()) tickRow(parts);
  tickCentre();
}

// --- the stream ------------------------------------------------------------------------------------------------------

function heard(message) {
  heardAt = performance.now();
  const ahead = message.at - Date.now();
  // Delay only ever makes the server's clock look behind; a jump means that a clock was set.
  clockAhead = freshness === null || Math.abs(ahead - clockAhead) > 2000 ? ahead : Math.max(ahead, clockAhead - 5);
  if (freshness && message.edition !== freshness.edition) location.reload();
  freshness = message;
}

function listen() {
  if (source) source.close();
  const window = chosen;
  source = new EventSource(`api/stream?window=${window}`);
  source.addEventListener("live", (event) => {
    const message = JSON.parse(event.data);
    heard(message);
    latest = { ...message, window };
    draw();
    tick();
  });
  source.addEventListener("tick", (event) => {
    heard(JSON.parse(event.data));
    if (latest) drawSpan();
    drawCondition();
  });
  openedAt = performance.now();
}

let openedAt = 0;

/** A browser gives up on some answers, and a dead line can look open: then begin anew. */
function watch() {
  const silentSince = Math.max(heardAt, openedAt);
  if (source.readyState === EventSource.CLOSED ? performance.now() - openedAt > 1000 : performance.now() - silentSince > GIVEN_UP_AFTER_MS) listen();
}

// --- the window ------------------------------------------------------------------------------------------------------

function choose(name, spoken) {
  if (!WINDOWS.includes(name)) name = "15m";
  document.querySelector(`input[value="${name}"]`).checked = true;
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  if (name === chosen && source) return;
  chosen = name;
  listen();
  if (spoken) speak(name === "today" ? "Today" : `Last ${parseInt(name, 10)} minutes`);
}

at("switch").addEventListener("change", (event) => choose(event.target.value, false));
window.addEventListener("hashchange", () => choose(location.hash.slice(1), true));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const index = Number(event.key) - 1;
  if (WINDOWS[index]) choose(WINDOWS[index], true);
});

window.addEventListener("resize", fit);
makeCentre();
choose(location.hash.slice(1) || "15m", false);
setInterval(() => {
  tick();
  watch();
}, 250);
tick();
