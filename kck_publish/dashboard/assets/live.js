// Keeps an open page true: asks for its JSON every few seconds, and not while nobody sees it.
"use strict";
(() => {
  const LONGEST = 60000, main = document.getElementById("main"), PAUSE = 1000 * main.dataset.pause;
  const light = document.getElementById("live");
  const shown = new Map();
  let etag = null, timer = 0, failures = 0, asking = false;

  const say = (state, word) => {
    if (light.dataset.state === state) return;
    light.dataset.state = state;
    light.querySelector(".word").textContent = word;
  };
  const put = (name, html) => {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part || shown.get(name) === html) return;
    const href = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    shown.set(name, html);
    part.innerHTML = html;
    if (href) [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)?.focus();
  };
  const look = async () => {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch(main.dataset.url, { cache: "no-cache", headers: { Accept: "application/json" } });
      if (answer.redirected || answer.status === 403) return location.reload();
      if (!answer.ok) throw new Error(`${answer.status}`);
      failures = 0;
      say("live", "live");
      const tag = answer.headers.get("ETag");
      if (tag === null || tag !== etag) {
        const data = await answer.json();
        etag = tag;
        for (const [name, html] of Object.entries(data.parts)) put(name, html);
        dispatchEvent(new CustomEvent("kck:data", { detail: data }));
      }
    } catch {
      failures += 1;
      say("lost", "no answer");
    } finally {
      asking = false;
    }
    timer = setTimeout(look, Math.min(PAUSE * 2 ** failures, LONGEST));
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return say("hidden", "paused");
    failures = 0;
    look();
  });

  const help = document.getElementById("shortcuts");
  const keys = {
    "/": () => document.getElementById("search")?.focus(),
    t: () => dispatchEvent(new Event("kck:next-theme")),
    "?": () => help.showModal(),
  };
  addEventListener("keydown", (event) => {
    const writes = event.target.matches("input, textarea, select");
    if (event.key === "Escape" && writes) return event.target.blur();
    if (writes || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const tab = document.querySelectorAll(".tabs a")[event.key - 1];
    if (!tab && !keys[event.key]) return;
    event.preventDefault();
    if (tab) tab.click();
    else keys[event.key]();
  });
  document.getElementById("help").addEventListener("click", keys["?"]);
  for (const form of document.querySelectorAll("form.search")) {
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  look();
})();
