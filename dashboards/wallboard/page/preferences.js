// What somebody chose on this screen, kept in the browser: language, colours, size and the name for acknowledgements. A
// choice in the address goes before it. A browser that keeps nothing works all the same, until it is closed.

const memory = new Map();
const asked = new URLSearchParams(location.search);

/** What the address says (`?lang=fi`), or null. */
export const askedFor = (name) => asked.get(name);

export function remembered(name) {
  try {
    return localStorage.getItem(`pulssi.${name}`) ?? memory.get(name) ?? null;
  } catch {
    return memory.get(name) ?? null;
  }
}

export function remember(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(`pulssi.${name}`, value);
  } catch {
    // private windows may keep nothing
  }
}

/** Take a choice out of the address, since another was made on the page. */
export function forgetAsked(name) {
  asked.delete(name);
  const address = new URL(location.href);
  address.searchParams.delete(name);
  history.replaceState(null, "", address);
}
