// The heat strip: how many symbols rose and fell at their last session, and how far.

import { byId, element } from "./dom.js";
import { count, direction } from "./format.js";

const LEVELS = [3, 2, 1, 0, -1, -2, -3];
const [SOME, MUCH] = [2, 5]; // percent

function level(change) {
  const far = Math.abs(change) > MUCH ? 3 : Math.abs(change) >= SOME ? 2 : 1;
  return change === 0 ? 0 : Math.sign(change) * far;
}

const NAMES = ["unchanged", "under 2 %", "2 to 5 %", "over 5 %"];

/** Draw the strip of these rows. */
export function showHeat(rows) {
  const changes = rows.map((row) => row.change_percent).filter((change) => change !== null);
  const numbers = new Map(LEVELS.map((step) => [step, 0]));
  for (const change of changes) numbers.set(level(change), numbers.get(level(change)) + 1);
  const up = changes.filter((change) => change > 0).length;
  const down = changes.filter((change) => change < 0).length;
  byId("heat-text").textContent = changes.length
    ? `${count(up)} rose, ${count(down)} fell, ${count(changes.length - up - down)} did not change` +
      `${changes.length < rows.length ? `; ${count(rows.length - changes.length)} without a price` : ""}.`
    : "No symbol has a change yet.";
  byId("heat").replaceChildren(...[...numbers].filter(([, number]) => number).map(([step, number]) => {
    const part = element("span", { class: `level-${step}` });
    part.style.flexGrow = number;
    return part;
  }));
  byId("heat-legend").replaceChildren(...[...numbers].map(([step, number]) => element("li", {},
    element("span", { class: `swatch level-${step}`, "aria-hidden": "true" }),
    element("span", {}, `${direction(step).shape} ${NAMES[Math.abs(step)]} `, element("b", {}, count(number))))));
}
