// Candles and volume by lightweight-charts. It checks nothing it is given (sessions.js does), and its canvas knows hex
// colours only.

import * as format from "./format.js";
import { missingDays, sessionsOf, withGaps } from "./sessions.js";
import { colour, locale } from "./settings.js";

const { createChart, createSeriesMarkers, CandlestickSeries, HistogramSeries } = window.LightweightCharts;
const SOFT = "66"; // alpha of volume and bands

/** An empty chart in the reader's language and the page's colours. */
export function emptyChart(place) {
  const line = colour("line");
  const rule = { color: colour("quiet"), labelBackgroundColor: "#3b4656" };
  return createChart(place, {
    autoSize: true,
    layout: {
      background: { color: colour("card") }, textColor: colour("quiet"), attributionLogo: false,
      fontFamily: getComputedStyle(document.body).fontFamily, panes: { separatorColor: line },
    },
    grid: { vertLines: { color: colour("raised") }, horzLines: { color: colour("raised") } },
    crosshair: { mode: 0, vertLine: rule, horzLine: rule },
    rightPriceScale: { borderColor: line, entireTextOnly: true },
    timeScale: { borderColor: line, minBarSpacing: 0.05, maxBarSpacing: 40, rightOffset: 2 },
    localization: { locale, timeFormatter: format.day },
    handleScroll: { vertTouchDrag: false }, // a finger that goes down scrolls the page
  });
}

function candle(session, openDay) {
  const tone = colour(session.close >= session.open ? "up" : "down");
  const body = session.time === openDay ? colour("card") : tone; // hollow: its day has not closed
  return { ...session, color: body, borderColor: tone, wickColor: tone };
}

function bar({ time, open, close, volume }) {
  return volume === null ? { time } : { time, value: volume, color: colour(close >= open ? "up" : "down") + SOFT };
}

function marker({ t, type, text }) {
  return type === "split"
    ? { time: t, position: "aboveBar", shape: "square", color: colour("series-4"), text: `Split ${text}` }
    : { time: t, position: "belowBar", shape: "circle", color: colour("series-3") }; // its amount would cover the candles: legend and table say it
}

function addBands(chart, missing) {
  const bands = chart.addSeries(HistogramSeries, {
    priceScaleId: "gaps", color: colour("gap") + SOFT, lastValueVisible: false, priceLineVisible: false });
  bands.setData([...missing.keys()].sort().map((time) => ({ time, value: 1 })));
  chart.priceScale("gaps").applyOptions({ scaleMargins: { top: 0, bottom: 0 }, visible: false });
}

function addMarkers(candles, events, sessions) {
  const [first, last] = [sessions[0].time, sessions.at(-1).time];
  const inRange = events.filter(({ t }) => t >= first && t <= last).sort((one, other) => (one.t < other.t ? -1 : 1));
  createSeriesMarkers(candles, inRange.map(marker));
}

/** Draw the bars of api/bars; `onHover(day or null)` follows the crosshair. Returns what removes the chart. */
export function drawBars(place, bars, onHover) {
  const sessions = sessionsOf(bars);
  const missing = missingDays(sessions, bars.gaps);
  const chart = emptyChart(place);
  addBands(chart, missing);
  const candles = chart.addSeries(CandlestickSeries, {
    priceLineVisible: false, borderVisible: true, priceFormat: { type: "custom", formatter: format.price, minMove: 0.0001 } });
  candles.setData(withGaps(sessions.map((session) => candle(session, bars.open_day)), missing));
  const volume = chart.addSeries(HistogramSeries, {
    priceFormat: { type: "custom", formatter: format.short, minMove: 1 }, priceLineVisible: false, lastValueVisible: false }, 1);
  volume.setData(withGaps(sessions.map(bar), missing));
  chart.panes()[1].setHeight(90);
  addMarkers(candles, bars.events, sessions);
  chart.timeScale().fitContent();
  chart.subscribeCrosshairMove(({ time }) => onHover(time ?? null));
  return () => chart.remove();
}
