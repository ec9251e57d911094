// What screen readers hear without being asked: little, and at most every ten seconds, so that nobody is talked over.

import { at, say } from "./parts.js";

const EVERY_MS = 10_000;
const AT_ONCE = 3; // more would be a recital; the board has them all

let waiting = [];
let spokenAt = -Infinity;
let timer = null;

function speak(text) {
  spokenAt = performance.now();
  const region = at("spoken");
  say(region, region.textContent === text ? `${text}\u00a0` : text); // the same words again are news, and are only heard as a change
}

function speakNext() {
  timer = null;
  const news = waiting.slice(0, AT_ONCE);
  waiting = [];
  if (news.length) speak(news.join(". "));
}

/** News: told together with others, when ten seconds have passed since the last. */
export function announce(text) {
  if (!waiting.includes(text)) waiting.push(text);
  if (timer === null) timer = setTimeout(speakNext, Math.max(0, spokenAt + EVERY_MS - performance.now()));
}

/** The answer to what somebody just did: told at once. */
export const answer = speak;
