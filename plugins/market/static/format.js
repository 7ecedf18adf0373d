// How numbers, days and times are written: in the reader's language, and each change with a sign and a shape.

import { locale, timeZone } from "./settings.js";

const NOTHING = "–";
const price_ = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const change_ = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 4, signDisplay: "exceptZero" });
const percent_ = new Intl.NumberFormat(locale, {
  style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const count_ = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const short_ = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const day_ = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });
const clock_ = new Intl.DateTimeFormat(locale, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone, timeZoneName: "short" });
const moment_ = new Intl.DateTimeFormat(locale, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone, timeZoneName: "short" });
const hour_ = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone });

const or = (value, write) => (value === null || value === undefined ? NOTHING : write(value));

export const price = (value) => or(value, (number) => price_.format(number));
export const change = (value) => or(value, (number) => change_.format(number));
/** `value` is in percent: 0.85 is 0.85 %. */
export const percent = (value) => or(value, (number) => percent_.format(number / 100));
export const count = (value) => or(value, (number) => count_.format(number));
export const short = (value) => or(value, (number) => short_.format(number));
/** A session, `YYYY-MM-DD`: that day in every zone. */
export const day = (value) => or(value, (text) => day_.format(new Date(`${text}T00:00:00Z`)));
/** An instant, ISO 8601: in the reader's zone, which is named. */
export const clock = (value) => or(value, (text) => clock_.format(new Date(text)));
export const time = (value) => or(value, (text) => moment_.format(new Date(text)));
export const hour = (value) => or(value, (text) => hour_.format(new Date(text)));

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

/** Class and shape of a change; the shape says what the colour says. */
export function direction(value) {
  if (value === null || value === undefined) return { name: "none", shape: "" };
  if (value > 0) return { name: "up", shape: "▲" };
  return value < 0 ? { name: "down", shape: "▼" } : { name: "flat", shape: "■" };
}

/** How far a symbol is behind its exchange's calendar, in words. */
export function freshness(kind, behind) {
  if (kind === "never") return "Never stored";
  if (kind === "fresh") return "Up to date";
  if (kind === "stale") return behind ? `${plural(behind, "session", "sessions")} behind` : "Behind";
  return "No calendar known";
}

/** What became of a symbol in a run, in words a newcomer knows. */
export const STATES = {
  stored: "Stored",
  unchanged: "No change",
  stale: "Older session",
  skipped: "Not needed",
  postponed: "Postponed",
  quarantined: "In quarantine",
  failed: "Failed",
  planned: "Planned",
  open: "Not finished",
  never: "Never asked",
};

export const GAP_STATES = {
  open: "still asked for",
  absent: "the provider has none",
  before_listing: "before the listing",
  delisted: "after the delisting",
  halted: "trading was halted",
  repaired: "filled by now",
};
