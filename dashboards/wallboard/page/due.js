// The contacts whose target is next, each with its countdown, by channel: live channels first. A list of contacts, and no
// totals. Countdowns tick here; which contacts they are comes with the figures.

import { channelName, queueName } from "./names.js";
import { duration, moment, NONE } from "./numbers.js";
import { at, arrange, hide, hint, lineUp, make, name, put, say, shape } from "./parts.js";
import { now, shownAt } from "./shown.js";
import { t } from "./words.js";

const METRICS = {
  first_response: t("first response"),
  next_response: t("next response"),
  resolution: t("resolution"),
  queue_wait: t("wait in the queue"),
};

const metricName = (metric) => METRICS[metric] ?? metric;

/** How it stands with a target: its state, and in words the time that is left or passed. */
export function countdown(due) {
  const left = due.due_at - shownAt(); // also of a contact that waits for somebody outside: this clock runs all the same
  if (left < 0) return { state: "breach", words: t("{time} late", { time: duration(-left) }) };
  return { state: due.warns_at !== null && shownAt() >= due.warns_at ? "risk" : "intime", words: duration(left) };
}

function makeEntry() {
  const queue = make("b", "due-queue");
  const what = make("small", "due-what");
  const shapes = { risk: shape("risk"), breach: shape("breach"), intime: shape("clock-face") };
  const left = make("span", "due-left");
  const node = make("li", "due-entry", make("span", "due-shapes", ...Object.values(shapes)), make("span", "due-words", queue, what), left);
  return { node, queue, what, shapes, left, due: null };
}

const lists = new Map();

function makeChannel(channel) {
  const entries = make("ol", "due-list");
  const title = make("h3", "", shape(channel), make("span", "", channelName(channel)));
  return { node: make("div", "due-channel", title, entries), entries, items: [] };
}

/** A contact's id without its source, as short as it can be told by. */
const shortId = (id) => id.split(":").at(-1);

export function drawDue(groups, atMost) {
  const channels = groups.filter((group) => group.queue === null && group.channel !== null && group.due?.length);
  arrange(at("due-channels"), channels.map((group) => group.channel), lists, makeChannel);
  let cut = 0;
  for (const group of channels) {
    const { entries, items } = lists.get(group.channel);
    const due = group.due.slice(0, atMost);
    cut += group.due.length - due.length;
    lineUp(entries, due.length, items, makeEntry);
    due.forEach((each, place) => {
      const parts = items[place];
      parts.due = each;
      say(parts.queue, queueName(each.queue));
      const words = [each.metric === "first_response" ? "" : metricName(each.metric), shortId(each.contact_id), each.paused ? t("waits for others") : ""];
      say(parts.what, words.filter(Boolean).join(" · "));
      hint(parts.node, `${each.contact_id}: ${metricName(each.metric)}, ${each.policy}, ${moment(each.due_at, now())}`);
    });
    items.slice(due.length).forEach((parts) => (parts.due = null));
  }
  hide(at("due-none"), channels.length > 0);
  tickDue();
  return cut;
}

export function tickDue() {
  for (const { items } of lists.values()) {
    for (const parts of items) {
      if (!parts.due) continue;
      const { state, words } = countdown(parts.due);
      if (parts.state !== state) {
        parts.state = state;
        name(parts.node, `due-entry ${state}`);
        for (const [kind, icon] of Object.entries(parts.shapes)) icon.classList.toggle("away", kind !== state);
        put(parts.node, "data-due", state);
      }
      say(parts.left, words);
    }
  }
}

/** The countdown of a row or card: of its most urgent contact. */
export function makeNext(className) {
  const parts = makeEntry();
  parts.node = make("span", className, make("span", "due-shapes", ...Object.values(parts.shapes)), parts.left);
  return { ...parts, base: className, state: null };
}

export function tickNext(parts, due) {
  const { state, words } = due ? countdown(due) : { state: "none", words: NONE };
  const late = state === "breach"; // there is room for its sign only; what it means is said to those who hear the page
  if (parts.state !== state) {
    parts.state = state;
    name(parts.node, `${parts.base} ${state}`);
    for (const [kind, icon] of Object.entries(parts.shapes)) icon.classList.toggle("away", kind !== state);
  }
  say(parts.left, late ? `+${duration(shownAt() - due.due_at)}` : words);
  hint(parts.node, late ? words : "");
}

