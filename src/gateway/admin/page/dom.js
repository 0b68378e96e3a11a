// Building and updating elements. Whatever comes from outside becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `h("p", { class: "why", onclick: f }, "text", child)`. */
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an element's text, where it is another. */
export function text(element, value) {
  const wanted = String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Sets an attribute, where it is another; null removes it. */
export function attribute(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/**
 * Keeps `parent`'s children in step with `items`: one child per key, in order, made once and then
 * updated, so that focus and selection survive.
 */
export function keyed(parent, items, key, make, update) {
  const known = (parent.keyedParts ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [name, part] of known) {
    if (wanted.has(name)) continue;
    part.element.remove();
    known.delete(name);
  }
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let part = known.get(name);
    if (!part) {
      part = make(item);
      known.set(name, part);
    }
    if (part.element === before) before = before.nextElementSibling;
    else parent.insertBefore(part.element, before);
    update(part, item);
  }
}

// Shapes that stand for the states, told apart without colour. On a grid of 16.
const SHAPES = {
  healthy: ["M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z", "M5 8.2l2.1 2.1l4-4.4"],
  degraded: ["M8 1.8L15 14H1z", "M8 6v4", "M8 12v.2"],
  walled: [
    "M1.5 3.5h13v9h-13z",
    "M1.5 8h13",
    "M6 3.5V8",
    "M10.5 3.5V8",
    "M4 8v4.5",
    "M8.5 8v4.5",
    "M12.5 8v4.5",
  ],
  probing: ["M13.8 10.500A6.3 6.3 0 1 1 14.3 8", "M11.8 6.500L14.3 8.300L15.8 5.6"],
  out: ["M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z", "M5.5 5.500l5 5", "M10.5 5.500l-5 5"],
  drained: ["M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z", "M6.2 5.500v5", "M9.8 5.500v5"],
  pinned: ["M5 1.800h6", "M6 1.800v5l-2 2.700h8l-2-2.700v-5", "M8 9.500v5"],
  lost: [
    "M2 6.500a9 9 0 0 1 12 0",
    "M4.5 9.300a5 5 0 0 1 7 0",
    "M8 12.500v.1",
    "M2.5 1.800l11 12.5",
  ],
};

/** Draws one of the shapes above. It says nothing by itself: words stand beside it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  for (const shape of SHAPES[name] ?? []) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}
