// Fits the page to the screen: a wall has nobody who scrolls. Many queues make letters smaller, down to a size; then the
// worst queues are shown, and how many more there are. The lists on the right are cut to their room.

import { at } from "./parts.js";

const NARROW = 1100; // as in the style sheet: below it the page scrolls
const SMALLEST = 0.83; // letters are never smaller than this share of their size, and than the style sheet's `--least`
const FEWEST_ROWS = 3; // with room for less the page scrolls, however large letters are wanted

const FULL = { alerts: 6, due: 4, tags: 6, agents: 9 };
const LEAST = { alerts: 1, due: 1, tags: 1, agents: 0 };
// In this order, one entry of a list at a time; a list is not cut below its least, and alerts come last of all.
const CUT_FIRST = ["tags", "tags", "agents", "due", "agents"];
// What a cut leaves over, since entries differ in height, is given back in this order.
const GROWN_FIRST = ["alerts", "tags", "due", "agents"];
const UNLIMITED = { alerts: Infinity, due: 3, tags: 6, agents: Infinity };

export const limits = { ...FULL };

const narrow = () => window.innerWidth <= NARROW;
const overflows = (node) => node.scrollHeight > node.clientHeight + 1;

let fitted = "";

/** Fit the lists of the side: `draw` draws them by `limits`. */
export function fitSide(draw) {
  if (narrow() || document.body.classList.contains("scrolls")) {
    Object.assign(limits, UNLIMITED);
    draw();
    return;
  }
  Object.assign(limits, FULL);
  draw();
  limits.agents = Math.min(FULL.agents, at("agents-rows").children.length); // else the first cuts would cut nothing
  const canBeCut = (list) => limits[list] > LEAST[list];
  for (let step = 0; step < 60 && overflows(at("rail")); step += 1) {
    const cut = CUT_FIRST.some(canBeCut) ? CUT_FIRST[step % CUT_FIRST.length] : "alerts";
    if (!canBeCut(cut)) continue;
    limits[cut] -= 1;
    draw();
  }
  for (const list of GROWN_FIRST) while (limits[list] < FULL[list] && fitsOneMore(list, draw));
}

function fitsOneMore(list, draw) {
  limits[list] += 1;
  draw();
  if (!overflows(at("rail"))) return true;
  limits[list] -= 1;
  draw();
  return false;
}

export const sideOverflows = () => !narrow() && !document.body.classList.contains("scrolls") && overflows(at("rail"));

/** Fit the table; `draw(many)` draws at most so many queues. Does nothing where `what` was fitted already. */
export function fitTable(what, draw) {
  const root = document.documentElement;
  const column = at("figures");
  const size = `${what} ${window.innerWidth} ${window.innerHeight} ${root.style.getPropertyValue("--scale")}`;
  if (size === fitted && (narrow() || !overflows(column) || document.body.classList.contains("scrolls"))) return false;
  fitted = size;
  document.body.classList.remove("scrolls");
  root.style.setProperty("--fit", 1);
  draw(Infinity);
  if (narrow()) return true;
  let fit = 1;
  for (let step = 0; step < 5 && overflows(column) && fit > SMALLEST; step += 1) {
    fit = Math.max(SMALLEST, (fit * column.clientHeight) / column.scrollHeight - 0.004);
    root.style.setProperty("--fit", fit);
  }
  if (!overflows(column)) return true;
  const rows = [...at("rows").children];
  const queues = rows.filter((row) => row.classList.contains("queue"));
  const high = queues.length ? queues[0].offsetHeight + parseFloat(getComputedStyle(at("rows")).rowGap) : 1;
  const spare = column.clientHeight - column.scrollHeight - at("more").offsetHeight;
  const many = queues.length + Math.floor(spare / high);
  if (many < FEWEST_ROWS) {
    document.body.classList.add("scrolls");
    root.style.setProperty("--fit", 1);
    draw(Infinity);
    return true;
  }
  draw(many);
  for (let less = many - 1; overflows(column) && less >= FEWEST_ROWS; less -= 1) draw(less);
  return true;
}
