"use strict";

// Who is there: a card for the centre and one for each group, with agents by status and the slots in use. It is drawn by
// `wallboard.js`, from the same message, and is hidden where no source tells of agents.

const MOST_GROUPS = 11; // more are on the phone's page, and in api/live: a wall has room for two rows of cards
const AT_WORK = { available: "available", busy: "busy", wrap_up: "wrap-up", away: "away" };
const cards = new Map();

function makeCard() {
  const name = make("b");
  const offline = make("small");
  const parts = { name, offline, counts: {}, slots: make("dd", "slots") };
  const statuses = Object.entries(AT_WORK).map(([status, word]) => {
    parts.counts[status] = make("b");
    return make("dd", `status ${status}`, parts.counts[status], make("small", "", word));
  });
  parts.node = make("dl", "card", make("dt", "", name, offline), make("div", "statuses", ...statuses), parts.slots);
  return parts;
}

/** 12 of 20 in use, 5 free; what no source tells is said to be unknown. */
function slotWords({ capacity, used, free }) {
  return capacity === null ? [count(used), "in use, slots unknown"] : [`${count(used)} of ${count(capacity)}`, `in use, ${count(free)} free`];
}

function drawSlots(list, { slots, untold }) {
  const key = JSON.stringify([slots, untold]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const lines = slots.map((each) => {
    const [number, words] = slotWords(each);
    const channel = CHANNELS[each.channel] ?? each.channel;
    const line = make("span", "slot", shape(each.channel), make("span", "unseen", `${channel}: `), make("b", "", number), make("small", "", words));
    const unknown = each.unknown ? `; of ${each.unknown} with a contact in hand the slots are not known` : "";
    line.title = each.capacity === null ? `${channel}: no source tells how many slots there are` : `${channel}: ${each.used} of ${each.capacity} slots in use, ${each.free} can take a contact now${unknown}`;
    return line;
  });
  const without = Math.max(untold, ...slots.map((each) => each.unknown));
  if (without) lines.push(make("small", "", slots.length ? `${count(without)} with unknown slots` : "slots unknown"));
  list.replaceChildren(...lines);
}

function drawCard(parts, group) {
  const title = group.group === null ? "All agents" : group.group || "no group";
  say(parts.name, title);
  parts.name.title = title;
  for (const status of Object.keys(AT_WORK)) {
    say(parts.counts[status], short(group.by_status[status]));
    parts.counts[status].parentNode.classList.toggle("none", !group.by_status[status]);
  }
  say(parts.offline, `${short(group.by_status.offline)} offline`);
  drawSlots(parts.slots, group);
}

const present = ({ by_status: by }) => by.available + by.busy + by.wrap_up + by.away;

function drawAgents(agents) {
  const section = at("agents");
  section.hidden = agents.length === 0;
  const [all, ...groups] = agents;
  const largest = new Set([...groups].sort((one, other) => present(other) - present(one)).slice(0, MOST_GROUPS));
  const shown = groups.length > 1 ? [all, ...groups] : groups;
  const wanted = new Set(shown.map((group) => group.group));
  for (const [name, parts] of cards) {
    if (wanted.has(name)) continue;
    parts.node.remove();
    cards.delete(name);
  }
  let previous = null;
  for (const group of shown) {
    if (!cards.has(group.group)) cards.set(group.group, makeCard());
    const parts = cards.get(group.group);
    if (parts.node.previousSibling !== previous || parts.node.parentNode !== section) section.insertBefore(parts.node, previous ? previous.nextSibling : section.firstChild);
    previous = parts.node;
    parts.node.classList.toggle("small", group !== all && !largest.has(group));
    drawCard(parts, group);
  }
}
