// How fresh the numbers are, told in words and by the page's colours: whatever is older than three seconds is greyed out,
// with its age and the reason. The page never passes old numbers off as new.

import { clockTime, duration, HERE } from "./numbers.js";
import { at, hide, say } from "./parts.js";
import { now, shown, shownAt } from "./shown.js";
import { announce, answer } from "./speaking.js";
import { t, tc } from "./words.js";

const STALE_AFTER_MS = 3000;
const SILENT_AFTER_MS = 3000;

/** What the server gives as a reason, in the reader's language. */
const reasonWords = (reason) =>
  ({
    "waiting for the Kafka broker and its topics": t("waiting for the Kafka broker and its topics"),
    "reading the journals": t("reading the journals"),
    "the Kafka broker does not answer": t("the Kafka broker does not answer"),
    "the worker is catching up with the events": t("the worker is catching up with the events"),
    "events wait to be counted: does the worker run?": t("events wait to be counted: does the worker run?"),
  })[reason] ?? reason;

/** Name the state of the page, and say what is wrong where something is. */
function condition() {
  const { freshness, heardAt } = shown;
  const ageMs = freshness && freshness.as_of !== null ? now() - freshness.as_of : null;
  const age = ageMs === null ? "" : t("numbers are {time} old", { time: duration(ageMs) });
  if (performance.now() - heardAt > SILENT_AFTER_MS) {
    const never = heardAt === -Infinity;
    const words = never ? t("connecting to the wallboard") : [t("connection to the wallboard lost"), age, t("trying again")].filter(Boolean).join(" · ");
    return ["lost", never ? t("connecting") : t("no connection"), words];
  }
  const reason = reasonWords(freshness.reason);
  if (freshness.state === "waiting") return ["waiting", tc("state of the wallboard", "waiting"), reason];
  if (freshness.state === "reading") return ["reading", tc("state of the wallboard", "reading"), t("{reason}: numbers are not complete yet", { reason })];
  if (freshness.state === "stale" || (ageMs !== null && ageMs > STALE_AFTER_MS + 1500)) {
    return ["stale", ageMs === null ? tc("state of the wallboard", "stale") : t("{time} old", { time: duration(ageMs) }), [reason, age].filter(Boolean).join(" · ")];
  }
  return ["live", tc("state of the wallboard", "live"), ""];
}

let told = "";

export function drawCondition() {
  const [state, word, words] = condition();
  shown.state = state;
  if (document.body.dataset.state !== state) document.body.dataset.state = state;
  say(at("freshness-text"), word);
  hide(at("notice"), !words || (shown.heardAt === -Infinity && performance.now() < 1500));
  say(at("notice"), words);
  // The age ticks where people see it; a screen reader hears the change of state once.
  if (state !== told) {
    if (told) (state === "live" ? announce : answer)(state === "live" ? t("The wallboard is live") : words);
    told = state;
  }
  const title = shown.latest?.board?.title;
  const titled = [state === "live" ? "Pulssi" : `Pulssi: ${word}`, title].filter(Boolean).join(" · ");
  if (document.title !== titled) document.title = titled;
}

/** The time that the figures are over, in words. */
export function drawSpan() {
  const { latest } = shown;
  const { from, to } = latest.windows[latest.window];
  say(
    at("span"),
    latest.window === "today"
      ? t("since {time} (midnight in {zone})", { time: clockTime(from), zone: latest.time_zone })
      : t("from {from} to {to}", { from: clockTime(from), to: clockTime(Math.min(to, shownAt())) }),
  );
}

export function drawClock() {
  say(at("clock"), clockTime(Date.now(), { seconds: true }));
  const zone = shown.latest?.time_zone;
  const elsewhere = zone && zone !== HERE;
  say(at("zone"), elsewhere ? t("{here} · centre {there} {time}", { here: HERE, there: zone, time: clockTime(now(), { timeZone: zone }) }) : HERE);
}
