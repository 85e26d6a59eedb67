// The grid of the gallery (pages/parts/images/gallery.py): draws one sprite into tiles, keeps the selection, and
// tells Python which image is current and what was asked for. It answers every key at once; Python's answer
// only confirms it. What is asked for stays in `acts` until Python has said that it was carried out, so that
// no verdict is lost however fast they come.

const VERDICTS = { p: "poisoned", c: "clean", u: "unsure", 0: "" };
const PAUSE = 120; // milliseconds without a further arrow before the detail follows

// Selections and acts by what they are about (run, reviewer, truth), so that they outlive a grid that is
// taken off the page and put on again.
const kept = (window.poisonscopeGalleries ??= new Map());

class Board {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector(".list");
    this.bar = root.querySelector(".bar");
    this.said = root.querySelector(".said");
    this.tiles = [];
    this.list.addEventListener("click", (event) => this.click(event));
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.bar.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) button.dataset.all ? this.chooseAll() : this.judge(button.dataset.verdict);
    });
  }

  update(data, send) {
    this.send = send;
    if (!kept.has(data.book)) {
      const name = Math.random().toString(36).slice(2);
      kept.set(data.book, { name, acts: [], count: 0, current: undefined, anchor: undefined, chosen: new Set() });
    }
    this.kept = kept.get(data.book);
    this.kept.acts = this.kept.acts.filter((act) => act.number > (data.done[this.kept.name] ?? 0));
    const held = this.list.contains(this.list.getRootNode().activeElement);
    const old = new Map(this.tiles.map((tile) => [tile.id, tile]));
    this.data = data;
    this.tiles = data.tiles.map((facts) => this.tile(facts, old.get(facts.id)));
    const elements = this.tiles.map((tile) => tile.element);
    if (elements.length !== this.list.children.length || elements.some((e, i) => e !== this.list.children[i]))
      this.list.replaceChildren(...elements);
    this.list.setAttribute("aria-label", data.name);
    this.root.style.setProperty("--size", `${data.size}px`);
    this.root.classList.toggle("small", data.size < 64);
    this.bar.hidden = !data.judging;
    this.kept.chosen = new Set([...this.kept.chosen].filter((id) => this.at(id) >= 0));
    // While a page is being turned, an answer to an earlier key must not choose on the old one.
    if (this.at(this.kept.current) < 0 && !this.turning()) {
      this.kept.current = this.kept.anchor = data.current;
      this.kept.chosen = new Set([data.current]);
    }
    for (const act of this.kept.acts) if ("verdict" in act) this.mark(act.ids, act.verdict);
    this.paint();
    this.draw();
    if (held) this.tiles[this.at(this.kept.current)]?.element.focus({ preventScroll: true });
  }

  tile(facts, old) {
    const tile = old ?? { id: facts.id, element: document.createElement("div") };
    const text = JSON.stringify(facts);
    tile.verdict = facts.verdict;
    if (tile.text === text) return tile;
    tile.text = text;
    tile.facts = facts;
    const { element } = tile;
    if (!old) {
      element.setAttribute("role", "option");
      element.dataset.id = facts.id;
      element.innerHTML = "<div class='picture'></div><div class='words'></div>";
    }
    element.className = `tile ${facts.kind}`;
    element.querySelector(".words").replaceChildren(
      ...facts.lines.map((line) => {
        const row = document.createElement("div");
        row.textContent = line;
        return row;
      }),
    );
    return tile;
  }

  draw() {
    const { sprite, side, columns } = this.data;
    const put = () => {
      for (const { element, facts } of this.tiles) {
        const frame = element.querySelector(".picture");
        if (facts.place < 0) {
          if (!frame.querySelector(".missing"))
            frame.innerHTML = "<span class='missing' aria-hidden='true'>picture not in the recording</span>";
          continue;
        }
        let canvas = frame.querySelector("canvas");
        if (canvas && canvas.sprite === sprite && canvas.place === facts.place) continue;
        if (!canvas) {
          canvas = document.createElement("canvas");
          canvas.width = canvas.height = side;
          canvas.setAttribute("aria-hidden", "true");
          frame.replaceChildren(canvas);
        }
        const x = (facts.place % columns) * side;
        const y = Math.floor(facts.place / columns) * side;
        canvas.getContext("2d").drawImage(this.image, x, y, side, side, 0, 0, side, side);
        canvas.sprite = sprite;
        canvas.place = facts.place;
      }
      this.root.dataset.drawn = `${this.tiles.length} from ${this.tiles[0].id}`;
    };
    if (!sprite || this.sprite === sprite) {
      if (!sprite || this.image.complete) put();
      return;
    }
    this.sprite = sprite;
    const image = new Image();
    image.onload = () => this.sprite === sprite && put();
    image.src = sprite;
    this.image = image;
  }

  at(id) {
    return this.tiles.findIndex((tile) => tile.id === id);
  }

  mark(ids, verdict) {
    for (const id of ids) {
      const tile = this.tiles[this.at(id)];
      if (tile) tile.verdict = verdict;
    }
  }

  paint() {
    this.tiles.forEach(({ id, element, facts, verdict }) => {
      const chosen = this.kept.chosen.has(id);
      element.setAttribute("aria-selected", chosen);
      element.tabIndex = id === this.kept.current ? 0 : -1;
      element.classList.toggle("current", id === this.kept.current);
      element.dataset.verdict = verdict;
      element.dataset.letter = verdict.slice(0, 1).toUpperCase(); // all that fits on a small tile
      element.setAttribute("aria-label", facts.alt + (verdict ? `, verdict ${verdict}` : ""));
    });
    const many = this.kept.chosen.size;
    this.said.textContent = this.data.judging ? `${many} selected` : "";
    if (this.data.address && this.kept.current !== undefined) this.link();
  }

  // The address names the selected image, but for a page's first. Not a step of the history: nobody wants
  // to go back image by image.
  link() {
    const address = new URL(location.href);
    const { searchParams } = address;
    if (this.kept.current === this.tiles[0].id) searchParams.delete(this.data.address);
    else searchParams.set(this.data.address, this.kept.current);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  // --- choosing ---

  click(event) {
    const element = event.target.closest(".tile");
    if (!element) return;
    const id = this.tiles[[...this.list.children].indexOf(element)].id;
    if (event.shiftKey) this.move(id, "extend");
    else if (event.ctrlKey || event.metaKey) this.move(id, "toggle");
    else this.move(id);
  }

  move(id, how) {
    if (how === "extend") {
      const [from, to] = [this.at(this.kept.anchor), this.at(id)].sort((a, b) => a - b);
      this.kept.chosen = new Set(this.tiles.slice(from, to + 1).map((tile) => tile.id));
    } else if (how === "toggle") {
      if (!this.kept.chosen.delete(id)) this.kept.chosen.add(id);
      this.kept.anchor = id;
      if (!this.kept.chosen.size) this.kept.chosen.add(id);
    } else {
      this.kept.chosen = new Set([id]);
      this.kept.anchor = id;
    }
    this.kept.current = id;
    this.paint();
    this.tiles[this.at(id)].element.focus();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }

  chooseAll() {
    this.kept.chosen = new Set(this.tiles.map((tile) => tile.id));
    this.paint();
  }

  perRow() {
    const top = this.tiles[0].element.offsetTop;
    const below = this.tiles.findIndex(({ element }) => element.offsetTop > top);
    return below < 0 ? this.tiles.length : below;
  }

  turning() {
    return this.kept.acts.some((act) => "page" in act);
  }

  key(event) {
    const { key } = event;
    const letter = key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    const last = this.tiles.length - 1;
    const at = this.at(this.kept.current);
    if (at < 0) return; // a page is being turned
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.perRow(), ArrowUp: -this.perRow() };
    if (command && letter === "a") this.chooseAll();
    else if (command || event.altKey) return;
    else if (key in steps) {
      const to = at + steps[key];
      if (to > last && at === last) this.turn(1);
      else if (to < 0 && at === 0) this.turn(-1);
      else if (to <= last && to >= 0) this.move(this.tiles[to].id, event.shiftKey && "extend");
    } else if (key === "Home") this.move(this.tiles[0].id, event.shiftKey && "extend");
    else if (key === "End") this.move(this.tiles[last].id, event.shiftKey && "extend");
    else if (this.data.turning && key === "PageDown") this.turn(1);
    else if (this.data.turning && key === "PageUp") this.turn(-1);
    else if (key === " ") this.move(this.kept.current, "toggle");
    else if (this.data.judging && letter in VERDICTS) this.judge(VERDICTS[letter]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own on some of these letters
  }

  // --- telling Python ---

  judge(verdict) {
    const ids = this.tiles.filter((tile) => this.kept.chosen.has(tile.id)).map((tile) => tile.id);
    if (!ids.length) return; // a page is being turned
    this.kept.acts.push({ number: ++this.kept.count, ids, verdict });
    this.mark(ids, verdict);
    const next = this.at(this.kept.current) + 1;
    if (ids.length > 1) this.paint();
    else if (next < this.tiles.length) this.move(this.tiles[next].id);
    else if (!this.turn(1)) this.paint();
    this.tell();
  }

  turn(by) {
    const { page, pages } = this.data;
    if (page + by < 1 || page + by > pages) return false;
    this.kept.acts.push({ number: ++this.kept.count, page: page + by });
    this.kept.current = undefined; // the new page's first
    this.kept.chosen = new Set();
    this.tell();
    return true;
  }

  tell() {
    clearTimeout(this.timer);
    this.send("board", { name: this.kept.name, current: this.kept.current ?? null, acts: this.kept.acts });
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".gallery");
  root.board ??= new Board(root);
  root.board.update(data, setStateValue);
}
