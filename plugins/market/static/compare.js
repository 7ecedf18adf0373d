// Up to four symbols as lines in percent, counted by the server from a day that all of them have. The chart library's own
// percent mode would start each line at its own first day in sight.

import { emptyChart } from "./chart.js";
import { element, svg } from "./dom.js";
import { direction, percent } from "./format.js";
import { colour } from "./settings.js";

const { LineSeries, LineStyle } = window.LightweightCharts;
const DASHES = [null, "4 4", "2 2", "12 5"]; // the same strokes in the legend
const STYLES = [LineStyle.Solid, LineStyle.Dashed, LineStyle.Dotted, LineStyle.LargeDashed];

/** Draw the answer of api/compare. Returns what removes the chart. */
export function drawComparison(place, { series }, onHover) {
  const chart = emptyChart(place);
  series.forEach(({ t, percent: values }, index) => {
    const line = chart.addSeries(LineSeries, {
      color: colour(`series-${index + 1}`), lineStyle: STYLES[index], lineWidth: 2, priceLineVisible: false,
      priceFormat: { type: "custom", formatter: percent, minMove: 0.01 } });
    line.setData(t.map((time, position) => (Number.isFinite(values[position]) ? { time, value: values[position] } : { time })));
  });
  chart.timeScale().fitContent();
  chart.subscribeCrosshairMove(({ time }) => onHover(time ?? null));
  return () => chart.remove();
}

/** Day → percent of each symbol (null where it has none), the newest day first. */
export function comparedRows({ series }) {
  const rows = new Map();
  series.forEach(({ t, percent: values }, index) => t.forEach((time, position) => {
    if (!rows.has(time)) rows.set(time, { time, values: series.map(() => null) });
    rows.get(time).values[index] = values[position];
  }));
  return [...rows.values()].sort((one, other) => (one.time < other.time ? 1 : -1));
}

function stroke(index) {
  const line = { x1: 0, y1: 4, x2: 28, y2: 4, stroke: `var(--series-${index + 1})`, "stroke-width": 2.5, "stroke-dasharray": DASHES[index] };
  return svg("svg", { class: "stroke", viewBox: "0 0 28 8", "aria-hidden": "true" }, svg("line", line));
}

/** The legend of one day: each line's stroke, symbol and percent. */
export function comparedLegend({ series }, row) {
  return series.map(({ symbol }, index) => {
    const value = row.values[index];
    return element("span", { class: "part" }, stroke(index),
      element("b", {}, symbol), " ", element("span", { class: direction(value).name }, percent(value)));
  });
}
