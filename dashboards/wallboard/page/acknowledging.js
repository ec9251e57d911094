// Says to the server that somebody looks after an alert. What the page then shows comes back with the figures: nothing is
// taken for done before the server says so.

import { askName } from "./asking.js";
import { ROOT } from "./shown.js";
import { answer } from "./speaking.js";
import { t } from "./words.js";

const PATIENCE_MS = 10_000;

const failure = (status) =>
  ({
    400: t("This name cannot be used: change it in the settings"),
    401: t("Sign in first: then acknowledge it again"),
    403: t("This address may not acknowledge alerts"),
    404: t("This alert is not there any more"),
    409: t("This alert does not fire any more"),
    429: t("Too many at once: try again in a minute"),
  })[status] ?? t("It could not be acknowledged: try again");

/** Acknowledge an alert; returns what went wrong, an empty text where nothing did, or null where nobody gave a name. */
export async function acknowledge(id) {
  const by = await askName();
  if (by === null) return null;
  try {
    const said = await fetch(`${ROOT}api/alerts/${encodeURIComponent(id)}/ack`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Pulssi": "1" },
      body: JSON.stringify({ by }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (said.ok) {
      answer(t("Acknowledged"));
      return "";
    }
    return failure(said.status);
  } catch {
    return failure(0);
  }
}
