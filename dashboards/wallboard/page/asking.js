// Asks once who somebody is, for acknowledgements, and keeps the name in this browser.

import { at } from "./parts.js";
import { remember, remembered } from "./preferences.js";
import { session } from "./session.js";

/** The name that is known, to a proxy first, or that somebody gives now; null where the question was closed. */
export async function askName() {
  const name = (await session()).user ?? remembered("name");
  if (name) return name;
  const dialog = at("ask");
  const field = at("ask-name");
  return new Promise((resolve) => {
    let given = null;
    const submit = (event) => {
      event.preventDefault(); // the page's policy lets no form be sent
      given = field.value.trim();
      if (!given) return;
      remember("name", given);
      dialog.close();
    };
    dialog.addEventListener(
      "close",
      () => {
        at("ask-form").removeEventListener("submit", submit);
        resolve(given || null);
      },
      { once: true },
    );
    at("ask-form").addEventListener("submit", submit);
    at("ask-leave").onclick = () => dialog.close();
    dialog.showModal();
    field.focus();
  });
}
