// What people contact us about: the tags of each channel with their numbers and, where the last weeks are known, how much
// they have grown against the same hours of the same weekday. Growth has a sign and no colour, since it is neither good nor bad.

import { channelName } from "./names.js";
import { count, growth } from "./numbers.js";
import { arrange, at, hide, hint, lineUp, make, say, shape } from "./parts.js";
import { figuresOf } from "./shown.js";
import { t } from "./words.js";

const NOTABLE = 0.25; // a growth from which on it is emphasised
const SEEN_FROM = 5; // so many contacts, since one more of two is "+50 %"

function makeTag() {
  const title = make("span", "tag-name");
  const number = make("b");
  const grown = make("small", "grown");
  return { node: make("li", "", title, number, grown), title, number, grown };
}

function drawTag(parts, { tag, n, known, then, growth: grown }) {
  say(parts.title, tag);
  say(parts.number, count(n));
  const told = grown !== null && grown !== undefined;
  say(parts.grown, told ? growth(grown) : "");
  parts.grown.classList.toggle("notable", told && Math.abs(grown) >= NOTABLE && n >= SEEN_FROM);
  parts.node.classList.toggle("unknown", !known);
  const usual = then === null || then === undefined ? "" : t(", usually {n}", { n: count(Math.round(then)) });
  hint(parts.node, `${tag}: ${count(n)}${usual}${known ? "" : t(", not in the taxonomy")}`);
}

/** The tags of a queue's row, as far as there is room. */
export const makeTagLine = () => ({ node: make("ul", "tags"), items: [] });

export function drawTagLine(parts, tags) {
  lineUp(parts.node, tags.length, parts.items, makeTag);
  tags.forEach((each, place) => drawTag(parts.items[place], each));
}

const channels = new Map();

function makeChannel(channel) {
  const list = make("ul", "tag-list");
  return { node: make("div", "tag-channel", make("h3", "", shape(channel), make("span", "", channelName(channel))), list), list, items: [] };
}

/** Draw the tags of each channel, at most so many; returns how many were left out. */
export function drawTags(groups, atMost) {
  const tagged = groups.filter((group) => group.queue === null && group.channel !== null && figuresOf(group).tags.length);
  arrange(at("tag-channels"), tagged.map((group) => group.channel), channels, makeChannel);
  let cut = 0;
  for (const group of tagged) {
    const parts = channels.get(group.channel);
    const { tags } = figuresOf(group);
    const seen = tags.slice(0, atMost);
    cut += tags.length - seen.length;
    lineUp(parts.list, seen.length, parts.items, makeTag);
    seen.forEach((each, place) => drawTag(parts.items[place], each));
  }
  hide(at("tags"), tagged.length === 0);
  return cut;
}
