// Service level: the number, a bar with the goal on it, and in words and shape whether the goal is met.

import { explain, meaning } from "./meanings.js";
import { objective, share, target } from "./numbers.js";
import { hide, hint, make, mark, markSay, name, say } from "./parts.js";
import { t } from "./words.js";

export const verdict = (level, policy) => (level === null || level === undefined || !policy ? "none" : level >= policy.objective ? "met" : "below");

/** What the number divides by what: the formulas of docs/rules.md. */
export const formulaWords = (formula) =>
  ({
    short_excluded: t("in time ÷ all but short abandons"),
    answered_only: t("in time ÷ answered"),
    offered: t("in time ÷ answered and abandoned"),
    abandons_met: t("in time, abandons too ÷ all"),
    excluding_abandoned_within: t("in time ÷ all but abandons in time"),
  })[formula] ?? formula;

export function makeLevel() {
  const number = make("b");
  const reached = make("i");
  const goalLine = make("u");
  const bar = make("div", "bar", reached, goalLine);
  const met = mark("met");
  const below = mark("below");
  const goal = make("span", "open-goal");
  const live = explain(make("small", "live-level"), "live");
  const node = make("div", "level none", number, make("div", "gauge", bar, live), make("div", "goal", met.node, below.node, goal));
  return { node, number, reached, goalLine, met, below, goal, live };
}

/** Draw a group's level; returns whether it is met, below, or cannot be judged. */
export function drawLevel(parts, group, figures) {
  const { policy } = group;
  const level = figures.service_level;
  const judged = verdict(level, policy);
  name(parts.node, `level ${judged}`);
  say(parts.number, share(level));
  parts.reached.style.width = `${(level ?? 0) * 100}%`;
  hide(parts.goalLine, !policy);
  if (policy) parts.goalLine.style.left = `${policy.objective * 100}%`;
  const goal = policy ? t("{share} in {time}", { share: objective(policy.objective), time: target(policy.target_ms) }) : "";
  markSay(parts.met, judged === "met" ? t("meets {goal}", { goal }) : "");
  markSay(parts.below, judged === "below" ? t("below {goal}", { goal }) : "");
  say(parts.goal, judged !== "none" ? "" : policy ? t("goal {goal}", { goal }) : t("targets differ"));
  const live = group.now.breached ? figures.service_level_live : null;
  say(parts.live, live === null ? "" : t("now {share}", { share: share(live) }));
  hint(parts.number, `${meaning("level")}: ${formulaWords(group.formula)} (${group.formula})`);
  return judged;
}
