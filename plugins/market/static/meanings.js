// What the words of an outcome mean, for whoever reads them for the first time.

import { element } from "./dom.js";
import { STATES } from "./format.js";

const MEANINGS = {
  stored: "fetched, checked and written",
  unchanged: "fetched, and equal to what was stored",
  stale: "the provider still had an older session than the exchange's latest; the next run asks again",
  skipped: "the latest session was stored already, so no call was spent",
  postponed: "the quota did not reach it; a later run asks",
  quarantined: "the reply was refused and is kept, with the reason",
  failed: "an error ended it; the run is red",
  open: "in the plan, and not finished yet",
  never: "no run of the quotes had it so far",
};

/** A list of these outcomes with their meanings, which opens on a click. */
export function meanings(title, kinds) {
  const list = kinds.flatMap((kind) => [element("dt", {}, STATES[kind]), element("dd", {}, MEANINGS[kind])]);
  return element("details", { class: "words" }, element("summary", {}, title), element("dl", { class: "meanings" }, ...list));
}
