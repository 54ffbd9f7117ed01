"use strict";
// Tables: on a phone each row is a card, and its cells show the names of columns; roles keep it a table for screen readers.
for (const table of document.querySelectorAll("table.stack")) {
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  table.setAttribute("role", "table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, index) => {
      const role = cell.tagName === "TD" ? "cell" : cell.scope === "col" ? "columnheader" : "rowheader";
      cell.setAttribute("role", role);
      if (role === "cell" && !cell.matches(".plot")) cell.dataset.label = labels[index];
    });
  }
}

// Controls: sort a table by a number in the data attributes of its rows, filter it, and show it page by page.
const ROWS = matchMedia("(max-width: 44rem)").matches ? 10 : 25;
for (const controls of document.querySelectorAll(".controls")) {
  const table = document.getElementById(controls.dataset.table);
  const [body, search, kind] = [table.tBodies[0], controls.querySelector("input"), controls.querySelector("select")];
  const texts = new Map([...body.rows].map((row) => [row, row.textContent.toLowerCase()]));
  const more = document.createElement("p");
  more.className = "more";
  let limit = ROWS;
  const button = (label, change) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    made.addEventListener("click", () => { limit = change(limit); show(); });
    return made;
  };
  const show = () => {
    const [text, wanted] = [search.value.trim().toLowerCase(), kind?.value ?? ""];
    const fits = (row) => texts.get(row).includes(text) && (!wanted || row.dataset.kind.split(" ").includes(wanted));
    let found = 0;
    for (const row of body.rows) row.hidden = !fits(row) || ++found > limit;
    controls.querySelector("output").textContent = `${Math.min(found, limit)} of ${body.rows.length} shown`;
    more.replaceChildren(...(found > limit ? [button(`${ROWS} more`, (old) => old + ROWS), button(`all ${found}`, () => Infinity)] : []));
  };
  controls.addEventListener("click", (event) => {
    const pressed = event.target.closest(".sorting button");
    if (!pressed) return;
    const number = (row) => Number(row.dataset[pressed.dataset.key]);
    body.append(...[...body.rows].sort((one, other) => number(one) - number(other)));
    for (const each of pressed.parentElement.children) each.setAttribute("aria-pressed", String(each === pressed));
    limit = ROWS;
    show();
  });
  search.addEventListener("input", () => { limit = ROWS; show(); });
  kind?.addEventListener("change", () => { limit = ROWS; show(); });
  table.parentElement.after(more);
  controls.hidden = body.rows.length < 2;
  show();
}

// Strips: the panel describes the tile under the pointer or with the focus; arrow keys move the focus.
for (const strip of document.querySelectorAll(".strip")) {
  const panel = document.getElementById(strip.dataset.panel);
  const tiles = [...strip.children];
  const line = (text, name) => Object.assign(document.createElement("p"), { textContent: text, className: name });
  const tell = ({ title, runs, reason, cost }) => {
    const lines = [line(title, "title"), line(`${runs}: ${reason}`, "reason")];
    panel.replaceChildren(...lines, ...(cost ? [line(cost, "muted")] : []));
  };
  const select = (tile) => {
    for (const each of strip.querySelectorAll("[aria-selected=true]")) {
      each.setAttribute("aria-selected", "false");
      each.tabIndex = -1;
    }
    tiles[0].tabIndex = -1;
    tile.setAttribute("aria-selected", "true");
    tile.tabIndex = 0;
    tell(tile.dataset);
  };
  const tileOf = (event) => event.target.closest(".tile");
  strip.addEventListener("pointerover", (event) => tileOf(event) && tell(tileOf(event).dataset));
  strip.addEventListener("focusin", (event) => tileOf(event) && select(tileOf(event)));
  strip.addEventListener("keydown", (event) => {
    const here = tiles.indexOf(tileOf(event));
    const perRow = Math.max(1, tiles.filter((each) => each.offsetTop === tiles[0].offsetTop).length);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow };
    const wanted = { Home: 0, End: tiles.length - 1 }[event.key] ?? here + steps[event.key];
    if (!tiles[wanted]) return;
    event.preventDefault();
    tiles[wanted].focus();
  });
}
