// What a symbol's page says in words: its quote, how fresh it is, what the prices mean, and what the chart shows.

import { element, svg } from "./dom.js";
import { change, count, day, direction, GAP_STATES, percent, plural, price, time } from "./format.js";

export const RANGES = { "1m": "1M", "3m": "3M", "6m": "6M", ytd: "YTD", "1y": "1Y", "5y": "5Y", all: "All" };
export const MODES = { raw: "As traded", split: "Split-adjusted", total: "Total return" };
const MEANINGS = {
  raw: "Prices as they were traded: a split shows as a jump.",
  split: "Prices before a split are divided by it, so that no split shows as a jump.",
  total: "Splits and dividends are taken out: what an owner who reinvests each dividend has gained.",
};

export function modeText({ symbol, mode, adjusted }) {
  const same = mode !== "raw" && !adjusted;
  return MEANINGS[mode] + (same ? ` No split or dividend of ${symbol} is stored: these are the prices as traded.` : "");
}

export function quoteParts({ quote, unit }) {
  if (!quote) return [element("p", { class: "hint" }, "No quote is stored yet.")];
  const { name, shape } = direction(quote.change);
  return [
    element("p", { class: "last" }, price(quote.price), unit ? element("span", { class: "unit" }, unit) : null),
    element("p", { class: name }, element("span", { class: "shape", "aria-hidden": "true" }, shape),
      `${change(quote.change)} (${percent(quote.change_percent)})`),
    element("p", { class: "hint" }, `Session of ${day(quote.session)}, fetched ${time(quote.fetched_at)}`),
  ];
}

/** {text, late} about the newest stored bar against the exchange's calendar. */
export function freshnessText({ latest, expected, open_day: openDay }) {
  if (!latest) return { text: "No daily bar is stored yet; the DAG stock_history brings them.", late: true };
  if (openDay) return { text: `The session of ${day(openDay)} has not closed: its bar can still change.`, late: false };
  if (!expected) return { text: `The newest bar is of ${day(latest)}; no calendar of its exchange is known.`, late: false };
  if (latest >= expected) return { text: `Up to date: the newest bar is of ${day(latest)}.`, late: false };
  return { text: `Behind: the newest bar is of ${day(latest)}, the exchange's latest session is ${day(expected)}.`, late: true };
}

/** What a person hears in place of the picture. */
export function chartText(symbol, sessions) {
  const lowest = sessions.reduce((low, session) => Math.min(low, session.low), Infinity);
  const highest = sessions.reduce((high, session) => Math.max(high, session.high), -Infinity);
  const [first, last] = [sessions[0], sessions.at(-1)];
  return `${symbol}, ${plural(sessions.length, "session", "sessions")} from ${day(first.time)} (close ${price(first.close)}) ` +
    `to ${day(last.time)} (close ${price(last.close)}); lowest ${price(lowest)}, highest ${price(highest)}.`;
}

const part = (label, ...value) => element("span", { class: "part" }, element("span", { class: "label" }, label), ...value);

/** The legend of one session; `before` is the close it is measured against. */
export function sessionLegend(session, before, { open_day: openDay, events }) {
  const moved = before ? ((session.close - before) / before) * 100 : null;
  const { name, shape } = direction(moved);
  return [
    element("b", {}, day(session.time)),
    part("Open", price(session.open)), part("High", price(session.high)), part("Low", price(session.low)),
    part("Close", price(session.close)),
    part("Change", element("span", { class: name }, element("span", { class: "shape", "aria-hidden": "true" }, shape), percent(moved))),
    part("Volume", count(session.volume)),
    ...events.filter(({ t }) => t === session.time).map(({ type, text }) => element("span", { class: "tag" }, `${type} ${text}`)),
    session.time === openDay ? element("span", { class: "tag warn" }, "day still open") : null,
  ].filter(Boolean);
}

export function gapLegend(missingDay, gap) {
  return [element("b", {}, day(missingDay)), element("span", {}, `no bar: ${GAP_STATES[gap.state] ?? gap.state}`)];
}

const key = (text, ...shapes) => element("li", {}, svg("svg", { viewBox: "0 0 16 14", "aria-hidden": "true" }, ...shapes), text);

/** What the marks in the chart mean: only those that are in it. */
export function keyItems({ events, open_day: openDay }, hasGaps) {
  const types = new Set(events.map(({ type }) => type));
  return [
    key("close above open", svg("rect", { x: 5, y: 2, width: 6, height: 10, fill: "var(--up)" })),
    key("close below open", svg("rect", { x: 5, y: 2, width: 6, height: 10, fill: "var(--down)" })),
    openDay ? key("day still open (hollow)", svg("rect", { x: 5, y: 2, width: 6, height: 10, fill: "none", stroke: "currentColor", "stroke-width": 1.5 })) : null,
    types.has("split") ? key("split", svg("rect", { x: 4, y: 3, width: 8, height: 8, fill: "var(--series-4)" })) : null,
    types.has("dividend") ? key("dividend", svg("circle", { cx: 8, cy: 7, r: 4.5, fill: "var(--series-3)" })) : null,
    hasGaps ? key("gap: no bar is stored", svg("rect", { x: 2, y: 0, width: 12, height: 14, fill: "var(--gap)", "fill-opacity": 0.6 })) : null,
  ].filter(Boolean);
}
