// The page may live in a frame of Airflow. Its sandbox opens no window and moves no parent, but the parent's document
// can be reached: a link that is put there and clicked leads out, and a "load" of the frame shares the new address.

import { element } from "./dom.js";

function parentDocument() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null; // a frame of another site
  }
}

/** Airflow's base path without a slash at its end; null where the page runs without Airflow. */
export function airflowBase() {
  const base = document.body.dataset.airflow;
  return base ? base.replace(/\/+$/, "") : null;
}

/** Leave the frame: to Airflow's own page at this path below its base, or to a whole address. */
export function openOutside(href, { newTab = false } = {}) {
  const host = parentDocument() ?? document;
  const link = host.createElement("a");
  link.href = href;
  if (newTab) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  host.body.append(link);
  link.click();
  link.remove();
}

/** A link out of the frame; plain text where there is no Airflow to link to. */
export function airflowLink(path, text) {
  const base = airflowBase();
  if (base === null || !path) return element("span", {}, text);
  const link = element("a", { href: `${base}/${path.replace(/^\//, "")}`, "data-outside": true }, text);
  return link;
}

/** Where to log in again: Airflow's log-in, which leads back to where the reader is now. */
export function loginAddress() {
  const here = parentDocument()?.location ?? window.location;
  return `${airflowBase() ?? ""}/api/v2/auth/login?next=${encodeURIComponent(here.href)}`;
}

/** Show `url` in the address bar without a new entry in the history; Airflow's bar follows the frame's "load". */
export function shareAddress(url) {
  history.replaceState(history.state, "", url);
  if (parentDocument()) window.frameElement?.dispatchEvent(new Event("load"));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-outside]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openOutside(link.href, { newTab: new URL(link.href).origin !== window.location.origin });
});
