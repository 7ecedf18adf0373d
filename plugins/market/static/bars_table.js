// The table beneath the chart: all that the picture shows, for a screen reader, a keyboard or a careful look.

import { byId, element } from "./dom.js";
import { count, day, direction, percent, price } from "./format.js";
import { WindowedTable } from "./table.js";

const BARS = ["Session", "Open", "High", "Low", "Close", "Change", "Volume", "Notes"];

const cell = (text, number = true) => element("td", { class: number ? "number" : null }, text);

function changeCell(value) {
  const { name, shape } = direction(value);
  return element("td", { class: `number ${name}` }, element("span", { class: "shape", "aria-hidden": "true" }, shape), percent(value));
}

function notesOf({ events, open_day: openDay }) {
  const notes = new Map(openDay ? [[openDay, ["day still open"]]] : []);
  for (const { t, type, text } of events) notes.set(t, [...(notes.get(t) ?? []), `${type} ${text}`]);
  return notes;
}

function heads(titles, isNumber) {
  byId("bars-head").replaceChildren(...titles.map((title, index) =>
    element("th", { scope: "col", class: isNumber(index) ? "number" : null }, title)));
}

/** The table; its two methods show either the bars of one symbol or a comparison. */
export function barsTable() {
  let render = () => element("tr");
  const table = new WindowedTable(byId("bars"), { scroller: byId("scroller"), render: (row) => render(row) });
  return {
    showBars(sessions, bars) {
      const notes = notesOf(bars);
      byId("bars").classList.add("one");
      heads(BARS, (index) => index > 0 && index < BARS.length - 1);
      render = (row) => element("tr", {}, cell(day(row.time), false), cell(price(row.open)), cell(price(row.high)),
        cell(price(row.low)), cell(price(row.close)), changeCell(row.moved), cell(count(row.volume)),
        cell((notes.get(row.time) ?? []).join(", "), false));
      table.setRows(sessions.map((session, index) => {
        const before = sessions[index - 1]?.close;
        return { ...session, moved: before ? ((session.close - before) / before) * 100 : null };
      }).reverse());
    },
    showComparison({ series }, rows) {
      byId("bars").classList.remove("one");
      heads(["Session", ...series.map(({ symbol }) => symbol)], (index) => index > 0);
      render = (row) => element("tr", {}, cell(day(row.time), false), ...row.values.map(changeCell));
      table.setRows(rows);
    },
  };
}
