// What the reader chose elsewhere: language of numbers and dates, time zone, and which colour means up.

function airflowLanguage() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement.lang;
  } catch {
    return null; // a frame of another site
  }
}

function remembered(key) {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null; // storage is switched off
  }
}

function firstValid(candidates, isValid) {
  return candidates.find((candidate) => {
    try {
      return candidate && isValid(candidate);
    } catch {
      return false; // RangeError: not a language tag, not a zone
    }
  });
}

function airflowTimeZone() {
  try {
    return JSON.parse(remembered("timezone")); // Airflow keeps it as a JSON string
  } catch {
    return remembered("timezone");
  }
}

/** The language tag in which numbers and dates are written: Airflow's choice, else the browser's. */
export const locale = firstValid(
  [remembered("i18nextLng"), airflowLanguage(), navigator.language, "en"],
  (tag) => Intl.getCanonicalLocales(tag).length === 1,
);

/** The IANA zone of every time: Airflow's choice, else the browser's. */
export const timeZone = firstValid(
  [airflowTimeZone(), Intl.DateTimeFormat().resolvedOptions().timeZone, "UTC"],
  (zone) => new Intl.DateTimeFormat("en", { timeZone: zone }) !== null,
);

export const redIsUp = () => document.documentElement.dataset.up === "red";

/** Remember which colour means up, and repaint. */
export function setRedIsUp(red) {
  try {
    window.localStorage.setItem("market.up", red ? "red" : "blue");
  } catch {
    document.documentElement.dataset.up = red ? "red" : "blue"; // storage is off: for this page only
    document.dispatchEvent(new Event("look"));
    return;
  }
  document.dispatchEvent(new Event("look-chosen"));
}

/** Call `repaint` whenever theme or colours change. */
export function onLook(repaint) {
  document.addEventListener("look", repaint);
}

/** The value of a colour token of base.css, as hex: a canvas knows no custom properties. */
export function colour(token) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();
}
