// A symbol's page: the address says symbol, range, mode and what it is compared with; this keeps page and address equal.

import { address, get, inPath, Problem, symbolAddress } from "./api.js";
import { barsTable } from "./bars_table.js";
import { drawBars } from "./chart.js";
import { comparedLegend, comparedRows, drawComparison } from "./compare.js";
import { byId, element } from "./dom.js";
import { day, plural } from "./format.js";
import { shareAddress } from "./frame.js";
import { knownExchanges, facts, partFailed, refreshed, showProblem, stateText } from "./page.js";
import { gapTable, showFindings, showQuarantine } from "./records.js";
import { missingDays, sessionsOf } from "./sessions.js";
import { onLook } from "./settings.js";
import * as texts from "./symbol_texts.js";

const MOST = 4; // symbols in one comparison
const { symbol } = facts;
const given = new URLSearchParams(location.search);
const chosen = {
  range: given.get("range") in texts.RANGES ? given.get("range") : "1y",
  mode: given.get("mode") in texts.MODES ? given.get("mode") : "raw",
  vs: [...new Set((given.get("vs") ?? "").toUpperCase().split(",").filter(Boolean))].slice(0, MOST - 1),
};
const table = barsTable();
let removeChart = () => {};
let redraw = () => {};
let asked = new AbortController();

const parameters = () => ({ range: chosen.range, mode: chosen.mode });

function chart(draw) {
  redraw = () => {
    removeChart();
    removeChart = draw();
  };
  redraw();
}

function noChart(sentence) {
  removeChart();
  removeChart = redraw = () => {};
  byId("legend").replaceChildren();
  byId("keys").replaceChildren();
  byId("chart-text").textContent = "";
  byId("chart").hidden = true;
  stateText(byId("state-of-chart"), sentence);
}

function withChart(text) {
  byId("chart").hidden = false;
  byId("chart-text").textContent = text;
  byId("state-of-chart").replaceChildren();
}

function showHead(bars, exchanges) {
  byId("name").textContent = bars.name ?? "";
  byId("where").textContent = [exchanges[bars.exchange]?.name ?? bars.exchange, bars.unit && `prices in ${bars.unit}`].filter(Boolean).join(" · ");
  byId("quote").replaceChildren(...texts.quoteParts(bars));
  const { text, late } = texts.freshnessText(bars);
  byId("freshness").textContent = text;
  byId("freshness").classList.toggle("late", late);
  byId("explained").textContent = texts.modeText(bars);
  if (bars.gaps.length) byId("gaps").replaceChildren(gapTable(bars.gaps, { withSymbol: false }));
  else stateText(byId("gaps"), "No session is missing in this range.");
}

function showBars(bars) {
  const sessions = sessionsOf(bars);
  table.showBars(sessions, bars);
  byId("csv").href = address(`api/bars/${inPath(symbol)}.csv`, parameters());
  if (!sessions.length) return noChart(`No bar of ${symbol} is stored in this range. Choose a longer one, or trigger the DAG stock_history.`);
  const missing = missingDays(sessions, bars.gaps);
  const positions = new Map(sessions.map(({ time }, index) => [time, index]));
  const legend = (time) => {
    const gap = missing.get(time);
    const index = positions.get(time) ?? sessions.length - 1;
    byId("legend").replaceChildren(...(gap ? texts.gapLegend(time, gap)
      : texts.sessionLegend(sessions[index], sessions[index - 1]?.close, bars)));
  };
  withChart(texts.chartText(symbol, sessions));
  byId("keys").replaceChildren(...texts.keyItems(bars, missing.size > 0));
  legend(null);
  return chart(() => drawBars(byId("chart"), bars, legend));
}

function showComparison(compared) {
  const rows = comparedRows(compared);
  table.showComparison(compared, rows);
  byId("csv").href = address("api/compare.csv", { symbols: [symbol, ...chosen.vs].join(","), ...parameters() });
  byId("keys").replaceChildren();
  const why = compared.missing.map((one) => `${one.symbol}: ${one.why}`).join(" ");
  if (!rows.length) return noChart(why || "These symbols have no session in common in this range. Choose a longer one.");
  const byDay = new Map(rows.map((row) => [row.time, row]));
  const newest = { time: rows[0].time, values: compared.series.map(({ percent }) => percent.at(-1)) }; // each its own
  const legend = (time) => {
    const row = byDay.get(time) ?? newest;
    byId("legend").replaceChildren(element("b", {}, day(row.time)), ...comparedLegend(compared, row));
  };
  withChart(`Change in percent since ${day(compared.from)}, the first session in this ` +
    `range that ${plural(compared.series.length, "symbol has", "symbols have")} in common. ${why}`);
  legend(null);
  return chart(() => drawComparison(byId("chart"), compared, legend));
}

function chip(other) {
  const button = element("button", { type: "button", "aria-label": `Remove ${other} from the comparison` }, other,
    element("span", { "aria-hidden": "true" }, "×"));
  button.addEventListener("click", () => {
    choose({ vs: chosen.vs.filter((kept) => kept !== other) });
    byId("vs").focus();
  });
  return element("li", {}, button);
}

let drawn = ""; // what the chart shows: a refresh that brings nothing new leaves it, and the reader's zoom, alone

/** What went wrong with the symbol; a part that fails says so in its own place too. */
async function parts() {
  const shown = { findings: showFindings, quarantine: showQuarantine };
  await Promise.all(Object.entries(shown).map(([id, show]) => show(byId(id), symbol).catch((error) => {
    partFailed(byId(id), error);
    throw error;
  })));
}

async function load() {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const wanted = JSON.stringify(chosen);
  const comparing = chosen.vs.length > 0;
  const [exchanges, bars, compared] = await Promise.all([
    knownExchanges(),
    get(`api/bars/${inPath(symbol)}`, parameters(), { signal }),
    comparing ? get("api/compare", { symbols: [symbol, ...chosen.vs].join(","), ...parameters() }, { signal }) : null,
  ]);
  if (bars.changed || drawn !== wanted) showHead(bars.body, exchanges);
  if (bars.changed || compared?.changed || drawn !== wanted) {
    if (comparing) showComparison(compared.body);
    else showBars(bars.body);
  }
  drawn = wanted;
}

/** Returns whether the symbol is known; throws what is no answer about it. */
async function loadChart() {
  try {
    await load();
  } catch (error) {
    if (error.name === "AbortError") return true; // another range was chosen meanwhile
    const unknown = error instanceof Problem && ["missing", "wrong"].includes(error.kind);
    if (unknown || !drawn) noChart(error.message);
    if (!unknown) throw error;
    byId("state-of-chart").append(element("a", { href: address("") }, "Back to the overview"));
    return false;
  }
  return true;
}

function choose(changes) {
  Object.assign(chosen, changes);
  const { range, mode, vs } = chosen;
  shareAddress(symbolAddress(symbol, { range, mode: mode === "raw" ? "" : mode, vs: vs.join(",") }));
  byId("chips").replaceChildren(...vs.map(chip));
  loadChart().catch(showProblem);
}

function segments(id, labels) {
  byId(id).append(...Object.entries(labels).map(([value, text]) => {
    const input = element("input", { type: "radio", name: id, value, checked: chosen[id] === value });
    input.addEventListener("change", () => choose({ [id]: value }));
    return element("label", {}, input, element("span", {}, text));
  }));
}

segments("range", texts.RANGES);
segments("mode", texts.MODES);
byId("chips").append(...chosen.vs.map(chip));
byId("compare").addEventListener("submit", (event) => {
  event.preventDefault();
  const other = byId("vs").value.trim().toUpperCase();
  if (!other || other === symbol || chosen.vs.includes(other)) return;
  if (chosen.vs.length >= MOST - 1) {
    byId("explained").textContent = `At most ${MOST} symbols fit one chart: remove one first.`;
    return;
  }
  byId("vs").value = "";
  const mode = chosen.mode === "raw" && !chosen.vs.length ? "split" : chosen.mode; // as traded, a split looks like a loss
  document.querySelector(`#mode input[value="${mode}"]`).checked = true;
  choose({ vs: [...chosen.vs, other], mode });
});
onLook(() => redraw());
for (const id of ["state-of-chart", "gaps", "findings", "quarantine"]) stateText(byId(id), "Loading …", { busy: true });
refreshed(async () => {
  if (await loadChart()) await parts();
  else for (const id of ["gaps", "findings", "quarantine"]) stateText(byId(id), "Nothing is known.");
});
