// The firing alerts: how severe by shape and word, since when, and who looks after them. What nobody has acknowledged
// stands out and has a button; where the state of alerts is not known, the panel says so instead of looking calm.

import { acknowledge } from "./acknowledging.js";
import { place, sentence, severityWord } from "./alert_words.js";
import { count, duration, moment } from "./numbers.js";
import { arrange, at, hide, hint, make, mark, markSay, name, put, say, shape } from "./parts.js";
import { now, shown, shownAt } from "./shown.js";
import { announce, answer } from "./speaking.js";
import { t, tn } from "./words.js";

const items = new Map();
const troubles = new Map(); // an alert's id -> what went wrong with its acknowledgement
const asked = new Set(); // acknowledgements that the server has not answered yet
const told = new Set();
let first = true;

function makeAlert(id) {
  const critical = mark("critical");
  const warning = mark("warning");
  const words = make("b", "alert-words");
  const where = make("span", "alert-place");
  const since = make("span", "alert-since");
  const held = make("span", "alert-held");
  const by = make("span", "", "");
  const owner = make("span", "alert-owner", shape("met"), by);
  const trouble = make("span", "alert-trouble");
  const button = make("button", "acknowledge", t("Acknowledge"));
  button.type = "button";
  button.addEventListener("click", () => press(id));
  const node = make("li", "alert", make("span", "alert-head", critical.node, warning.node, since), button, make("p", "alert-body", where, " ", words), make("span", "alert-line", held, owner, trouble));
  node.dataset.alert = id;
  return { node, critical, warning, words, where, since, held, by, owner, trouble, button };
}

async function press(id) {
  if (asked.has(id)) return;
  asked.add(id);
  redraw();
  const trouble = await acknowledge(id);
  if (trouble === "") {
    // The stream brings the acknowledgement; a minute later the button is back, should it have been lost.
    setTimeout(() => {
      asked.delete(id);
      redraw();
    }, 60_000);
    troubles.delete(id);
  } else {
    asked.delete(id);
    if (trouble) {
      troubles.set(id, trouble);
      answer(trouble);
    }
  }
  redraw();
}

function drawAlert(parts, alert) {
  const { acknowledged } = alert;
  name(parts.node, ["alert", alert.severity, acknowledged ? "acknowledged" : "new", alert.held ? "held" : ""].join(" ").trim());
  markSay(parts.critical, alert.severity === "critical" ? severityWord("critical") : "");
  markSay(parts.warning, alert.severity === "critical" ? "" : severityWord("warning"));
  say(parts.words, sentence(alert));
  hint(parts.words, alert.title ?? "");
  say(parts.where, place(alert));
  parts.alert = alert;
  say(parts.held, alert.held ? t("held: figures are old") : "");
  hide(parts.held, !alert.held);
  hide(parts.owner, !acknowledged);
  if (acknowledged) say(parts.by, t("{name} since {time}", { name: acknowledged.by, time: moment(acknowledged.at, now()) }));
  const wait = asked.has(alert.id);
  if (acknowledged && document.activeElement === parts.button) {
    parts.node.tabIndex = -1; // the button goes; who came by keys stays where they are
    parts.node.focus();
  }
  hide(parts.button, Boolean(acknowledged));
  put(parts.button, "aria-disabled", String(wait));
  say(parts.button, wait ? t("Being acknowledged…") : t("Acknowledge"));
  put(parts.button, "aria-label", t("Acknowledge: {alert}", { alert: `${parts.words.textContent}, ${parts.where.textContent}` }));
  const trouble = acknowledged ? "" : troubles.get(alert.id) ?? "";
  hide(parts.trouble, !trouble);
  say(parts.trouble, trouble);
  tickAlert(parts);
}

function tickAlert(parts) {
  const { since } = parts.alert;
  say(parts.since, t("since {time}", { time: moment(since, now()) }));
  hint(parts.since, duration(Math.max(0, shownAt() - since)));
}

let drawnAtMost = Infinity;

const redraw = () => shown.latest && drawAlerts(shown.latest.alerts, drawnAtMost);

/** Draw the alerts, at most so many; returns how many of those listed were left out. */
export function drawAlerts(alerts, atMost) {
  drawnAtMost = atMost;
  const known = alerts?.state === "live";
  const listed = alerts?.listed ?? [];
  const seen = listed.slice(0, atMost);
  put(at("alerts"), "data-known", String(known));
  arrange(at("alert-list"), seen.map((alert) => alert.id), items, makeAlert);
  for (const alert of seen) drawAlert(items.get(alert.id), alert);
  const total = alerts?.total ?? listed.length;
  say(at("alerts-unknown"), known ? "" : alerts?.state === "stale" ? t("Not known now: these were the last") : t("Not known: the alerts are not read yet"));
  hide(at("alerts-unknown"), known);
  hide(at("alerts-none"), !known || total > 0);
  const fresh = listed.filter((alert) => !alert.acknowledged).length;
  const silenced = alerts?.silenced ?? 0;
  const counts = [total ? tn("{n} firing", "{n} firing", total, { n: count(total) }) : "", silenced ? tn("{n} silenced", "{n} silenced", silenced, { n: count(silenced) }) : ""];
  say(at("alerts-total"), known ? counts.filter(Boolean).join(" · ") : "");
  const more = total - seen.length;
  hide(at("alerts-more"), more <= 0);
  say(at("alerts-more"), more > 0 ? tn("and {n} more", "and {n} more", more, { n: count(more) }) : "");
  put(at("alerts"), "data-fresh", String(fresh > 0));
  if (known) tell(listed);
  for (const id of troubles.keys()) if (!listed.some((alert) => alert.id === id)) troubles.delete(id);
  return listed.length - seen.length;
}

/** Screen readers hear of alerts that begin to fire. */
function tell(listed) {
  for (const alert of listed) {
    if (told.has(alert.id)) continue;
    told.add(alert.id);
    if (!first && !alert.acknowledged) announce(`${severityWord(alert.severity)}: ${sentence(alert)}, ${place(alert)}`);
  }
  first = false;
  const there = new Set(listed.map((alert) => alert.id));
  for (const id of told) if (!there.has(id)) told.delete(id);
}

export function tickAlerts() {
  for (const parts of items.values()) tickAlert(parts);
}

/** Put the focus on the first alert that nobody has acknowledged. */
export function focusAlert() {
  at("alert-list").querySelector("button:not([hidden])")?.focus();
}
