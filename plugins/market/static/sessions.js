// The columns of api/bars as sessions in order, with the days that are missing in between.

/** The bars as objects, oldest first; one without all four prices is left out, the chart would draw it as zero. */
export function sessionsOf({ t, o, h, l, c, v }) {
  return t.map((day, index) => ({
    time: day, open: o[index], high: h[index], low: l[index], close: c[index], volume: v[index] ?? null,
  })).filter(({ open, high, low, close }) => [open, high, low, close].every(Number.isFinite));
}

const DRAWN = new Set(["open", "absent", "halted"]); // before the listing and after its end there is nothing to miss

function weekdays(first, last) {
  const days = [];
  for (let time = Date.parse(first); time <= Date.parse(last); time += 86_400_000) {
    const day = new Date(time);
    if (day.getUTCDay() % 6) days.push(day.toISOString().slice(0, 10));
  }
  return days;
}

/** Day → gap, for the days that the chart leaves empty. */
export function missingDays(sessions, gaps) {
  const stored = new Set(sessions.map(({ time }) => time));
  const missing = new Map();
  for (const gap of gaps.filter(({ state }) => DRAWN.has(state))) {
    for (const day of weekdays(gap.first, gap.last)) if (!stored.has(day)) missing.set(day, gap);
  }
  return missing;
}

/** All days in order, each once: the sessions, and the missing days as {time} alone, which a chart leaves empty. */
export function withGaps(sessions, missing) {
  const gaps = [...missing.keys()].map((time) => ({ time }));
  return [...sessions, ...gaps].sort((one, other) => (one.time < other.time ? -1 : 1));
}
