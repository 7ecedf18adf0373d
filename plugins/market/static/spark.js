// The small lines of the list: fetched for the rows in sight only, drawn as one SVG polyline each.

import { get } from "./api.js";
import { svg } from "./dom.js";
import { direction } from "./format.js";

const WIDTH = 120;
const HEIGHT = 26;
const AT_ONCE = 200;
const PATIENCE_MS = 80; // a list that is scrolled fast asks once, where it comes to rest

/** One line from oldest to newest close; the colour says whether it ends higher than it began. */
export function sparkline(closes) {
  const low = Math.min(...closes);
  const span = Math.max(...closes) - low || 1;
  const points = closes.map((close, index) => {
    const x = closes.length < 2 ? 0 : (index / (closes.length - 1)) * WIDTH;
    return `${x.toFixed(1)},${(HEIGHT - 2 - ((close - low) / span) * (HEIGHT - 4)).toFixed(1)}`;
  });
  const { name } = direction(closes.at(-1) - closes[0]);
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("polyline", { class: name, points: points.join(" ") }));
}

/** The sparklines known so far; `onCome` is called when more have come. */
export class Sparks {
  #known = new Map(); // "symbol session" → closes
  #wanted = [];
  #timer = null;
  #onCome;
  #onFail;

  constructor(onCome, onFail) {
    this.#onCome = onCome;
    this.#onFail = onFail;
  }

  of(row) {
    return this.#known.get(`${row.symbol} ${row.session}`);
  }

  /** Ask for those of these rows that are not known. */
  want(rows) {
    this.#wanted = rows.filter((row) => row.session && !this.of(row)).slice(0, AT_ONCE);
    clearTimeout(this.#timer);
    if (this.#wanted.length) this.#timer = setTimeout(() => this.#ask(), PATIENCE_MS);
  }

  async #ask() {
    const rows = this.#wanted;
    try {
      const { body } = await get("api/sparks", { symbols: rows.map((row) => row.symbol).join(","), sessions: 90 });
      for (const row of rows) this.#known.set(`${row.symbol} ${row.session}`, body.sparks[row.symbol]?.closes ?? []);
      this.#onCome();
    } catch (error) {
      this.#onFail(error);
    }
  }
}
