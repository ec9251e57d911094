// Numbers, times and durations as people say them, in the reader's language. Durations are written by hand: `Intl` writes
// the Finnish 3:07 as 03.07, which reads as a decimal.

import { language, locale, t } from "./words.js";

export const NONE = "–";

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const wholePercent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const change = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });

const two = (n) => String(n).padStart(2, "0");

/** 1:23, 2 h 05, 3 d 04 h: never a bare number of seconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  const minutes = Math.floor(s / 60);
  if (minutes < 1440) return t("{h} h {m}", { h: Math.floor(minutes / 60), m: two(minutes % 60) });
  const hours = Math.floor(minutes / 60);
  return t("{d} d {h} h", { d: whole.format(Math.floor(hours / 24)), h: two(hours % 24) });
}

/** A target as people say it: 20 s, 5 min, 24 h. */
export function target(ms) {
  if (ms % 3600000 === 0) return t("{n} h", { n: whole.format(ms / 3600000) });
  if (ms % 60000 === 0 && ms >= 120000) return t("{n} min", { n: whole.format(ms / 60000) });
  return ms % 1000 === 0 && ms < 120000 ? t("{n} s", { n: ms / 1000 }) : duration(ms);
}

/** Cut, never rounded up: 99.96 % is not 100 %, and 79.98 % has not met 80 %. */
export function share(value) {
  if (value === null || value === undefined) return NONE;
  return value >= 1 ? wholePercent.format(1) : percent.format(Math.floor(value * 1000 + 1e-6) / 1000);
}

/** The same where there is little room: no tenths. */
export const shortShare = (value) => (value === null || value === undefined ? NONE : wholePercent.format(Math.min(1, Math.floor(value * 100 + 1e-6) / 100)));

export const objective = (value) => wholePercent.format(value);
export const growth = (value) => change.format(value);
export const factor = (value) => tenth.format(value);
export const count = (n) => (n === null || n === undefined ? NONE : whole.format(n));

/** A count with a place of five characters: 12.3k from ten thousand on. */
export function short(n) {
  if (n < 10000) return count(n);
  const thousands = n < 100000 ? tenth.format(Math.floor(n / 100) / 10) : whole.format(Math.floor(n / 1000));
  return t("{n}k", { n: thousands });
}

// A `DateTimeFormat` costs more than all else that a second of the page does: each is made once.
const formats = new Map();

function format(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, options));
  return formats.get(key);
}

/** Hours and minutes, of this place or of another time zone. */
export const clockTime = (ms, { seconds = false, timeZone = undefined } = {}) =>
  format({ hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }), ...(timeZone && { timeZone }), hourCycle: "h23" }).format(ms);

/** 14:05, or with its day where that is another than the day of `today`. */
export function moment(ms, today) {
  const day = format({ year: "numeric", month: "numeric", day: "numeric" });
  if (day.format(ms) === day.format(today)) return clockTime(ms);
  return format({ day: "numeric", month: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
}

export const weekday = (ms, timeZone) => format({ weekday: "long", ...(timeZone && { timeZone }) }).format(ms);

export const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
export { language };
