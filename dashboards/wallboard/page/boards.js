// Which board is shown: its address, the chooser, and on a screen nobody sits at the next one after a while. Boards change
// in place, so that full screen stays. Rotation stands still while somebody uses the page, or has paused it.

import { duration } from "./numbers.js";
import { at, hide, lineUp, put, say } from "./parts.js";
import { ROOT, shown } from "./shown.js";
import { answer } from "./speaking.js";
import { t } from "./words.js";

const LEFT_ALONE_MS = 30_000; // so long after a touch the page counts as in use

const known = { names: [], next: null, rotateMs: null };
let onChange = () => {};
let shownSince = performance.now();
let usedAt = -Infinity;
let paused = false;
const choices = [];

/** The board that an address names; null: the default one. */
function inAddress() {
  const found = /\/board\/([^/]+)$/.exec(location.pathname);
  return found ? decodeURIComponent(found[1]) : null;
}

/** Show a board; `null` shows the default one. */
export function showBoard(name, { keep = false } = {}) {
  shownSince = performance.now();
  if (name === shown.board) return;
  const address = new URL(location.href);
  address.pathname = name === null ? ROOT : `${ROOT}board/${encodeURIComponent(name)}`;
  history[keep ? "pushState" : "replaceState"](null, "", address);
  shown.board = name;
  onChange();
}

function step(by) {
  const place = known.names.indexOf(current());
  if (known.names.length < 2) return;
  showBoard(known.names[(place + by + known.names.length) % known.names.length], { keep: true });
}

export const nextBoard = () => step(1);
export const previousBoard = () => step(-1);

const current = () => shown.board ?? shown.latest?.board?.name ?? null;

export function togglePause() {
  if (known.rotateMs === null) return;
  paused = !paused;
  shownSince = performance.now();
  answer(paused ? t("Rotation paused") : t("Rotation goes on"));
  tickBoards();
}

function makeChoice() {
  return { node: document.createElement("option") };
}

/** Take over what the message says of boards. */
export function drawBoards({ board, boards }) {
  const listed = boards ?? [];
  known.names = listed.map((each) => each.name);
  known.next = board?.next ?? null;
  known.rotateMs = board?.rotate_s ? board.rotate_s * 1000 : null;
  hide(at("boards"), listed.length < 2);
  lineUp(at("board-choice"), listed.length, choices, makeChoice);
  listed.forEach(({ name, title }, place) => {
    const { node } = choices[place];
    node.disabled = false;
    if (node.value !== name) node.value = name;
    say(node, title);
  });
  choices.slice(listed.length).forEach(({ node }) => (node.disabled = true));
  if (document.activeElement !== at("board-choice") && at("board-choice").value !== board?.name) at("board-choice").value = board?.name ?? "";
  document.documentElement.classList.toggle("large", Boolean(board?.large));
  tickBoards();
}

/** Count down to the next board, and go there. */
export function tickBoards() {
  const rotates = known.rotateMs !== null && known.next !== null && known.next !== current();
  hide(at("rotation"), !rotates);
  if (!rotates) return;
  const at_ = performance.now();
  const inUse = at_ - usedAt < LEFT_ALONE_MS || document.querySelector("dialog[open]") !== null;
  if (paused || inUse) shownSince = at_;
  const left = known.rotateMs - (at_ - shownSince);
  put(at("pause"), "aria-pressed", String(paused));
  put(at("pause"), "data-paused", String(paused));
  say(at("rotation-words"), paused ? t("paused") : inUse ? t("waits while in use") : t("next in {time}", { time: duration(left) }));
  if (left <= 0) showBoard(known.next);
}

export function startBoards(changed) {
  onChange = changed;
  shown.board = inAddress();
  at("board-choice").addEventListener("change", (event) => showBoard(event.target.value, { keep: true }));
  at("pause").addEventListener("click", togglePause);
  window.addEventListener("popstate", () => {
    if (shown.board === inAddress()) return;
    shown.board = inAddress();
    shownSince = performance.now();
    onChange();
  });
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"]) {
    window.addEventListener(kind, (event) => event.isTrusted && (usedAt = performance.now()), { passive: true });
  }
}
