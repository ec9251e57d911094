// The page draws what `/api/stream` says. This module only starts the others and says who draws when: figures as they come,
// ages and countdowns four times a second.

import { drawAgents, makeAgentsHead } from "./agents.js";
import { drawAlerts, tickAlerts } from "./alerts.js";
import { startAppearance } from "./appearance.js";
import { drawBoards, startBoards, tickBoards } from "./boards.js";
import { drawChannels, tickChannels } from "./channels.js";
import { drawDue, tickDue } from "./due.js";
import { fitSide, fitTable, limits, sideOverflows } from "./fitting.js";
import { drawClock, drawCondition, drawSpan } from "./freshness.js";
import { startKeys } from "./keys.js";
import { at, hide } from "./parts.js";
import { drawQueues, limitQueues, makeHead, tickQueues } from "./queues.js";
import { startSettings } from "./settings.js";
import { shown } from "./shown.js";
import { sayWords } from "./skeleton.js";
import { listen, startStream, watch } from "./stream.js";
import { drawTags } from "./tags.js";
import { startWindows, useWindowOf } from "./windows.js";

const TICK_MS = 250;

let side = "";

function drawSide() {
  const { alerts, groups, agents } = shown.latest;
  drawAlerts(alerts, limits.alerts);
  drawDue(groups, limits.due);
  drawTags(groups, limits.tags);
  drawAgents(groups.length > 1 || agents.length ? agents : [], limits.agents);
}

/** What decides how much room the side needs. */
function sideSize() {
  const { alerts, groups, agents } = shown.latest;
  const channels = groups.filter((group) => group.queue === null && group.channel !== null);
  const root = document.documentElement.style;
  const lengths = channels.map((group) => [Math.min(5, group.due?.length ?? 0), Math.min(8, group.windows[shown.latest.window].tags.length)]);
  const listed = (alerts?.listed ?? []).map((alert) => `${alert.id}${alert.acknowledged ? "+" : ""}`);
  return JSON.stringify([listed, lengths, agents.length, window.innerWidth, window.innerHeight, root.getPropertyValue("--fit"), root.getPropertyValue("--scale")]);
}

function draw() {
  const { latest } = shown;
  const empty = latest.groups.length <= 1;
  hide(at("empty"), !empty || latest.state !== "live");
  hide(at("figures"), empty);
  hide(at("due"), empty);
  drawBoards(latest);
  drawChannels(latest);
  const many = drawQueues(latest);
  fitTable(`${many} ${latest.groups.length} ${latest.board?.name}`, (most) => {
    limitQueues(most);
    drawQueues(latest);
  });
  drawSide();
  const size = sideSize();
  if (size !== side || sideOverflows()) {
    side = size;
    fitSide(drawSide);
  }
  drawSpan();
}

function tick() {
  drawCondition();
  drawClock();
  tickBoards();
  if (!shown.latest) return;
  tickQueues();
  tickChannels();
  tickDue();
  tickAlerts();
}

const redraw = () => shown.latest && draw();

sayWords();
startAppearance(redraw);
startSettings();
startKeys();
makeHead();
makeAgentsHead();
startBoards(listen);
startWindows(listen);
startStream(
  () => {
    useWindowOf(shown.latest.board);
    draw();
    tick();
  },
  () => {
    if (shown.latest) drawSpan();
    drawCondition();
  },
);
window.addEventListener("resize", redraw);
setInterval(() => {
  tick();
  watch();
}, TICK_MS);
tick();
