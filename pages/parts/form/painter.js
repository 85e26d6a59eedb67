// A grid of pixels to paint on (pages/parts/form/painter.py). It answers every stroke at once and sends the whole grid
// when the stroke ends; an answer of Python's that is older than the last stroke is passed over.

const element = (name, facts = {}) => Object.assign(document.createElement(name), facts);

class Painter {
  constructor(root) {
    this.root = root;
    this.grid = root.querySelector(".grid");
    this.palette = root.querySelector(".palette");
    this.size = root.querySelector("select");
    this.other = root.querySelector("input[type=color]");
    this.name = Math.random().toString(36).slice(2);
    this.number = 0;
    this.cells = [];
    this.last = null; // the cell that the pointer painted last, while it is down
    this.at = 0; // the cell that the keyboard is on
    this.listen();
  }

  listen() {
    const { grid, size, other } = this;
    grid.addEventListener("pointerdown", (event) => this.begin(event));
    grid.addEventListener("pointermove", (event) => this.draw(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      grid.addEventListener(end, () => this.end());
    grid.addEventListener("keydown", (event) => this.key(event));
    grid.addEventListener("focusin", (event) => (this.at = this.tiles.indexOf(event.target)));
    size.addEventListener("change", () => this.resize(Number(size.value)));
    other.addEventListener("input", () => this.choose(other.value));
    other.addEventListener("click", () => this.choose(other.value));
    this.root.querySelector(".clear").addEventListener("click", () => {
      this.cells.fill("");
      this.show();
      this.send();
    });
  }

  update(data, tell) {
    this.tell = tell;
    if (!this.names) this.offer(data);
    const [name, number] = data.heard ?? [];
    const mine = name === this.name;
    if (this.last !== null || (mine && number < this.number)) return;
    this.adopt(data.columns, data.cells);
  }

  offer({ palette, sizes }) {
    this.names = new Map(palette.map(([name, colour]) => [colour, name]));
    const colours = palette.map(([name, colour]) => {
      const button = element("button", { type: "button", title: name, ariaLabel: name });
      button.style.setProperty("--paint", colour);
      button.dataset.colour = colour;
      return button;
    });
    const erase = element("button", { type: "button", className: "erase", textContent: "Eraser" });
    erase.dataset.colour = "";
    this.palette.replaceChildren(...colours, erase);
    this.palette.addEventListener("click", ({ target }) => {
      if (target.dataset.colour !== undefined) this.choose(target.dataset.colour);
    });
    this.sizes = sizes;
    this.choose(palette[0][1]);
  }

  choose(colour) {
    this.colour = colour;
    for (const button of this.palette.children) button.ariaPressed = String(button.dataset.colour === colour);
  }

  adopt(columns, cells) {
    const rows = cells.length / columns;
    if (columns !== this.columns || cells.length !== this.cells.length) this.lay(rows, columns);
    this.cells = [...cells];
    this.show();
  }

  lay(rows, columns) {
    Object.assign(this, { rows, columns });
    this.at = 0;
    this.root.style.setProperty("--columns", columns);
    this.grid.ariaLabel = `Picture to paint, ${rows} rows of ${columns}`;
    this.grid.replaceChildren(
      ...Array.from({ length: rows }, () => {
        const row = element("div", { className: "row", role: "row" });
        row.append(...Array.from({ length: columns }, () => element("div", { role: "gridcell", className: "cell" })));
        return row;
      }),
    );
    this.tiles = [...this.grid.querySelectorAll(".cell")];
    const choices = this.sizes.map((side) => new Option(`${side} by ${side}`, side));
    if (rows !== columns || !this.sizes.includes(rows)) choices.unshift(new Option(`${columns} by ${rows}`, ""));
    this.size.replaceChildren(...choices);
    this.size.value = rows === columns && this.sizes.includes(rows) ? rows : "";
  }

  resize(side) {
    if (!side) return;
    const { rows, columns, cells } = this;
    const wide = Array.from({ length: side * side }, (_, place) => {
      const [row, column] = [Math.floor(place / side), place % side];
      return row < rows && column < columns ? cells[row * columns + column] : "";
    });
    this.adopt(side, wide);
    this.send();
  }

  show() {
    this.tiles.forEach((tile, place) => {
      const colour = this.cells[place];
      tile.classList.toggle("lit", colour !== "");
      tile.style.setProperty("--paint", colour || "transparent");
      tile.tabIndex = place === this.at ? 0 : -1;
      const where = `row ${Math.floor(place / this.columns) + 1}, column ${(place % this.columns) + 1}`;
      tile.ariaLabel = `${where}, ${colour === "" ? "empty" : this.names.get(colour) ?? colour}`;
    });
  }

  paint(place, colour) {
    if (this.cells[place] === colour) return;
    this.cells[place] = colour;
    this.changed = true;
  }

  begin(event) {
    if (event.button) return;
    event.preventDefault();
    this.grid.setPointerCapture(event.pointerId);
    this.last = this.cell(event);
    this.at = this.last[0] * this.columns + this.last[1];
    this.tiles[this.at].focus({ preventScroll: true });
    this.draw(event);
  }

  draw(event) {
    if (this.last === null) return;
    const [row, column] = this.cell(event);
    const [from, left] = this.last;
    const steps = Math.max(Math.abs(row - from), Math.abs(column - left), 1);
    for (let step = 0; step <= steps; step++) {
      const at = [from + ((row - from) * step) / steps, left + ((column - left) * step) / steps].map(Math.round);
      this.paint(at[0] * this.columns + at[1], this.colour);
    }
    this.last = [row, column];
    this.show();
  }

  end() {
    if (this.last === null) return;
    this.last = null;
    this.finish();
  }

  key(event) {
    const moves = { ArrowUp: -this.columns, ArrowDown: this.columns, ArrowLeft: -1, ArrowRight: 1 };
    const { key } = event;
    if (key in moves) this.move(moves[key]);
    else if (key === " " || key === "Enter") this.paint(this.at, this.colour);
    else if (key === "Delete" || key === "Backspace") this.paint(this.at, "");
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page has keys of its own
    this.show();
    this.finish();
  }

  move(step) {
    const to = this.at + step;
    const sideways = Math.abs(step) === 1 && this.columns > 1;
    if (to < 0 || to >= this.cells.length) return;
    if (sideways && Math.floor(to / this.columns) !== Math.floor(this.at / this.columns)) return;
    this.at = to;
    this.tiles[to].focus();
  }

  cell({ clientX, clientY }) {
    const { left, top, width, height } = this.grid.getBoundingClientRect();
    const inside = (value, size, count) => Math.min(Math.max(Math.floor((value / size) * count), 0), count - 1);
    return [inside(clientY - top, height, this.rows), inside(clientX - left, width, this.columns)];
  }

  finish() {
    if (this.changed) this.send();
    this.changed = false;
  }

  send() {
    this.number += 1;
    this.tell("painted", { name: this.name, number: this.number, columns: this.columns, cells: this.cells });
  }
}

const painters = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".painter");
  if (!painters.has(root)) painters.set(root, new Painter(root));
  painters.get(root).update(data, setStateValue);
}
