// The dialog with what can be set on this screen: language, colours, size, full screen, the name for acknowledgements; and
// the keys that do the same.

import { chooseScheme, fullScreen, resize, scale, scheme, SCHEMES } from "./appearance.js";
import { objective } from "./numbers.js";
import { meaningsList } from "./meanings.js";
import { at, make, say } from "./parts.js";
import { forgetAsked, remember, remembered } from "./preferences.js";
import { drawSession, signOut } from "./session.js";
import { language, LANGUAGES, t, tc } from "./words.js";

const SCHEME_WORDS = { system: tc("colours", "as the system"), dark: tc("colours", "dark"), light: tc("colours", "light") };

const KEYS = () => [
  ["1–5", t("window: 5, 15, 30, 60 minutes, today")],
  ["N B", t("next board, previous board")],
  ["P", t("pause the rotation, or go on")],
  ["A", t("go to the first new alert")],
  ["F", t("full screen")],
  ["+ − 0", t("larger, smaller, usual size")],
  ["C", t("dark or light")],
  ["S", t("this dialog")],
  ["?", t("what the figures mean")],
];

function option(value, words, lang) {
  const node = make("option", "", words);
  node.value = value;
  if (lang) node.lang = lang;
  return node;
}

function drawScale() {
  say(at("scale-now"), objective(scale()));
}

export function openSettings() {
  const dialog = at("settings");
  if (dialog.open) {
    dialog.close();
    return;
  }
  at("set-colours").value = scheme();
  at("set-name").value = remembered("name") ?? "";
  drawScale();
  drawSession();
  dialog.showModal();
}

/** Open them at what the figures mean. */
export function explainFigures() {
  at("meanings").open = true;
  if (!at("settings").open) openSettings();
  at("meanings-title").focus();
  at("meanings").scrollIntoView({ block: "start" });
}

export function startSettings() {
  at("set-language").append(...Object.entries(LANGUAGES).map(([tag, words]) => option(tag, words, tag)));
  at("set-language").value = language;
  at("set-colours").append(...SCHEMES.map((each) => option(each, SCHEME_WORDS[each])));
  at("keys").append(...KEYS().flatMap(([keys, words]) => [make("dt", "", ...keys.split(" ").map((key) => make("kbd", "", key))), make("dd", "", words)]));
  at("meanings-list").append(...meaningsList());
  at("set-language").addEventListener("change", (event) => {
    remember("lang", event.target.value);
    forgetAsked("lang");
    location.reload(); // every word of the page is another
  });
  at("set-colours").addEventListener("change", (event) => chooseScheme(event.target.value));
  at("set-name").addEventListener("change", (event) => remember("name", event.target.value.trim()));
  at("smaller").addEventListener("click", () => (resize(-1), drawScale()));
  at("larger").addEventListener("click", () => (resize(1), drawScale()));
  at("full-screen").addEventListener("click", fullScreen);
  at("sign-out").addEventListener("click", signOut);
  at("settings-open").addEventListener("click", openSettings);
  at("settings-close").addEventListener("click", () => at("settings").close());
}
