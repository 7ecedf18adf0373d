// One row of the overview, column by column.

import { symbolAddress } from "./api.js";
import { element } from "./dom.js";
import { count, day, direction, freshness, percent, price, STATES } from "./format.js";
import { sparkline } from "./spark.js";

function symbolCell(row) {
  return [
    element("a", { href: symbolAddress(row.symbol) }, row.symbol),
    ...(row.name ? [element("span", { class: "company" }, row.name.slice(0, 120))] : []),
  ];
}

function changeCell(row) {
  const { name, shape } = direction(row.change_percent);
  return [element("span", { class: name },
    element("span", { class: "shape", "aria-hidden": "true" }, shape), percent(row.change_percent))];
}

function freshnessCell(row) {
  const late = row.freshness === "stale" || row.freshness === "never";
  return [element("span", { class: late ? "late" : null }, freshness(row.freshness, row.behind))];
}

function stateCell(row) {
  const wrong = row.state === "failed" || row.state === "quarantined";
  const reason = row.reason && wrong ? element("span", { class: "why" }, row.reason.replaceAll("_", " ")) : null;
  return [element("span", { class: wrong ? "wrong" : null }, STATES[row.state] ?? row.state, reason)];
}

/** London's prices are in pence: each price says its unit, the pound's hundredth by its code, GBX. */
function priceCell(row, { exchange }) {
  const unit = row.price === null ? null : exchange?.unit;
  return [price(row.price), unit ? element("span", { class: "unit" }, unit.match(/\((\w+)\)/)?.[1] ?? unit) : null];
}

const sparkCell = (row, { closes }) => (closes?.length ? [sparkline(closes)] : []);

/** `from`: the direction of the first click on the head: numbers start with the largest. */
export const COLUMNS = [
  { key: "symbol", title: "Symbol", sortable: true, cell: symbolCell },
  { key: "exchange", title: "Exchange", sortable: true, cell: (row, { exchange }) => [exchange?.name ?? row.exchange ?? "–"] },
  { key: "spark", title: "Last 90 sessions", cell: sparkCell },
  { key: "price", title: "Price", number: true, sortable: true, from: "desc", cell: priceCell },
  { key: "change_percent", title: "Change", number: true, sortable: true, from: "desc", cell: changeCell },
  { key: "volume", title: "Volume", number: true, sortable: true, from: "desc", cell: (row) => [count(row.volume)] },
  { key: "session", title: "Session", sortable: true, from: "desc", cell: (row) => [day(row.session)] },
  { key: "freshness", title: "Freshness", sortable: true, from: "desc", cell: freshnessCell },
  { key: "state", title: "Last fetch", sortable: true, cell: stateCell },
];

/** The row as a <tr>. `more`: its closes where they are known, and its exchange. */
export function symbolRow(row, more) {
  return element("tr", {}, ...COLUMNS.map(({ key, number, cell }) =>
    element("td", { class: `c-${key}${number ? " number" : ""}` }, ...cell(row, more))));
}
