// Sorts and searches the table of the products; what was chosen stays in the address, and holds for new rows.
"use strict";
(() => {
  const table = document.getElementById("products"), body = table.tBodies[0];
  const search = document.getElementById("search"), count = document.getElementById("count");
  const heads = [...table.tHead.rows[0].cells], address = new URL(location);
  const TEXTS = new Set(["name", "kind"]);
  const natural = new Intl.Collator("en", { numeric: true });
  let key = address.searchParams.get("sort") ?? "state";
  let falling = address.searchParams.get("order") === "falling";
  if (!heads.some((head) => head.dataset.key === key)) key = "state";
  search.value = address.searchParams.get("q") ?? "";

  const compare = (one, other) => {
    const a = one.dataset[key], b = other.dataset[key];
    let order;
    if (TEXTS.has(key)) order = natural.compare(a, b);
    else if (a === "" || b === "") return (a === "") - (b === "") || natural.compare(one.dataset.name, other.dataset.name);
    else order = a - b;
    return (falling ? -order : order) || natural.compare(one.dataset.name, other.dataset.name);
  };
  const show = () => {
    const rows = [...body.rows].filter((row) => row.dataset.name);
    rows.sort(compare);
    const focused = document.activeElement;
    if (rows.some((row, at) => row !== body.rows[at])) body.append(...rows);
    if (body.contains(focused)) focused.focus();
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const row of rows) {
      const text = row.dataset.text.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      seen += !row.hidden;
    }
    count.textContent = words.length ? `${seen} of ${rows.length}` : `${rows.length} product${rows.length === 1 ? "" : "s"}`;
    document.getElementById("none").hidden = seen > 0 || !rows.length;
    for (const head of heads) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };
  const keep = () => {
    const kept = { sort: key, order: falling ? "falling" : "", q: search.value };
    for (const [name, value] of Object.entries(kept)) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(null, "", address);
  };
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const first = head.classList.contains("num");
      falling = head.dataset.key === key ? !falling : first;
      key = head.dataset.key;
      show();
      keep();
    });
  }
  search.addEventListener("input", () => { show(); keep(); });
  search.addEventListener("keydown", (event) => {
    const first = [...body.rows].find((row) => !row.hidden);
    if (event.key === "Enter" && search.value && first) first.querySelector("a").click();
  });
  addEventListener("kck:data", show);
  show();
})();
