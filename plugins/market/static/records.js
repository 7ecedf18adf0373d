// Findings, gaps and quarantined replies: the same lists on a symbol's page and on Operations.

import { get, inPath, symbolAddress } from "./api.js";
import { element, plainTable } from "./dom.js";
import { count, day, GAP_STATES, plural, time } from "./format.js";
import { stateText } from "./page.js";

const SEVERITIES = { error: "bad", warning: "warn", info: "" };

const symbolLink = (symbol) => (symbol ? element("a", { href: symbolAddress(symbol) }, symbol) : "–");

function rest({ total, rows }) {
  if (rows.length >= total) return [];
  return [element("p", { class: "hint" }, `The first ${count(rows.length)} of ${count(total)}.`)];
}

function fill(place, body, none, table) {
  if (body.rows.length) place.replaceChildren(table(body.rows), ...rest(body));
  else stateText(place, none);
}

async function part(place, path, parameters, show) {
  const { body, changed } = await get(path, parameters);
  if (changed || place.querySelector(".busy")) show(body);
}

/** What the checks of the stored data found and is still so. */
export function showFindings(place, symbol = "") {
  return part(place, "api/findings", { symbol, state: "open", limit: 50 }, (body) => fill(place, body,
    "No check has found anything.", (rows) => plainTable("Findings",
      [{ title: "Severity" }, { title: "Symbol" }, { title: "Session" }, { title: "What was found" }, { title: "First seen" }, { title: "Last seen" }],
      rows.map((row) => [element("span", { class: `tag ${SEVERITIES[row.severity] ?? ""}` }, row.severity), symbolLink(row.symbol),
        day(row.session), free(row.message), time(row.first_seen), time(row.last_seen)]))));
}

const free = (text) => element("span", { class: "free" }, text);

/** Gaps as a table; `withSymbol` where they are of several symbols. */
export function gapTable(rows, { withSymbol }) {
  const columns = [{ title: "First session" }, { title: "Last session" }, { title: "Sessions", number: true }, { title: "State" }];
  return plainTable("Gaps", withSymbol ? [{ title: "Symbol" }, ...columns] : columns, rows.map((gap) => [
    ...(withSymbol ? [symbolLink(gap.symbol)] : []),
    day(gap.first), day(gap.last), count(gap.sessions), `${gap.state.replaceAll("_", " ")}: ${GAP_STATES[gap.state] ?? ""}`]));
}

export function showOpenGaps(place) {
  return part(place, "api/gaps", { state: "open", limit: 50 }, (body) => fill(place, body, "No session is missing.",
    (rows) => gapTable(rows, { withSymbol: true })));
}

/** A command as text, with a button that copies it. */
function command(text) {
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it"; // the browser allows no access to the clipboard here
    }
  });
  return element("span", { class: "command" }, element("code", {}, text), button);
}

function payload(id) {
  const text = element("pre", { tabindex: "0" }, "Loading the reply …");
  const box = element("details", {}, element("summary", {}, "What was received"), text);
  box.addEventListener("toggle", async () => {
    if (!box.open) return;
    try {
      text.textContent = (await get(`api/quarantine/${inPath(String(id))}`)).body.payload ?? "Nothing of it was kept.";
    } catch (error) {
      text.textContent = error.message;
    }
  });
  return box;
}

function quarantined(row) {
  return element("li", { class: "reply" },
    element("p", {}, element("b", {}, symbolLink(row.symbol)), ` ${row.dataset.replaceAll("_", " ")} · `,
      element("span", { class: "tag bad" }, row.reason.replaceAll("_", " ")), ` · received ${time(row.received_at)}`),
    element("p", { class: "said" }, row.message),
    row.replayable ? command(`python -m workers quarantine replay ${row.id}`)
      : element("p", { class: "hint" }, `It cannot be read again. To remove it: python -m workers quarantine drop ${row.id}`),
    payload(row.id));
}

export function showQuarantine(place, symbol = "") {
  const none = symbol ? `No reply about ${symbol} was refused.` : "No reply was refused.";
  return part(place, "api/quarantine", { symbol, limit: 50 }, (body) => {
    if (!body.rows.length) stateText(place, none);
    else place.replaceChildren(element("p", { class: "hint" }, `${plural(body.total, "reply", "replies")}, the newest first.`),
      element("ul", { class: "replies" }, ...body.rows.map(quarantined)), ...rest(body));
  });
}
