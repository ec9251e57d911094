// What the page says, in the reader's language. The English text stands in the code and names the message; the others come
// from messages/LANG.json, which is compiled from the PO files. A message without a translation is said in English.

import { askedFor, remembered } from "./preferences.js";
import { ROOT } from "./shown.js";

export const LANGUAGES = { en: "English", fi: "Suomi", nb: "Norsk bokmål", sv: "Svenska" };
const LOCALES = { en: "en-GB", fi: "fi-FI", nb: "nb-NO", sv: "sv-SE" };
const OTHER_NAMES = { no: "nb", nn: "nb" };

function known(tag) {
  const short = (tag ?? "").toLowerCase().split(/[-_]/)[0];
  const language = OTHER_NAMES[short] ?? short;
  return Object.hasOwn(LANGUAGES, language) ? language : null;
}

/** The address, then the choice made here, then the browser's languages. */
function chosen() {
  for (const tag of [askedFor("lang"), remembered("lang"), ...navigator.languages]) if (known(tag)) return known(tag);
  return "en";
}

export const language = chosen();
export const locale = LOCALES[language];
const plurals = new Intl.PluralRules(locale);

async function catalogue() {
  if (language === "en") return {};
  try {
    const answer = await fetch(`${ROOT}messages/${language}.json`, { signal: AbortSignal.timeout(5000) });
    return answer.ok ? (await answer.json()).messages : {};
  } catch {
    return {}; // English, rather than nothing
  }
}

const messages = await catalogue();
document.documentElement.lang = Object.keys(messages).length ? language : "en";

const CONTEXT = "\u0004"; // as gettext separates a context from its message

function fill(text, values) {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole)) : text;
}

/** Say a message; `{name}` in it stands for a value. */
export const t = (text, values) => fill(messages[text] ?? text, values);

/** Say a message whose English text alone could mean several things; the context tells the translator which. */
export const tc = (context, text, values) => fill(messages[context + CONTEXT + text] ?? text, values);

/** Say a message that depends on a number: `many` is the number, `values.n` what is said of it. */
export function tn(one, other, many, values) {
  const forms = messages[one];
  const form = plurals.select(many);
  const text = forms ? (forms[form] ?? forms.other) : many === 1 ? one : other;
  return fill(text, { n: many, ...values });
}
