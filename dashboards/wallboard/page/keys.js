// Keys: everything that a click can do on the board can be done from a keyboard or a TV's remote control.

import { focusAlert } from "./alerts.js";
import { fullScreen, resize, switchScheme } from "./appearance.js";
import { nextBoard, previousBoard, togglePause } from "./boards.js";
import { explainFigures, openSettings } from "./settings.js";
import { chooseWindow, WINDOWS } from "./windows.js";

const ACTIONS = {
  f: fullScreen,
  "+": () => resize(1),
  "=": () => resize(1),
  "-": () => resize(-1),
  "−": () => resize(-1),
  0: () => resize(0),
  c: switchScheme,
  n: nextBoard,
  b: previousBoard,
  p: togglePause,
  a: focusAlert,
  s: openSettings,
  "?": explainFigures,
};

/** Letters typed into a field, or that choose an entry of a list, are not for the board. */
const isTyping = (node) => node.matches?.("input:not([type=radio]), textarea, select") ?? false;

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    const key = event.key.toLowerCase();
    const dialog = document.querySelector("dialog[open]");
    if (dialog && !(dialog.id === "settings" && "s?f+-−=0c".includes(key))) return;
    const place = "12345".indexOf(key);
    if (place >= 0 && key.length === 1) chooseWindow(WINDOWS[place], true);
    else if (Object.hasOwn(ACTIONS, key)) {
      event.preventDefault();
      ACTIONS[key]();
    }
  });
}
