// What the page shows at this moment, and by which clock: the one place that other modules read it from. Numbers that are
// not live any more must not age as if they were, so `shownAt` stands still for them.

/** `latest`: the newest figures; `freshness`: the newest word on how fresh they are; `heardAt`: when, by `performance.now()`. */
export const shown = {
  latest: null,
  freshness: null,
  heardAt: -Infinity,
  clockAhead: 0, // the server's clock minus the page's, milliseconds
  state: "connecting",
  board: null, // the board's name; null: the default one
  window: "15m",
};

/** Where the wallboard's addresses begin: a proxy may serve it below a path, and a board's page is one folder deeper. */
export const ROOT = new URL(/\/board\/[^/]*$/.test(location.pathname) ? "../" : ".", location.href).pathname;

export const now = () => Date.now() + shown.clockAhead;

/** The time that ages and countdowns are told by, UTC milliseconds. */
export function shownAt() {
  const { state, freshness } = shown;
  return state === "live" || !freshness || freshness.as_of === null ? now() : freshness.as_of;
}

/** The figures of a group over the window that is shown. */
export const figuresOf = (group) => group.windows[shown.latest.window];
