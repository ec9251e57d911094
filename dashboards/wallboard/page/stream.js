// Listens to the figures, and connects again by itself: a browser gives up on some answers, and a dead line can look open.

import { ROOT, shown } from "./shown.js";

const GIVEN_UP_AFTER_MS = 6000;
const AGAIN_AFTER_MS = 1000;
// Characters that turn the order of what follows in a line: a queue or tag may have any in its name.
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

let source = null;
let openedAt = 0;
let onLive = () => {};
let onTick = () => {};
let asking = false;

function heard(message) {
  shown.heardAt = performance.now();
  const ahead = message.at - Date.now();
  // Delay only ever makes the server's clock look behind; a jump means that a clock was set.
  shown.clockAhead = shown.freshness === null || Math.abs(ahead - shown.clockAhead) > 2000 ? ahead : Math.max(ahead, shown.clockAhead - 5);
  if (shown.freshness && message.edition !== shown.freshness.edition) location.reload();
  shown.freshness = message;
}

const asked = () => `window=${shown.window}${shown.board === null ? "" : `&board=${encodeURIComponent(shown.board)}`}`;

/** Listen to the board and the window that are chosen now. */
export function listen() {
  source?.close();
  const { window, board } = shown;
  const mine = new EventSource(`${ROOT}api/stream?${asked()}`);
  source = mine;
  mine.addEventListener("live", (event) => {
    if (mine !== source) return; // of a board that was left
    const message = JSON.parse(event.data.replace(TURNING, "\ufffd"));
    heard(message);
    shown.latest = { ...message, window: Object.hasOwn(message.windows, window) ? window : Object.keys(message.windows)[0], asked: board };
    onLive();
  });
  mine.addEventListener("tick", (event) => {
    if (mine !== source) return;
    heard(JSON.parse(event.data));
    onTick();
  });
  openedAt = performance.now();
}

/** A stream that is refused does not say why; the same question without a stream does. */
async function askWhy() {
  if (asking) return;
  asking = true;
  try {
    const { status } = await fetch(`${ROOT}api/live?${asked()}`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (status === 401) location.reload(); // to sign in
    if (status === 404 && shown.board !== null) location.assign(ROOT); // this board is not there any more
  } catch {
    // no connection: the page says so already
  } finally {
    asking = false;
  }
}

export function watch() {
  const silentSince = Math.max(shown.heardAt, openedAt);
  const refused = source.readyState === EventSource.CLOSED;
  if (refused ? performance.now() - openedAt > AGAIN_AFTER_MS : performance.now() - silentSince > GIVEN_UP_AFTER_MS) {
    if (refused) askWhy();
    listen();
  }
}

export function startStream(live, tick) {
  onLive = live;
  onTick = tick;
  listen();
}
