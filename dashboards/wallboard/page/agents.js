// Who is there: a row for each group of agents, with agents by status and the slots that are free; the whole first. It is
// hidden where no source sends the status of agents.

import { channelName } from "./names.js";
import { count, short } from "./numbers.js";
import { arrange, at, hide, hint, make, put, say, shape } from "./parts.js";
import { t, tc } from "./words.js";

const AT_WORK = { available: tc("agents", "free"), busy: tc("agents", "busy"), wrap_up: tc("agents", "wrap-up"), away: tc("agents", "away") };
const rows = new Map();
let more = null; // says how many groups there is no room for

export function makeAgentsHead() {
  const head = at("agents-head");
  const heading = (words, className = "") => {
    const node = make("th", className, words);
    node.scope = "col";
    return node;
  };
  more = make("small", "more-groups");
  const group = heading(t("Group"));
  group.append(" ", more);
  head.append(make("tr", "", group, ...Object.entries(AT_WORK).map(([status, word]) => heading(word, `status ${status}`)), heading(t("free slots"))));
}

function makeRow() {
  const title = make("th", "group");
  title.scope = "row";
  const counts = {};
  const cells = Object.keys(AT_WORK).map((status) => {
    counts[status] = make("b");
    return make("td", `status ${status}`, counts[status]);
  });
  const lines = make("td", "slots");
  const unknown = make("small");
  lines.append(unknown);
  return { node: make("tr", "", title, ...cells, lines), title, counts, lines, unknown, slots: new Map() };
}

function makeSlot(channel) {
  const number = make("b");
  return { node: make("span", "slot", shape(channel), make("span", "unseen", `${channelName(channel)}: `), number), number };
}

/** 5 of 20; what no source tells is said to be unknown. */
function drawSlots(parts, { slots, untold }) {
  arrange(parts.lines, slots.map((each) => each.channel), parts.slots, makeSlot);
  for (const each of slots) {
    const { node, number } = parts.slots.get(each.channel);
    const channel = channelName(each.channel);
    const unknown = each.capacity === null;
    say(number, unknown ? "?" : short(each.free));
    hint(
      node,
      unknown
        ? t("{channel}: {used} in use; no source tells how many slots there are", { channel, used: count(each.used) })
        : t("{channel}: {free} of {capacity} slots can take a contact now, {used} in use", { channel, free: count(each.free), capacity: count(each.capacity), used: count(each.used) }),
    );
  }
  const without = Math.max(untold, ...slots.map((each) => each.unknown));
  say(parts.unknown, t("unknown"));
  hint(parts.lines, without ? t("{n} with unknown slots", { n: count(without) }) : "");
  hide(parts.unknown, !without || slots.length > 0);
  if (parts.lines.lastElementChild !== parts.unknown) parts.lines.append(parts.unknown);
}

const present = ({ by_status: by }) => by.available + by.busy + by.wrap_up + by.away;

/** Draw the groups, at most so many, the largest; returns how many were left out. */
export function drawAgents(agents, atMost) {
  hide(at("agents"), agents.length === 0);
  const [all, ...groups] = agents;
  const largest = new Set([...groups].sort((one, other) => present(other) - present(one)).slice(0, atMost));
  const seen = groups.filter((group) => largest.has(group));
  const listed = groups.length === 1 ? groups : agents.length ? [all, ...seen] : [];
  arrange(at("agents-rows"), listed.map((group) => String(group.group)), rows, makeRow);
  for (const group of listed) {
    const parts = rows.get(String(group.group));
    const title = group.group === null ? t("All agents") : group.group || t("no group");
    say(parts.title, title);
    hint(parts.title, `${title}: ${t("{n} offline", { n: short(group.by_status.offline) })}`);
    put(parts.node, "data-whole", String(group.group === null));
    for (const [status, node] of Object.entries(parts.counts)) {
      say(node, short(group.by_status[status]));
      node.parentNode.classList.toggle("none", !group.by_status[status]);
    }
    drawSlots(parts, group);
  }
  const left = groups.filter((group) => !largest.has(group));
  say(more, left.length ? `+${count(left.length)}` : "");
  hint(more, left.map((group) => group.group || t("no group")).join(", "));
  return left.length;
}
