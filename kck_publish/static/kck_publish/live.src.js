// <kck-live key version src>: keeps its content true; the tabs of a browser share one stream.
const hubs = {}, me = Math.random(), doc = document;

function morph(from, to, flash) {
  let at = from.firstChild;
  const skip = () => { const old = at; at = at.nextSibling; old.remove(); };
  for (const next of [...to.childNodes]) {
    let here = at;
    while (here && (here.nodeName != next.nodeName || (here.id || 0) != (next.id || 0))) here = here.nextSibling;
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

class Hub {
  tabs = {}; last = {}; own = new Map();
  constructor(src) {
    this.src = src;
    this.bus = new BroadcastChannel("kck-live " + src);
    this.bus.onmessage = ({ data }) => this.hear(data);
    const turn = () => { this.say(); doc.hidden ? this.rest?.() : this.lead(); };
    doc.addEventListener("visibilitychange", turn);
    addEventListener("pagehide", () => { this.tell({ of: me, keys: {} }); this.rest?.(); });
    turn();
  }
  tell(data) { this.bus.postMessage(data); this.hear(data); }
  say() {
    const keys = {};
    if (!doc.hidden) for (const [key, all] of this.own) keys[key] = [...all][0].version;
    this.tell({ of: me, keys });
  }
  lead() {
    const run = () => new Promise((end) => {
      this.rest = () => { this.rest = 0; this.stop(); end(); };
      if (doc.hidden) return this.rest();
      this.tell({ who: 1 });
    });
    navigator.locks ? navigator.locks.request("kck-live " + this.src, run) : run();
  }
  hear({ of, keys, who, e }) {
    if (who) this.say();
    if (e) { this.last[e.key] = e; this.own.get(e.key)?.forEach((el) => el.take(e)); }
    if (keys) {
      this.tabs[of] = keys;
      if (!this.rest) return;
      for (const key in keys) if ((e = this.last[key])) of == me ? this.hear({ e }) : this.bus.postMessage({ e });
      clearTimeout(this.soon);
      this.soon = setTimeout(() => this.open(), 30);
    }
  }
  stop() { this.es?.close(); this.es = this.url = 0; clearTimeout(this.timer); clearTimeout(this.soon); }
  open(again) {
    const want = Object.assign({}, ...Object.values(this.tabs)), keys = Object.keys(want).sort();
    if (!this.rest || (keys + "" == this.url && !again)) return;
    this.stop();
    this.url = keys + "";
    if (!this.url) return;
    const url = this.src + "?" + keys.map((key) => "key=" + encodeURIComponent(key) + "&since=" + (this.last[key]?.version || want[key] || 0)).join("&");
    if (!self.EventSource || this.polls) return this.poll(url);
    const es = this.es = new EventSource(url);
    for (const event of ["value", "gone", "denied"])
      es.addEventListener(event, ({ data }) => this.tell({ e: { event, ...JSON.parse(data) } }));
    es.onerror = () => { if (es.readyState > 1 && es == this.es) this.poll(url); };
  }
  async poll(url) {
    try {
      const r = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-cache" });
      if (r.ok) for (const e of await r.json()) this.tell({ e });
      else if (r.status < 429) return;
      this.polls = r.ok && !this.polls;
    } catch {}
    this.timer = setTimeout(() => this.open(1), 4e3 + 2e3 * Math.random());
  }
}

customElements.define("kck-live", class extends HTMLElement {
  connectedCallback() {
    const src = this.getAttribute("src");
    this.key = this.getAttribute("key");
    this.version = +this.getAttribute("version");
    const { own } = this.hub = hubs[src] ??= new Hub(src);
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
    } else this.going = setTimeout(() => this.replaceChildren(), 500);
    this.dispatchEvent(new CustomEvent("kck-live", { detail: e, bubbles: true }));
  }
});
