// Small parts that the page is made of. Text goes in as text, never as HTML; nodes are reused, so that a page that is open
// for weeks does not grow, and text changes only where it differs, so that nothing is laid out for nothing.

const SVG = "http://www.w3.org/2000/svg";

export const at = (id) => document.getElementById(id);

export function make(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A shape of index.html. Screen readers pass over it: a word next to it says the same. */
export const shape = (name) => drawn("svg", { "aria-hidden": "true", class: `shape ${name}` }, drawn("use", { href: `#shape-${name}` }));

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function put(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function hint(node, text) {
  if (node.title !== text) node.title = text;
}

export function hide(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

export function name(node, className) {
  if (node.className !== className) node.className = className;
}

/** Numbers that are longer than usual get smaller letters, rather than run into the next cell. */
export function sayNumber(node, text, room = 5) {
  say(node, text);
  node.classList.toggle("long", text.length > room);
}

/** A shape and a word: what is said never depends on colour. */
export function mark(kind, text = "") {
  const words = make("span", "", text);
  const node = make("span", `mark ${kind}`, shape(kind), words);
  return { node, words };
}

export function markSay(of, text) {
  hide(of.node, !text);
  say(of.words, text);
}

/** Show one node for each key, in this order. `parts` holds them; keys that are gone lose theirs. */
export function arrange(parent, keys, parts, makeParts) {
  const wanted = new Set(keys);
  for (const [key, { node }] of parts) {
    if (wanted.has(key)) continue;
    node.remove();
    parts.delete(key);
  }
  let previous = null;
  for (const key of keys) {
    if (!parts.has(key)) parts.set(key, makeParts(key));
    const { node } = parts.get(key);
    if (node.parentNode !== parent || node.previousElementSibling !== previous) {
      parent.insertBefore(node, previous ? previous.nextElementSibling : parent.firstElementChild);
    }
    previous = node;
  }
}

/** Show so many nodes, one beside the other, whatever they say: for lists whose entries have no name that stays. */
export function lineUp(parent, many, parts, makeParts) {
  while (parts.length < many) {
    const made = makeParts();
    parts.push(made);
    parent.append(made.node);
  }
  parts.forEach(({ node }, place) => hide(node, place >= many));
}
