// Elements made by hand: text goes in as text only, and no attribute holds style or script, so the strict CSP holds.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A new element with attributes (null and false are left out) and children (strings become text). */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of this id; a missing one is a defect of the template and is named. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element #${id}.`);
  return found;
}

/** A table with a caption for screen readers; `columns` are {title, number?}, `rows` are arrays of strings or nodes. */
export function plainTable(caption, columns, rows) {
  const head = columns.map(({ title, number }) => element("th", { scope: "col", class: number ? "number" : null }, title));
  const body = rows.map((cells) => element("tr", {},
    ...cells.map((cell, index) => element("td", { class: columns[index].number ? "number" : null }, cell))));
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    element("table", { class: "data plain" }, element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
}
