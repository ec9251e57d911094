// The time that figures are over: chosen by a click, a key or the address, or else what the board says.

import { at, make } from "./parts.js";
import { shown } from "./shown.js";
import { answer } from "./speaking.js";
import { t } from "./words.js";

export const WINDOWS = ["5m", "15m", "30m", "60m", "today"];

let onChange = () => {};
let byHand = false;

const title = (name) => (name === "today" ? t("Today") : t("{n} min", { n: parseInt(name, 10) }));

function inAddress() {
  const asked = location.hash.slice(1) || new URLSearchParams(location.search).get("window");
  return WINDOWS.includes(asked) ? asked : null;
}

function mark(name) {
  at("switch").querySelector(`input[value="${name}"]`).checked = true;
}

/** Show another window; `spoken`: say so, since no control was used that says it. */
export function chooseWindow(name, spoken) {
  byHand = true;
  if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
  mark(name);
  if (name === shown.window) return;
  shown.window = name;
  onChange();
  if (spoken) answer(name === "today" ? t("Today") : t("Last {n} minutes", { n: parseInt(name, 10) }));
}

/** A board has a window of its own, until somebody chooses another. */
export function useWindowOf(board) {
  if (byHand || !WINDOWS.includes(board?.window) || board.window === shown.window) return;
  shown.window = board.window;
  mark(board.window);
  onChange();
}

export function startWindows(changed) {
  onChange = changed;
  for (const name of WINDOWS) {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "window", value: name });
    at("switch").append(make("label", "", input, make("span", "", title(name))));
  }
  const asked = inAddress();
  byHand = asked !== null;
  shown.window = asked ?? "15m";
  mark(shown.window);
  at("switch").addEventListener("change", (event) => chooseWindow(event.target.value, false));
  window.addEventListener("hashchange", () => inAddress() && chooseWindow(inAddress(), true));
}
