// The last hour in twelve bars: how many contacts came, and how many of them gave up; where there is room the service
// level above them, with its goal. Drawn by hand as SVG, whose nodes stay.

import { count, shortShare } from "./numbers.js";
import { drawn, put } from "./parts.js";
import { t } from "./words.js";

const BARS = 12;
const STEP = 10; // a bar and its gap, in the drawing's own units
const HIGH = 30;

export function makeSparkline(className = "") {
  const bars = Array.from({ length: BARS }, (_, place) => {
    const where = { x: place * STEP + 1, width: STEP - 2, rx: 1 };
    return { came: drawn("rect", { ...where, class: "came" }), gone: drawn("rect", { ...where, class: "gone" }) };
  });
  const node = drawn(
    "svg",
    { viewBox: `0 0 ${BARS * STEP} ${HIGH}`, preserveAspectRatio: "none", class: `sparkline ${className}`, role: "img" },
    ...bars.flatMap(({ came, gone }) => [came, gone]),
  );
  return { node, bars, key: "" };
}

function stand(bar, height) {
  put(bar, "height", height.toFixed(2));
  put(bar, "y", (HIGH - height).toFixed(2));
}

export function drawSparkline(parts, trend) {
  const key = trend ? trend.offered.join() + ";" + trend.abandoned.join() : "";
  if (parts.key === key && parts.node.hasAttribute("aria-label")) return;
  parts.key = key;
  parts.node.classList.toggle("nothing", !trend);
  const offered = trend?.offered ?? [];
  const abandoned = trend?.abandoned ?? [];
  const most = Math.max(1, ...offered, ...abandoned);
  parts.bars.forEach(({ came, gone }, place) => {
    const all = offered[place] ?? 0;
    stand(came, all ? Math.max(1.5, (all / most) * HIGH) : 0.8);
    const left = abandoned[place] ?? 0;
    stand(gone, left ? Math.max(2, (left / most) * HIGH) : 0);
  });
  const sum = (of) => of.reduce((total, n) => total + n, 0);
  put(parts.node, "aria-label", trend ? t("Last hour: {offered} offered, {abandoned} abandoned", { offered: count(sum(offered)), abandoned: count(sum(abandoned)) }) : t("Last hour: not known"));
}

const DEEP = 20;

/** The service level of the same twelve steps as a line, with its goal as a dashed one. */
export function makeLevelLine() {
  const goal = drawn("line", { x1: 0, x2: BARS * STEP, class: "goal-line" });
  const line = drawn("path", { class: "level-line", fill: "none" });
  const node = drawn("svg", { viewBox: `0 0 ${BARS * STEP} ${DEEP}`, preserveAspectRatio: "none", class: "sparkline level-trend", role: "img" }, goal, line);
  return { node, goal, line };
}

export function drawLevelLine(parts, trend, policy) {
  const levels = trend?.service_level ?? [];
  const judged = levels.filter((level) => level !== null);
  const least = Math.min(0.7, ...judged, (policy?.objective ?? 1) - 0.1); // the lower edge: most levels are near the goal
  const y = (level) => (1.5 + ((DEEP - 3) * (1 - level)) / (1 - least)).toFixed(1);
  let path = "";
  let pen = "M";
  levels.forEach((level, place) => {
    if (level === null) pen = "M"; // a gap: nobody was judged
    else {
      const x = place * STEP + STEP / 2;
      path += pen === "M" ? `M${x - 2} ${y(level)}H${x + 2}` : `L${x} ${y(level)}`;
      pen = "L";
    }
  });
  put(parts.line, "d", path || "M0 0");
  parts.node.classList.toggle("nothing", !path);
  parts.goal.style.display = policy ? "" : "none";
  if (policy) for (const end of ["y1", "y2"]) put(parts.goal, end, y(policy.objective));
  put(parts.node, "aria-label", judged.length ? t("Service level in the last hour: between {least} and {most}", { least: shortShare(Math.min(...judged)), most: shortShare(Math.max(...judged)) }) : t("Service level in the last hour: not known"));
}
