// The last runs: what became of their symbols, with links to Airflow's own pages of run and task.

import { get } from "./api.js";
import { element, plainTable } from "./dom.js";
import { count, plural, STATES, time } from "./format.js";
import { meanings } from "./meanings.js";
import { airflowLink } from "./frame.js";
import { stateText } from "./page.js";

const LOUD = { failed: "wrong", quarantined: "wrong", postponed: "waits", stale: "waits", open: "waits" };
const KINDS = ["stored", "unchanged", "stale", "skipped", "postponed", "quarantined", "failed", "open"];
const RUN_STATES = { success: ["", "success"], failed: ["bad", "failed"], running: ["warn", "running"] };
const opened = new Set(); // runs whose symbols are shown, so that a refresh leaves them open

const keyOf = (run) => `${run.dag_id} ${run.run_id}`;

function number(run, kind) {
  const value = run[kind] ?? 0;
  return element("span", { class: value ? LOUD[kind] ?? null : "zero" }, count(value));
}

function stateOf({ state }) {
  const [tone, word] = RUN_STATES[state] ?? ["", state];
  return element("span", { class: `tag ${tone}` }, word);
}

function nameOf(run) {
  return element("span", {}, airflowLink(run.link, time(run.planned_at)), element("span", { class: "sub" }, run.run_id));
}

function whatOf(run) {
  return run.dataset.replaceAll("_", " ");
}

function outcomesTable({ total, rows }) {
  const columns = [{ title: "Symbol" }, { title: "Outcome" }, { title: "Reason" }, { title: "Detail" }, { title: "Worker" }, { title: "Next try" }];
  const cells = rows.map((row) => [airflowLink(row.link, row.symbol), STATES[row.status] ?? row.status,
    (row.reason ?? "").replaceAll("_", " "), element("span", { class: "free" }, row.detail ?? ""), row.worker || "–", time(row.retry_at)]);
  const note = total > rows.length ? [element("p", { class: "hint" }, `The first ${count(rows.length)} of ${count(total)}.`)] : [];
  return [...note, plainTable("Outcomes", columns, cells)];
}

async function showOutcomes(run, cell) {
  stateText(cell, "Loading the symbols …", { busy: true });
  try {
    const path = `api/runs/${encodeURIComponent(run.run_id)}/outcomes`;
    const { body } = await get(path, { limit: 200 });
    if (body.rows.length) cell.replaceChildren(...outcomesTable(body));
    else stateText(cell, "This run has no symbols.");
  } catch (error) {
    stateText(cell, error.message);
  }
}

function toggle(run, columns) {
  const button = element("button", { type: "button", "aria-expanded": "false", "aria-label": `Symbols of the run ${run.run_id}` }, "Symbols");
  const cell = element("td", { colspan: columns });
  const details = element("tr", { class: "outcomes", hidden: true }, cell);
  const set = (open) => {
    button.setAttribute("aria-expanded", String(open));
    details.hidden = !open;
    opened[open ? "add" : "delete"](keyOf(run));
    if (open) showOutcomes(run, cell);
  };
  button.addEventListener("click", () => set(details.hidden));
  if (opened.has(keyOf(run))) set(true);
  return { button, details };
}

function runTable(rows) {
  const columns = [{ title: "Planned" }, { title: "What" }, { title: "State" }, { title: "Symbols", number: true },
    ...KINDS.map((kind) => ({ title: STATES[kind], number: true })), { title: "Details" }];
  const toggles = rows.map((run) => toggle(run, columns.length));
  const table = plainTable("Runs", columns, rows.map((run, index) => [nameOf(run), whatOf(run), stateOf(run), count(run.symbols),
    ...KINDS.map((kind) => number(run, kind)), toggles[index].button]));
  for (const { button, details } of toggles) button.closest("tr").after(details);
  return table;
}

/** A new table leaves the keyboard on the run where it was. */
function showTable(place, rows) {
  const held = place.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  place.replaceChildren(element("div", { class: "runs" }, runTable(rows)), meanings("What the columns mean", KINDS));
  if (held) [...place.querySelectorAll("button")].find((button) => button.ariaLabel === held)?.focus();
}

/** Show api/runs. */
export async function showRuns(place) {
  const { body, changed } = await get("api/runs", { limit: 30 });
  if (!changed && !place.querySelector(".busy")) return;
  if (!body.rows.length) stateText(place, "No run yet. Trigger the DAG in Airflow; its outcomes appear here.");
  else showTable(place, body.rows);
}

/** Show api/workers: how the symbols of a day were shared. */
export async function showWorkers(place) {
  const { body, changed } = await get("api/workers", { hours: 24 });
  if (!changed && !place.querySelector(".busy")) return;
  if (!body.rows.length) return stateText(place, "No worker has fetched a symbol in this time.");
  const columns = [{ title: "Worker" }, ...["Symbols", "Stored", "Failed"].map((title) => ({ title, number: true })), { title: "Last seen" }];
  const total = body.rows.reduce((sum, row) => sum + row.symbols, 0);
  return place.replaceChildren(
    element("p", { class: "hint" }, `${plural(body.rows.length, "worker", "workers")}, ${plural(total, "symbol", "symbols")}.`),
    plainTable("Workers", columns, body.rows.map((row) => [row.worker, count(row.symbols), count(row.stored),
      element("span", { class: row.failed ? "wrong" : null }, count(row.failed)), time(row.last_seen)])));
}
