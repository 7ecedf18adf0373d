// Light or dark, and which colour means up: set before the first paint, so this one file is no module.
// In Airflow's frame the choice is Airflow's (the class of its <html>); alone it is the system's.
"use strict";
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function airflowRoot() {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
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

  function theme() {
    const classes = airflowRoot()?.classList;
    if (classes?.contains("dark")) return "dark";
    if (classes?.contains("light")) return "light";
    const chosen = remembered("theme");
    if (chosen === "dark" || chosen === "light") return chosen;
    return system.matches ? "dark" : "light";
  }

  function apply() {
    root.dataset.theme = theme();
    root.dataset.up = remembered("market.up") === "red" ? "red" : "blue";
    document.dispatchEvent(new Event("look"));
  }

  apply();
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply); // another tab chose
  const airflow = airflowRoot();
  if (airflow) new MutationObserver(apply).observe(airflow, { attributes: true, attributeFilter: ["class"] });
  document.addEventListener("look-chosen", apply);
})();
