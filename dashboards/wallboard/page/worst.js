// Which queues are shown where not all fit: those in the worst state, in an order that does not jump about under the eyes
// of who reads it.

import { lateOf, longestGrade, riskOf, waitingGrade } from "./grades.js";
import { verdict } from "./level.js";
import { figuresOf } from "./shown.js";

const AGAIN_AFTER_MS = 5000;

function badness(group) {
  const { now } = group;
  const grades = [waitingGrade(group).grade, longestGrade(group).grade];
  if (grades.includes("critical")) return 5;
  if (verdict(figuresOf(group).service_level, group.policy) === "below") return 4;
  if (lateOf(now)) return 3;
  if (grades.includes("warning") || riskOf(now)) return 2;
  return now.waiting ? 1 : 0;
}

let ranked = [];
let rankedAt = -Infinity;
let rankedFor = "";

const keyOf = (group) => `${group.channel}/${group.queue}`;

/** Choose so many of these queues; the worst come first, and the choice holds for five seconds. */
export function worstFirst(queues, many) {
  const signature = `${many} ${queues.length} ${keyOf(queues[0])}`;
  if (signature !== rankedFor || performance.now() - rankedAt > AGAIN_AFTER_MS) {
    const scored = queues.map((group, place) => ({ key: keyOf(group), place, bad: badness(group), late: lateOf(group.now), waiting: group.now.waiting }));
    scored.sort((one, other) => other.bad - one.bad || other.late - one.late || other.waiting - one.waiting || one.place - other.place);
    ranked = scored.slice(0, many).map(({ key }) => key);
    rankedFor = signature;
    rankedAt = performance.now();
  }
  const byKey = new Map(queues.map((group) => [keyOf(group), group]));
  return ranked.map((key) => byKey.get(key)).filter(Boolean);
}
