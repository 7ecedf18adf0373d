// What every page does: banner, "as of", the switch of colours, problems, and a refresh every 30 s while it is looked at.

import { get, Problem } from "./api.js";
import { byId, element } from "./dom.js";
import { clock, time } from "./format.js";
import { airflowBase, loginAddress } from "./frame.js";
import { redIsUp, setRedIsUp, timeZone } from "./settings.js";

const REFRESH_MS = 30_000;

/** The facts the server wrote into the shell. */
export const facts = document.body.dataset;

/** The exchanges by the code of their calendar: {name, unit}. */
export async function knownExchanges() {
  const { body } = await get("api/meta");
  return Object.fromEntries(body.exchanges.map((exchange) => [exchange.code, exchange]));
}

function showMeta(meta) {
  const banner = byId("banner");
  banner.hidden = !meta.invented;
  banner.replaceChildren(element("strong", {}, "Invented data."),
    ` Everything here comes from the sandbox, a stand-in for the provider; no price is real. Database: ${meta.database}.`);
}

function showTimes(asOf) {
  byId("asof").replaceChildren(`Data as of ${time(asOf)}`,
    element("span", { class: "checked" }, ` · checked ${clock(new Date().toISOString())}`));
}

function remedy(problem) {
  if (problem.kind !== "login") return null;
  if (airflowBase() === null) return "Reload the page.";
  return element("a", { href: loginAddress(), class: "button", "data-outside": true }, "Log in again");
}

/** Say what went wrong and what to do next, above the page; what was shown before stays. */
export function showProblem(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Problem)) console.error(error); // a defect of the page itself: for whoever mends it
  const sentence = error instanceof Problem ? error.message : "This page has a fault. Reload it; if that does not help, report it.";
  const next = error instanceof Problem ? remedy(error) : null;
  const notice = byId("notice");
  notice.replaceChildren(sentence, ...(next ? [" ", next] : []));
  if (error.kind === "login" && airflowBase() !== null) notice.append(" This page will be as you left it.");
  notice.hidden = false;
}

function clearProblem() {
  const notice = byId("notice");
  if (!notice.hidden) notice.hidden = true;
}

/** A part of the page that has nothing to show: loading, empty or failed; it says what to do next. */
export function stateText(place, sentence, { busy = false } = {}) {
  place.replaceChildren(element("p", { class: busy ? "state busy" : "state" }, sentence));
}

/** Put what a failed part can say in its place, and the sentence above the page. */
export function partFailed(place, error) {
  if (error.name === "AbortError") return;
  if (!place.hasChildNodes() || place.querySelector(".state")) stateText(place, error.message ?? "This could not be loaded.");
  showProblem(error);
}

/**
 * Run `load` now and every 30 s while the page is visible. `load` returns the "as of" of what it brought, or nothing;
 * it throws what went wrong. Returns a function that asks for it at once.
 */
export function refreshed(load) {
  let timer = null;
  async function round() {
    clearTimeout(timer);
    const [meta, loaded] = await Promise.allSettled([get("api/meta"), load()]); // one that fails hides no other
    if (meta.value) showMeta(meta.value.body);
    if (meta.value) showTimes(loaded.value ?? meta.value.body.as_of);
    const failed = [loaded, meta].find(({ status }) => status === "rejected");
    if (failed) showProblem(failed.reason);
    else clearProblem();
    if (document.visibilityState === "visible") timer = setTimeout(round, REFRESH_MS);
  }
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") round();
    else clearTimeout(timer);
  });
  round();
  return round;
}

const redUp = byId("red-up");
redUp.checked = redIsUp();
redUp.addEventListener("change", () => setRedIsUp(redUp.checked));
byId("zone").textContent = `Times are in ${timeZone}; sessions are days of the exchange.`;
