// <kck-live key version src>: keeps its content true; the tabs of a browser share one stream.
const hubs = {}, me = Math.random(), doc = document;

// An element in an element keeps its key, and is told of it by its own stream.
const name = (node) => node.id || node.nodeName == "KCK-LIVE" && node.getAttribute("key") || 0;

function morph(from, to, flash) {
  let at = from.firstChild;
  const skip = () => { const old = at; at = at.nextSibling; old.remove(); };
  for (const next of [...to.childNodes]) {
    let here = at;
    while (here && (here.nodeName != next.nodeName || name(here) != name(next))) here = here.nextSibling;
    if (!here) { from.insertBefore(next, at); continue; }
    while (at != here) skip();
    at = here.nextSibling;
    if (here.nodeType != 1) {
      if (here.data != next.data) {
        here.data = next.data;
        if (flash) from.animate?.([{ background: "#fd68" }, {}], 1500);
      }
      continue;
    }
    if (here.take) {
      const version = +next.getAttribute("version");
      if (version > here.version) here.take({ event: "value", version, value: next.innerHTML });
      continue;
    }
    const busy = here == doc.activeElement;
    for (const { name } of [...here.attributes])
      if (name != "open" && !next.hasAttribute(name)) here.removeAttribute(name);
    for (const { name, value } of next.attributes)
      if (here.getAttribute(name) != value) {
        here.setAttribute(name, value);
        if (!busy && name == "value") here.value = value;
      }
    if (!busy || !/TEXTAREA|SELECT/.test(here.nodeName)) morph(here, next, flash);
  }
  while (at) skip();
}

function hub(src) {
  const own = new Map(), bus = new BroadcastChannel("kck-live " + src);
  let tabs = {}, last = {}, streams = [], most = 1e9, beat = 15, url, since, waits, rest, polls, soon, timer;

  const tell = (data) => { bus.postMessage(data); hear(data); };
  const say = () => {
    const keys = {};
    if (!doc.hidden) for (const [key, all] of own) keys[key] = Math.min(...[...all].map((el) => el.version));
    tell({ of: me, keys });
  };
  const lead = () => {
    if (waits) return;
    waits = 1;
    const run = () => new Promise((end) => {
      rest = () => { rest = waits = 0; stop(); end(); };
      if (doc.hidden) return rest();
      tabs = {};
      tell({ who: 1 });
    });
    navigator.locks ? navigator.locks.request("kck-live " + src, run) : run();
  };
  const hear = ({ of, keys, who, e }) => {
    if (who) say();
    if (e) {
      last[e.key] = e;
      if (!e.version) for (const id in tabs) if (e.key in tabs[id]) tabs[id][e.key] = 0;
      // Nothing of it follows on this stream: who comes next asks anew.
      if (e.event == "denied") { delete last[e.key]; url = 0; }
      own.get(e.key)?.forEach((el) => el.take(e));
    }
    if (keys) {
      tabs[of] = keys;
      if (!rest) return;
      for (const key in keys) if ((e = last[key])) of == me ? hear({ e }) : bus.postMessage({ e });
      clearTimeout(soon);
      soon = setTimeout(open, 30);
    }
  };
  const stop = () => {
    for (const es of streams) es.close();
    streams = []; url = since = 0;
    clearTimeout(timer); clearTimeout(soon);
  };
  const open = (again) => {
    const want = {};  // of tabs that show different versions, the oldest
    for (const id in tabs) for (const key in tabs[id]) want[key] = Math.min(want[key] ?? 1 / 0, tabs[id][key]);
    const keys = Object.keys(want).sort();
    if (!rest || (!again && keys + "" == url && !keys.some((key) => !last[key] && want[key] < since[key]))) return;
    stop();
    url = keys + "";
    since = {};
    for (const key of keys) since[key] = last[key]?.version || want[key];
    for (let at = 0; at < keys.length; at += most) follow(keys.slice(at, at + most), since);
  };
  const follow = (keys, mine) => {
    const at = src + "?beat=1&" + keys.map((key) => "key=" + encodeURIComponent(key) + "&since=" + mine[key]).join("&");
    if (!self.EventSource || polls) return poll(at, keys, mine);
    const es = new EventSource(at);
    streams.push(es);
    // Of a server, or a network, that is gone nothing tells but that nothing comes.
    let silent;
    const watch = () => {
      clearTimeout(silent);
      silent = setTimeout(() => since == mine && open(1), 3e3 * beat);
    };
    watch();
    es.addEventListener("alive", ({ data }) => { beat = +data; watch(); });
    for (const event of ["value", "gone", "denied"])
      es.addEventListener(event, ({ data }) => { watch(); tell({ e: { event, ...JSON.parse(data) } }); });
    // By what each key has now: the browser would ask by the URL of the beginning.
    es.onerror = () => {
      if (since != mine) return;
      if (es.readyState > 1) return poll(at, keys, mine);
      es.close();
      later(1);
    };
  };
  const later = (times) => {
    clearTimeout(timer);
    timer = setTimeout(open, times * (1e3 + 2e3 * Math.random()), 1);
  };
  const poll = async (at, keys, mine) => {
    const polled = polls;
    let times = 3;
    try {
      const r = await fetch(at, { headers: { Accept: "application/json" }, cache: "no-cache" });
      if (since != mine) return;
      if (r.ok) for (const e of await r.json()) tell({ e });
      else if (r.status == 403 && /plain/.test(r.headers.get("Content-Type"))) return keys.forEach((key) => tell({ e: { event: "denied", key, version: null } }));
      else if (keys[1] && /41[34]/.test(r.status)) times = 0, most = Math.ceil(keys.length / 2);
      else if (r.status < 429) times = 20;
      polls = r.ok && !polled;
    } catch {}
    if (since == mine) later(times);
  };

  bus.onmessage = ({ data }) => hear(data);
  const turn = () => { say(); doc.hidden ? rest && rest() : lead(); };
  doc.addEventListener("visibilitychange", turn);
  addEventListener("pagehide", () => { tell({ of: me, keys: {} }); rest && rest(); });
  turn();
  return { own, say };
}

customElements.define("kck-live", class extends HTMLElement {
  connectedCallback() {
    const src = this.getAttribute("src");
    this.key = this.getAttribute("key");
    this.version = +this.getAttribute("version");
    const { own } = this.hub = hubs[src] ??= hub(src);
    own.set(this.key, (own.get(this.key) || new Set()).add(this));
    this.hub.say();
  }
  disconnectedCallback() {
    const { own } = this.hub, all = own.get(this.key);
    all.delete(this);
    all.size || own.delete(this.key);
    this.hub.say();
  }
  take(e) {
    const now = e.event == "value", t = doc.createElement("template");
    if (now && e.version && e.version <= this.version) return;
    clearTimeout(this.going);
    if (now) {
      this.version = e.version;
      t.innerHTML = e.value;
      morph(this, t.content, this.hasAttribute("flash"));
    } else this.version = 0, this.going = setTimeout(() => this.replaceChildren(), 500);
    this.dispatchEvent(new CustomEvent("kck-live", { detail: e, bubbles: true }));
  }
});
