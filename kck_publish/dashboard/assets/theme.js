// Before anything is drawn: the colours that the reader has chosen, else those of the system.
"use strict";
(() => {
  const KEY = "kck_publish.theme", ALL = ["system", "light", "dark"];
  const NAMES = { system: "as the system", light: "light", dark: "dark" };
  const root = document.documentElement;
  let theme = "system";
  try { theme = ALL.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : theme; } catch { /* no storage: not kept */ }
  const show = () => {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.setAttribute("aria-label", `Colours: ${NAMES[theme]}`);
      button.title = `Colours: ${NAMES[theme]} (t)`;
    }
    dispatchEvent(new Event("kck:theme"));
  };
  const next = () => {
    theme = ALL[(ALL.indexOf(theme) + 1) % ALL.length];
    try { localStorage.setItem(KEY, theme); } catch { /* as above */ }
    show();
  };
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", next);
  });
  addEventListener("kck:next-theme", next);
})();
