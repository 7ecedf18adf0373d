// The overview: all symbols are fetched once, then searched, sorted and filtered here, so each key press answers at once.

import { address, get } from "./api.js";
import { byId, element } from "./dom.js";
import { count, plural, STATES } from "./format.js";
import { shareAddress } from "./frame.js";
import { showHeat } from "./heat.js";
import { meanings } from "./meanings.js";
import { COLUMNS, symbolRow } from "./overview_row.js";
import { knownExchanges, facts, partFailed, refreshed, stateText } from "./page.js";
import { fits, sorted } from "./selection.js";
import { Sparks } from "./spark.js";
import { WindowedTable } from "./table.js";

const PAGE = 10_000; // the most that one answer holds
const DEFAULTS = { q: "", exchange: "", freshness: "", state: "", sort: "symbol", order: "asc" };
const IN_FILES = new Set(["symbol", "price", "change_percent", "volume", "session"]);
const LAST_FETCHES = ["stored", "unchanged", "stale", "skipped", "postponed", "quarantined", "failed", "never"];
const FRESHNESS = { fresh: "Up to date", stale: "Behind", never: "Never stored", unknown: "No calendar known" };

let all = [];
let isCut = false; // more symbols are known than the list holds
let shown = [];
let exchanges = {}; // by their calendar's code
const chosen = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
if (!COLUMNS.some(({ key, sortable }) => sortable && key === chosen.sort)) chosen.sort = DEFAULTS.sort;

const sparks = new Sparks(() => table.redraw(), (error) => partFailed(byId("state-of-list"), error));
const table = new WindowedTable(byId("list"), {
  render: (row) => symbolRow(row, { closes: sparks.of(row), exchange: exchanges[row.exchange] }),
  onVisible: (rows) => {
    if (matchMedia("(min-width: 641px)").matches) sparks.want(rows);
  },
});

function asObjects({ columns, rows }) {
  return rows.map((cells) => Object.fromEntries(cells.map((cell, index) => [columns[index], cell])));
}

async function load() {
  exchanges = await knownExchanges();
  const rows = [];
  let changed = false;
  let total = Infinity;
  let asOf = null;
  while (rows.length < total) {
    const answer = await get("api/symbols", { offset: rows.length, limit: PAGE });
    changed ||= answer.changed;
    ({ total, as_of: asOf, is_cut: isCut } = answer.body);
    if (!answer.body.rows.length) break;
    rows.push(...asObjects(answer.body));
  }
  if (changed) {
    all = rows;
    showHeat(all);
    fillFilters();
    show();
  }
  return asOf;
}

function options(select, any, numbers, labels) {
  const entries = Object.entries(numbers).sort(([one], [other]) => (labels[one] ?? one).localeCompare(labels[other] ?? other));
  select.replaceChildren(element("option", { value: "" }, any),
    ...entries.map(([value, number]) => element("option", { value }, `${labels[value] ?? value} (${count(number)})`)));
  select.value = chosen[select.id];
  if (select.selectedIndex < 0) select.value = chosen[select.id] = "";
}

function tally(key) {
  const numbers = {};
  for (const row of all) if (row[key] !== null) numbers[row[key]] = (numbers[row[key]] ?? 0) + 1;
  return numbers;
}

function fillFilters() {
  const names = Object.fromEntries(Object.entries(exchanges).map(([code, { name }]) => [code, name]));
  options(byId("exchange"), "All", tally("exchange"), names);
  options(byId("freshness"), "All", tally("freshness"), FRESHNESS);
  options(byId("state"), "All", tally("state"), STATES);
}

function countsText() {
  const cut = isCut ? ". More are known: the list and its file end here, in the order of the symbols." : "";
  return numbersText() + cut;
}

function numbersText() {
  if (shown.length !== all.length) return `${count(shown.length)} of ${plural(all.length, "symbol", "symbols")}`;
  const { fresh = 0, stale = 0, never = 0 } = tally("freshness");
  return `${plural(all.length, "symbol", "symbols")}: ${count(fresh)} up to date, ${count(stale)} behind, ${count(never)} never stored`;
}

function emptyText() {
  if (!all.length) return `No symbol is known yet. Trigger the DAG ${facts.dag} in Airflow; its symbols appear here.`;
  return shown.length ? "" : "No symbol fits. Shorten the search, or set the filters to All.";
}

function show() {
  const active = table.activeRow?.symbol;
  shown = sorted(all.filter((row) => fits(row, chosen)), chosen);
  table.setRows(shown, (row) => row.symbol === active);
  byId("list").hidden = !shown.length;
  byId("counts").textContent = countsText();
  if (emptyText()) stateText(byId("state-of-list"), emptyText());
  else byId("state-of-list").replaceChildren();
  for (const head of byId("head").cells) {
    if (head.dataset.key === chosen.sort) head.setAttribute("aria-sort", chosen.order === "asc" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
    const arrow = head.querySelector(".arrow");
    if (arrow) arrow.textContent = head.dataset.key !== chosen.sort ? "" : chosen.order === "asc" ? "↑" : "↓";
  }
  byId("csv").href = address("api/symbols.csv", { ...differing(), ...fileOrder() });
}

function differing() {
  return Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, chosen[key] === DEFAULTS[key] ? "" : chosen[key]]));
}

/** The order of the file: the server sorts by fewer columns than the list does. */
function fileOrder() {
  return IN_FILES.has(chosen.sort) ? {} : { sort: "", order: "" };
}

function choose(changes) {
  Object.assign(chosen, changes);
  shareAddress(address("", differing()));
  show();
}

function head({ key, title, number, sortable, from = "asc" }) {
  const cell = element("th", { scope: "col", class: `c-${key}${number ? " number" : ""}${sortable ? "" : " bare"}`, "data-key": key });
  if (!sortable) return element("th", { scope: "col", class: cell.className }, title);
  const button = element("button", { type: "button" }, title, element("span", { class: "arrow", "aria-hidden": "true" }));
  button.addEventListener("click", () => {
    const other = chosen.order === "asc" ? "desc" : "asc";
    choose({ sort: key, order: chosen.sort === key ? other : from });
  });
  cell.append(button);
  return cell;
}

byId("head").append(...COLUMNS.map(head));
byId("counts-line").append(meanings("What the last fetch can be", LAST_FETCHES));
byId("q").value = chosen.q;
byId("q").addEventListener("input", () => choose({ q: byId("q").value.trim() }));
byId("q").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown") return;
  event.preventDefault();
  table.enter();
});
for (const id of ["exchange", "freshness", "state"]) byId(id).addEventListener("change", () => choose({ [id]: byId(id).value }));
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  table.enter();
});
byId("list").tBodies[0].addEventListener("click", (event) => {
  if (event.target.closest("a")) return;
  event.target.closest("tr")?.querySelector("a")?.dispatchEvent(new MouseEvent("click", event)); // the whole row is the link
});
stateText(byId("state-of-list"), "Loading the symbols …", { busy: true });
byId("list").hidden = true;
refreshed(async () => {
  try {
    return await load();
  } catch (error) {
    partFailed(byId("state-of-list"), error);
    throw error;
  }
});
