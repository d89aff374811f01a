"use strict";
// Sorting and searching; without a script the page shows the same tables.
function keyOf(cell) {
  const key = cell.dataset.sort;
  if (key === undefined) return null;
  const value = Number(key);
  return key === "" || Number.isNaN(value) ? key : value;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}
function sortBy(head) {
  const body = head.closest("table").tBodies[0];
  const upward = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", upward ? "ascending" : "descending");
  const rows = Array.from(body.rows, (row) => [keyOf(row.cells[head.cellIndex]), row]);
  rows.sort(([a], [b]) => {
    // What has no number stays at the end, whichever way.
    if (a === null || b === null) return (a === null) - (b === null);
    return upward ? compare(a, b) : compare(b, a);
  });
  for (const [, row] of rows) {
    row.classList.remove("break");
    body.append(row);
  }
}
for (const head of document.querySelectorAll("th")) {
  head.querySelector("button").addEventListener("click", () => sortBy(head));
}
for (const input of document.querySelectorAll("input[type=search]")) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of document.getElementById(input.dataset.table).tBodies[0].rows) {
      const line = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => line.includes(word));
    }
  });
}
