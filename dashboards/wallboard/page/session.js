// How somebody was let in, and the way out: only who has a session can end it.

import { at, hide } from "./parts.js";
import { ROOT } from "./shown.js";

const PATIENCE_MS = 5000;

/** How this page was let in, by the server's word: `{by, user}`; nothing known where there is no answer. */
export async function session() {
  try {
    const answer = await fetch(`${ROOT}api/session`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) return await answer.json();
  } catch {
    // no connection: the page says so already
  }
  return { by: null, user: null };
}

/** Offer to sign out where there is a session. Where a proxy names somebody, no other name is asked for. */
export async function drawSession() {
  const { by, user } = await session();
  hide(at("sign-out"), by !== "session");
  at("set-name").disabled = user !== null;
  if (user !== null) at("set-name").value = user;
}

export async function signOut() {
  try {
    await fetch(`${ROOT}logout`, { method: "POST", signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    // the page that is loaded now tells whether it was done
  }
  location.reload(); // leads to the sign-in
}
