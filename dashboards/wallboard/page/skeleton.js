// The words of the page that stay: titles, labels and buttons of index.html, in the reader's language.

import { explain } from "./meanings.js";
import { at, put, say } from "./parts.js";
import { t } from "./words.js";

const WORDS = {
  skip: t("Skip to the figures"),
  "windows-legend": t("Window, keys 1 to 5"),
  "board-label": t("Board"),
  "freshness-text": t("connecting"),
  "alerts-title": t("Alerts"),
  "alerts-none": t("No alerts"),
  "due-title": t("Next targets"),
  "due-none": t("No open target"),
  "tags-title": t("What people contact us about"),
  "agents-title": t("Agents"),
  "empty-title": t("No events yet"),
  "empty-words": t("The wallboard is connected and waits for the first contact. To see it move:"),
  "empty-own": t("Your own events go to the topics contacts.chat, contacts.email and contacts.call."),
  "ask-title": t("Who looks after it?"),
  "ask-words": t("Your name is shown with the alert, and kept in this browser."),
  "ask-label": t("Name"),
  "ask-give": t("Acknowledge"),
  "ask-leave": t("Cancel"),
  "settings-title": t("Settings of this screen"),
  "set-language-label": t("Language"),
  "set-colours-label": t("Colours"),
  "set-scale-label": t("Size, by the distance"),
  "set-name-label": t("Name for acknowledgements"),
  "sign-out": t("Sign out"),
  "full-screen": t("Full screen"),
  "settings-close": t("Close"),
  "keys-title": t("Keys"),
  "meanings-title": t("What the figures mean"),
};

const LABELS = {
  channels: t("Channels"),
  board: t("Channels and queues"),
  "settings-open": t("Settings, key S"),
  pause: t("Pause the rotation, key P"),
  smaller: t("Smaller"),
  larger: t("Larger"),
};

const EXPLAINED = { "tags-title": "tags", "agents-head": "agents" };

export function sayWords() {
  for (const [id, words] of Object.entries(WORDS)) say(at(id), words);
  for (const [id, words] of Object.entries(LABELS)) put(at(id), "aria-label", words);
  for (const [id, what] of Object.entries(EXPLAINED)) explain(at(id), what);
  for (const id of ["settings-open", "pause"]) at(id).title = LABELS[id];
}
