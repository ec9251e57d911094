// How the page looks on this screen: dark or light, and how large, for the distance it is read from. Both are remembered.

import { askedFor, forgetAsked, remember, remembered } from "./preferences.js";

const root = document.documentElement;
export const SCHEMES = ["system", "dark", "light"];
const LEAST = 0.6;
const MOST = 4;
const STEP = 0.1;

let onChange = () => {};

export const scheme = () => {
  const asked = askedFor("colours") ?? remembered("colours");
  return SCHEMES.includes(asked) ? asked : "system";
};

/** How large letters are, next to their usual size. */
export const scale = () => {
  const asked = Number(askedFor("scale") ?? remembered("scale") ?? 1);
  return Number.isFinite(asked) && asked > 0 ? Math.min(MOST, Math.max(LEAST, asked)) : 1;
};

function apply() {
  root.dataset.scheme = scheme();
  root.style.setProperty("--scale", scale());
}

export function chooseScheme(chosen) {
  forgetAsked("colours");
  remember("colours", chosen);
  apply();
}

/** Dark becomes light and light dark, whichever way it came to be. */
export function switchScheme() {
  const dark = scheme() === "dark" || (scheme() === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  chooseScheme(dark ? "light" : "dark");
}

/** One step larger or smaller; 0: the usual size. */
export function resize(direction) {
  const wanted = direction === 0 ? 1 : Math.round((scale() + direction * STEP) * 10) / 10;
  forgetAsked("scale");
  remember("scale", String(Math.min(MOST, Math.max(LEAST, wanted))));
  apply();
  onChange();
}

export function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen?.().catch(() => {}); // the browser may refuse: then nothing changes
}

export function startAppearance(changed) {
  onChange = changed;
  if (askedFor("scale")) remember("scale", String(scale()));
  apply();
}
