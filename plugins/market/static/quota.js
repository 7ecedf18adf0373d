// The quota: how much of each window is used now, who holds it back, and the calls of the last day's hours.

import { get, symbolAddress } from "./api.js";
import { element, plainTable } from "./dom.js";
import { count, hour, plural, time } from "./format.js";

const WINDOWS = { second: "In one second", minute: "In one minute", hour: "In one hour", day: "In one day" };

function meter({ name, used, limit, resets_at: resetsAt }) {
  const label = WINDOWS[name] ?? `In one ${name}`;
  const fill = element("div", { class: "fill" });
  fill.style.width = `${limit ? Math.min(100, (used / limit) * 100) : 0}%`;
  const left = Math.max(0, limit - used);
  const next = resetsAt && left < limit ? ` · starts again ${time(resetsAt)}` : "";
  return element("div", { class: used >= limit ? "meter full" : "meter" },
    element("p", { class: "figures" }, element("span", {}, label), element("b", {}, `${count(used)} of ${count(limit)}`)),
    element("div", { class: "track", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": limit,
      "aria-valuenow": Math.min(used, limit), "aria-valuetext": `${count(used)} of ${count(limit)} calls used` }, fill),
    element("p", { class: "hint" }, left ? `${plural(left, "call", "calls")} left${next}` : `Nothing left${next}`));
}

function column({ hour: start, calls }, most) {
  const bar = element("i", {});
  bar.style.height = `${most ? Math.round((calls / most) * 74) : 0}px`;
  return element("div", {}, calls ? count(calls) : "", bar);
}

function hoursOf(hours) {
  const most = Math.max(0, ...hours.map(({ calls }) => calls));
  const total = hours.reduce((sum, { calls }) => sum + calls, 0);
  const rows = [...hours].reverse().map(({ hour: start, calls }) => [time(start), count(calls)]);
  return element("div", { class: "hours" },
    element("h3", {}, `Calls in each of the last ${hours.length} hours: ${count(total)} in all`),
    element("div", { class: "bars", "aria-hidden": "true" }, ...hours.map((one) => column(one, most))),
    element("p", { class: "scale", "aria-hidden": "true" },
      ...[hours[0], hours[Math.floor(hours.length / 2)], hours.at(-1)].map((one) => element("span", {}, hour(one.hour)))),
    element("details", {}, element("summary", {}, "The same as a table"),
      plainTable("Calls by hour", [{ title: "Hour from" }, { title: "Calls", number: true }], rows)));
}

function hold({ hold_until: until, hold_reason: reason }) {
  if (!until) return null;
  return element("p", { class: "hold" }, `All calls wait until ${time(until)}. ${reason ?? ""}`);
}

/** Where Redis is away nobody knows what is used: said, instead of a quota that looks unused. */
function away({ away: why }) {
  return why ? element("p", { class: "hold" }, `What is used now is not known: ${why}`) : null;
}

function underWay({ in_flight: inFlight, queued, deferred }) {
  if (inFlight === null || inFlight === undefined) return null;
  if (!inFlight && !queued && !deferred) return element("p", { class: "hint under-way" }, "No call is under way, and no task waits for one.");
  return element("p", { class: "hint under-way" }, `${plural(inFlight, "call", "calls")} under way; ${plural(queued, "task waits", "tasks wait")} ` +
    `for the next seconds, ${count(deferred)} gave the slot back and will be woken.`);
}

function waitingTable({ total, rows }) {
  const columns = [{ title: "Symbol" }, { title: "What" }, { title: "Until" }, { title: "Reason" }, { title: "Run" }];
  const more = rows.length < total ? `The first ${count(rows.length)} of ${count(total)}.` : plural(total, "symbol waits", "symbols wait");
  return [element("p", { class: "hint" }, more), plainTable("Waiting for a call", columns, rows.map((row) => [
    row.symbol ? element("a", { href: symbolAddress(row.symbol) }, row.symbol) : "–", row.dataset.replaceAll("_", " "), time(row.until), element("span", { class: "free" }, row.reason?.replaceAll("_", " ") ?? "–"), row.run_id]))];
}

/** What changes by the second; it holds nothing that a keyboard could be on. */
function showNow(place, body) {
  const parts = [away(body), hold(body), element("div", { class: "meters" }, ...body.windows.map(meter)), underWay(body)];
  const now = element("div", { class: "now" }, ...parts.filter(Boolean));
  const before = place.querySelector(".now");
  if (before) before.replaceWith(now);
  else place.replaceChildren(now);
}

let drawnHours = "";

/** The hours are drawn again only where they changed, so that a refresh closes no table that a reader has open. */
function showHours(place, hours) {
  const wanted = JSON.stringify(hours);
  if (wanted === drawnHours || !hours.length) return;
  const before = place.querySelector(".hours");
  const after = hoursOf(hours);
  after.querySelector("details").open = before?.querySelector("details").open ?? false;
  if (before) before.replaceWith(after);
  else place.append(after);
  drawnHours = wanted;
}

/** Show api/quota in these two places. */
export async function showQuota(place, waitingPlace) {
  const { body, changed } = await get("api/quota");
  if (!changed && !place.querySelector(".busy")) return;
  showNow(place, body);
  showHours(place, body.hours);
  waitingPlace.replaceChildren(...(body.waiting.total ? waitingTable(body.waiting)
    : [element("p", { class: "state" }, "Nothing waits: every symbol that was planned has had its call.")]));
}
