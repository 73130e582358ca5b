// Selects all rows of a table by the box in its head.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-kck-all]")) return;
  for (const box of event.target.closest("table").querySelectorAll("tbody input[name=name]")) {
    box.checked = event.target.checked;
  }
});
