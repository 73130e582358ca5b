// Follows the product: an event says that there is a new version, a conditional GET brings it. Where
// there are no streams (WSGI), it looks each second.
// Every element with data-field="x" shows the field x of its row (or of the product itself).
(() => {
  const main = document.querySelector("main"), body = document.getElementById("rows");
  const live = document.getElementById("live");
  let etag = main.dataset.etag;

  function fill(row, data) {
    let changed = false;
    for (const cell of row.querySelectorAll("[data-field]")) {
      const text = String(data[cell.dataset.field]);
      if (cell.textContent !== text) { cell.textContent = text; changed = true; }
    }
    row.querySelectorAll("[data-bars] i").forEach((bar, n) => { bar.style.height = data.bars[n] + "%"; });
    if (data.state) row.dataset.state = data.state;
    return changed;
  }

  function mark(row) {
    row.classList.remove("changed");
    void row.offsetWidth;  // so that the animation starts again
    row.classList.add("changed");
  }

  function show(product) {
    const rows = new Map([...body.children].map(row => [row.dataset.id, row]));
    const model = body.firstElementChild;
    let changed = 0;
    for (const [n, data] of product.rows.entries()) {
      const id = String(data.id);
      let row = rows.get(id);
      const isNew = !row;
      if (isNew) { row = model.cloneNode(true); row.dataset.id = id; }
      rows.delete(id);
      if (fill(row, data) || isNew) { mark(row); changed += 1; }
      if (body.children[n] !== row) body.insertBefore(row, body.children[n] || null);
    }
    for (const row of rows.values()) row.remove();
    document.querySelector("main > [data-field=summary]").textContent = product.summary;
    return changed;
  }

  async function look() {
    if (document.hidden) return;
    const answer = await fetch(main.dataset.json, {headers: {"If-None-Match": etag}, cache: "no-store"});
    if (answer.status === 200) {
      etag = answer.headers.get("ETag");
      const changed = show(await answer.json());
      const noun = changed === 1 ? "row" : "rows";
      live.textContent = `Kept fresh by kck_publish. Last change at ${new Date().toLocaleTimeString()}: ${changed} ${noun}.`;
    } else if (answer.status !== 304) {
      throw new Error(answer.status);
    }
  }

  async function follow() {
    try { await look(); } catch { live.textContent = "The server does not answer. Trying again."; }
    setTimeout(follow, 1000);
  }
  function listen() {
    const stream = new EventSource("/live/?body=0&key=" + encodeURIComponent(main.dataset.key));
    stream.addEventListener("value", () => look().catch(() => {}));
    stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 1000); };
    document.addEventListener("visibilitychange", () => look().catch(() => {}));
  }
  if (body.firstElementChild) listen();
})();
