// The report's tables, ours beside them (pages/parts/tables/report_table.py makes the markup, with all text escaped).
//
// A row opens to its seeds by its button, or by a click on any of its figures. It opens at once; Python only keeps
// the opened ones in the address.

const boards = new WeakMap();
let live = null; // the board on the screen

// Where the browser's history leads, the opened rows are the address's. Python may have nothing new to say of them:
// a row that was closed a moment ago is still open to it.
addEventListener("popstate", () => {
  if (!live?.root.isConnected) return;
  live.open = new Set((new URLSearchParams(location.search).get(live.address) ?? "").split(" ").filter(Boolean));
  mark(live);
});

function box(facts) {
  const place = document.createElement("div");
  place.className = "box";
  place.tabIndex = 0;
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", facts.name);
  place.innerHTML = `<table>${facts.head}</table>`;
  return place;
}

function fill(board, facts, place) {
  const table = place.firstChild;
  for (const [name, markup] of Object.entries(facts.rows)) {
    let row = table.querySelector(`tbody[data-row="${name}"]`);
    if (!row) {
      row = table.createTBody();
      row.dataset.row = name;
    }
    if (board.drawn.get(row) === markup) continue;
    const held = row.contains(row.getRootNode().activeElement);
    row.innerHTML = markup;
    board.drawn.set(row, markup);
    if (held) row.querySelector("button").focus();
  }
}

function mark(board) {
  for (const row of board.root.querySelectorAll("tbody")) {
    const open = board.open.has(row.dataset.row);
    row.querySelector("button").setAttribute("aria-expanded", String(open));
    for (const line of row.querySelectorAll(".seed, .notes")) line.hidden = !open;
  }
}

function click(board, event) {
  const link = event.target.closest("a");
  if (link) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // a tab or window of its own
    event.preventDefault();
    board.visit([link.dataset.screen, link.dataset.run]);
    return;
  }
  const whole = event.target.closest(".whole");
  if (!whole || String(getSelection())) return; // who marks figures to copy them opens nothing
  const name = whole.parentElement.dataset.row;
  if (!board.open.delete(name)) board.open.add(name);
  mark(board);
  board.opened([...board.open]);
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".tables");
  let board = boards.get(root);
  if (!board) {
    board = { root, drawn: new WeakMap(), open: new Set(), told: "", heads: "" };
    boards.set(root, board);
    root.addEventListener("click", (event) => click(board, event));
  }
  board.visit = (place) => setTriggerValue("visit", place);
  board.opened = (names) => setTriggerValue("opened", names);
  const heads = JSON.stringify(data.tables.map((facts) => [facts.head, Object.keys(facts.rows)]));
  if (board.heads !== heads) {
    root.replaceChildren(...data.tables.map(box));
    board.heads = heads;
  }
  data.tables.forEach((facts, number) => fill(board, facts, root.children[number]));
  const told = JSON.stringify(data.open);
  if (board.told !== told) board.open = new Set(data.open);
  Object.assign(board, { told, address: data.address });
  live = board;
  mark(board);
}
