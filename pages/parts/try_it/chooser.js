// Pictures of which one is chosen (pages/parts/try_it/chooser.py): cuts a sprite into tiles, a radio group. The tile that
// was clicked is marked at once; Python only confirms it.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const groups = new WeakMap();

function draw(group, image, { side, columns }) {
  group.tiles.forEach(({ element }, place) => {
    const canvas = element.firstChild;
    canvas.width = canvas.height = side;
    const [x, y] = [(place % columns) * side, Math.floor(place / columns) * side];
    canvas.getContext("2d").drawImage(image, x, y, side, side, 0, 0, side, side);
  });
}

function mark(group, row) {
  const at = group.tiles.findIndex((tile) => tile.row === row);
  group.tiles.forEach(({ element }, place) => {
    element.setAttribute("aria-checked", place === at);
    element.tabIndex = place === Math.max(at, 0) ? 0 : -1;
  });
}

function pick(group, place) {
  const tile = group.tiles[place];
  mark(group, tile.row);
  tile.element.focus();
  group.send(tile.row);
}

function build(group, root, data) {
  group.tiles = data.tiles.map(({ row, alt }, place) => {
    const element = document.createElement("div");
    element.className = "tile";
    element.setAttribute("role", "radio");
    element.setAttribute("aria-label", alt);
    element.title = alt;
    element.append(document.createElement("canvas"));
    element.addEventListener("click", () => pick(group, place));
    element.addEventListener("keydown", (event) => {
      const last = group.tiles.length - 1;
      if (event.key === " " || event.key === "Enter") pick(group, place);
      else if (event.key in STEPS) pick(group, Math.min(Math.max(place + STEPS[event.key], 0), last));
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { row, element };
  });
  root.replaceChildren(...group.tiles.map((tile) => tile.element));
  const image = new Image();
  image.onload = () => group.sprite === data.sprite && draw(group, image, data);
  image.src = group.sprite = data.sprite;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".chooser");
  const group = groups.get(root) ?? {};
  groups.set(root, group);
  group.send = (row) => setTriggerValue("picked", row);
  if (group.sprite !== data.sprite) build(group, root, data);
  mark(group, data.current);
}
