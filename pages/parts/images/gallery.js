// The grid of the gallery (pages/parts/images/gallery.py): draws one sprite into tiles, keeps the selection, and
// tells Python which image is current and what was asked for. It answers every key at once; Python's answer
// only confirms it. What is asked for stays in `acts` until Python has said that it was carried out, so that
// no verdict is lost however fast they come.

const VERDICTS = { p: "poisoned", c: "clean", u: "unsure", 0: "" };
const MANY = 10; // verdicts at once, above which it is asked
const PAUSE = 120; // milliseconds without a further arrow before the detail follows

// Selections and acts by what they are about (run, reviewer, truth), so that they outlive a grid that is
// taken off the page and put on again.
const kept = (window.poisonscopeGalleries ??= new Map());

const MARKS = ["current", "missing", "poisoned", "benign", "wrong", "doubted"]; // classes of a tile

function total(counts) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

// What speaks against the cut at an image: the truth, or the reviewer. Only that gets a frame.
function disagrees({ flagged, kind }, verdict) {
  if (flagged === null) return {};
  return {
    wrong: kind !== "" && (kind === "poisoned") !== flagged,
    doubted: verdict === (flagged ? "clean" : "poisoned"),
  };
}

class Board {
  constructor(root) {
    this.root = root;
    for (const part of ["list", "bar", "range", "said", "question", "progress", "words", "keys", "picture"])
      this[part] = root.querySelector(`.${part}`);
    this.tiles = [];
    this.list.addEventListener("click", (event) => this.click(event));
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointerover", (event) => this.tellOf(event));
    this.list.addEventListener("pointerleave", () => this.hush());
    this.bar.addEventListener("click", (event) => {
      const { verdict, all, group, keys } = event.target.closest("button")?.dataset ?? {};
      if (keys) this.showKeys(this.keys.hidden);
      else if (group) this.chooseGroup();
      else if (all) this.chooseAll();
      else if (verdict !== undefined) this.judge(verdict);
    });
    this.question.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.answer(button.dataset.answer);
    });
    this.question.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.answer("none");
    });
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || (this.keys.hidden && this.words.hidden)) return;
      this.hush();
      this.showKeys(false);
      event.stopPropagation();
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
    this.root.classList.toggle("small", data.size < 112);
    this.root.classList.toggle("grouped", Boolean(data.groups));
    this.bar.classList.toggle("judging", data.judging);
    if (this.told && this.at(this.told) < 0) this.hush();
    this.kept.chosen = new Set([...this.kept.chosen].filter((id) => this.at(id) >= 0));
    if (this.asked && this.asked.ids.some((id) => this.at(id) < 0)) this.answer("none");
    this.markGroups();
    const { back } = data; // where a verdict was taken back
    if (back && back.name === this.kept.name && back.number > (this.kept.back ?? 0)) {
      this.kept.back = back.number;
      if (this.at(back.id) >= 0) {
        this.kept.current = this.kept.anchor = back.id;
        this.choose([back.id]);
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.tell(), PAUSE); // so that the detail follows
      }
    }
    // While a page is being turned, an answer to an earlier key must not choose on the old one.
    if (this.at(this.kept.current) < 0 && !this.turning()) {
      this.kept.current = this.kept.anchor = data.current;
      this.choose([data.current]);
    }
    if (this.kept.whole !== this.name(this.group())) this.kept.whole = null; // another group, or none any more
    if (this.kept.wanted && !this.turning()) this.chooseGroup();
    for (const act of this.kept.acts) if ("verdict" in act) this.mark(act.ids, act.verdict);
    this.paint();
    this.draw();
    if (held) this.tiles[this.at(this.kept.current)]?.element.focus({ preventScroll: true });
  }

  tile(facts, old) {
    const tile = old ?? { id: facts.id, element: document.createElement("div") };
    tile.facts = facts;
    tile.verdict = facts.verdict;
    tile.label = facts.says.join(", ");
    tile.missing = facts.place < 0;
    if (old) return tile;
    tile.element.className = "tile";
    tile.element.setAttribute("role", "option");
    tile.element.dataset.id = facts.id;
    return tile;
  }

  // One rule holds the sprite for all tiles, and each shows its cell of it. Until a new sprite is decoded the old one
  // stays, so that no image stands for another.
  draw() {
    const { sprite, edge, side, columns } = this.data;
    const put = () => {
      const cell = side + 2 * edge;
      const rows = Math.ceil(this.tiles.filter((tile) => !tile.missing).length / columns);
      const part = (at, count) => (100 * (at * cell + edge)) / (count * cell - side);
      this.root.style.setProperty("--across", `${(100 * columns * cell) / side}%`);
      this.root.style.setProperty("--down", `${(100 * rows * cell) / side}%`);
      if (this.shown !== sprite) this.picture.textContent = `.tile.pictured { background-image: url("${sprite}"); }`;
      this.shown = sprite;
      for (const tile of this.tiles) {
        const x = part(tile.facts.place % columns, columns);
        const y = part(Math.floor(tile.facts.place / columns), rows);
        const place = tile.missing ? "" : `${x}% ${y}%`;
        if (tile.place === place) continue; // most reruns change no picture
        tile.place = place;
        tile.element.style.backgroundPosition = place;
        tile.element.classList.toggle("pictured", !tile.missing);
      }
      this.root.dataset.drawn = `${this.tiles.length} from ${this.tiles[0].id}`;
    };
    this.sprite = sprite;
    if (!sprite || this.shown === sprite) return put();
    const image = new Image();
    image.onload = () => this.sprite === sprite && put();
    image.src = sprite;
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
    for (const tile of this.tiles) {
      const { id, element, facts, label, verdict, missing, begins } = tile;
      const chosen = this.kept.chosen.has(id);
      const current = id === this.kept.current;
      const look = [label, facts.kind, facts.flagged, verdict, missing, chosen, current, begins].join();
      if (tile.look === look) continue;
      tile.look = look;
      element.setAttribute("aria-selected", chosen);
      element.tabIndex = current ? 0 : -1;
      const marks = { current, missing, [facts.kind]: facts.kind, ...disagrees(facts, verdict) };
      for (const mark of MARKS) element.classList.toggle(mark, Boolean(marks[mark]));
      element.dataset.verdict = verdict;
      element.dataset.letter = verdict.slice(0, 1).toUpperCase(); // all that fits on a small tile
      if (element.firstChild?.textContent !== (begins || undefined)) element.replaceChildren(...this.begin(begins));
      element.setAttribute("aria-label", label + (verdict ? `, verdict ${verdict}` : ""));
    }
    this.say();
    if (this.data.address && this.kept.current !== undefined) this.link();
  }

  // The bar's words: which images these are, how many are chosen, how far the reviewer is.
  say() {
    const { range, judging, elsewhere, all } = this.data;
    this.range.textContent = range;
    const group = this.group();
    const off = this.kept.whole ? total(group.off) : 0;
    if (this.kept.whole) this.said.textContent = `Group of ${group.size} selected${off ? `, ${off} on other pages` : ""}`;
    else if (this.kept.chosen.size > 1) this.said.textContent = `${this.kept.chosen.size} selected`;
    else this.said.textContent = group?.size > 1 ? `In a group of ${group.size}` : "";
    const judged = elsewhere + this.tiles.filter((tile) => tile.verdict).length;
    this.progress.textContent = judging ? `${judged.toLocaleString("en")} of ${all.toLocaleString("en")} judged` : "";
    this.bar.style.setProperty("--judged", judging ? judged / all : 0);
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

  // --- words on an image, and the list of the keys ---

  // A finger has no hover: for it there is the detail.
  tellOf(event) {
    const element = event.target.closest(".tile");
    if (!element || event.pointerType === "touch") return this.hush();
    const tile = this.tiles.find((one) => one.element === element);
    if (!tile || this.told === tile.id) return;
    this.told = tile.id;
    const { size } = this.group(tile.id) ?? {};
    const more = [tile.verdict && `verdict ${tile.verdict}`, size > 1 && `in a group of ${size} near images`];
    this.words.replaceChildren(
      ...[...tile.facts.says, ...more.filter(Boolean)].map((line) => {
        const row = document.createElement("div");
        row.textContent = line;
        return row;
      }),
    );
    this.words.hidden = false;
    const room = this.root.clientWidth - this.words.offsetWidth;
    this.words.style.left = `${Math.max(0, Math.min(element.offsetLeft, room))}px`;
    this.words.style.top = `${element.offsetTop + element.offsetHeight + 4}px`;
  }

  hush() {
    this.told = undefined;
    this.words.hidden = true;
  }

  showKeys(wanted) {
    this.keys.hidden = !wanted;
    this.bar.querySelector("[data-keys]").setAttribute("aria-expanded", wanted);
    // Whoever else takes Escape sees by it that something is open in here (pages/parts/around/keys.js).
    this.root.getRootNode().host?.toggleAttribute("data-keys-open", wanted);
  }

  // --- choosing ---

  click(event) {
    const element = event.target.closest(".tile");
    if (!element) return;
    if (this.asked) this.answer("none");
    const id = this.tiles[[...this.list.children].indexOf(element)].id;
    if (event.shiftKey) this.move(id, "extend");
    else if (event.ctrlKey || event.metaKey) this.move(id, "toggle");
    else this.move(id);
  }

  move(id, how) {
    if (how === "extend") {
      const [from, to] = [this.at(this.kept.anchor), this.at(id)].sort((a, b) => a - b);
      this.choose(this.tiles.slice(from, to + 1).map((tile) => tile.id));
    } else if (how === "toggle") {
      if (!this.kept.chosen.delete(id)) this.kept.chosen.add(id);
      this.kept.anchor = id;
      if (!this.kept.chosen.size) this.kept.chosen.add(id);
      this.kept.whole = null;
    } else {
      this.choose([id]);
      this.kept.anchor = id;
    }
    this.kept.current = id;
    this.paint();
    this.tiles[this.at(id)].element.focus();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }

  choose(ids) {
    this.kept.chosen = new Set(ids);
    this.kept.whole = null;
  }

  chooseAll() {
    this.choose(this.tiles.map((tile) => tile.id));
    this.paint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }

  // --- groups of near images, which stand one behind the other, over pages ---

  // The one that an image is in, as this page has it; usually the current image.
  group(id = this.kept.current) {
    const at = this.at(id);
    return this.data.groups?.find(({ from, to }) => from <= at && at < to);
  }

  name(group) {
    return group ? `${this.tiles[group.from].id} ${group.size}` : null;
  }

  // The first image of a group bears its size; those that are near none are told apart where they begin.
  markGroups() {
    for (const tile of this.tiles) tile.begins = "";
    let alone = false;
    for (const { from, size } of this.data.groups ?? []) {
      if (size > 1 || !alone) this.tiles[from].begins = size > 1 ? String(size) : "alone";
      alone = size === 1;
    }
  }

  begin(words) {
    if (!words) return [];
    const mark = document.createElement("b");
    mark.setAttribute("aria-hidden", true);
    mark.append(Object.assign(document.createElement("span"), { textContent: words }));
    return [mark];
  }

  // The whole group of the current image, on other pages, too; where that is selected, the next group.
  chooseGroup() {
    this.kept.wanted = false;
    let group = this.group();
    if (!group) return;
    const chosen = this.kept.whole === this.name(group) || (group.size === 1 && this.kept.chosen.size === 1);
    if (chosen && group.to < this.tiles.length) {
      this.kept.current = this.tiles[group.to].id;
      group = this.group();
    } else if (chosen && group.next) {
      this.kept.wanted = true; // once it is here
      return this.turnTo(...group.next);
    }
    this.choose(this.tiles.slice(group.from, group.to).map((tile) => tile.id));
    this.kept.whole = group.size > 1 ? this.name(group) : null;
    this.kept.anchor = this.kept.current;
    this.paint();
    this.tiles[this.at(this.kept.current)].element.focus();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
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
    if (key !== "Escape") this.hush(); // the mouse lies where it lay
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.perRow(), ArrowUp: -this.perRow() };
    if (command && letter === "a") this.chooseAll();
    else if (command && letter === "z" && !event.shiftKey && this.data.judging) this.undo();
    else if (command || event.altKey) return;
    else if (key in steps) {
      const to = at + steps[key];
      if (to > last && at === last) this.turn(1);
      else if (to < 0 && at === 0) this.turn(-1);
      else if (to <= last && to >= 0) this.move(this.tiles[to].id, event.shiftKey && "extend");
    } else if (key === "Home") this.move(this.tiles[0].id, event.shiftKey && "extend");
    else if (key === "End") this.move(this.tiles[last].id, event.shiftKey && "extend");
    else if (key === "PageDown") this.turn(1);
    else if (key === "PageUp") this.turn(-1);
    else if (key === " ") this.move(this.kept.current, "toggle");
    else if (key === "?") this.showKeys(this.keys.hidden);
    else if (this.data.groups && letter === "g") this.chooseGroup();
    else if (this.data.judging && letter in VERDICTS) this.judge(VERDICTS[letter]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own on some of these letters
  }

  // --- telling Python ---

  judge(verdict) {
    const ids = this.tiles.filter((tile) => this.kept.chosen.has(tile.id)).map((tile) => tile.id);
    if (!ids.length) return; // a page is being turned
    const off = this.kept.whole ? this.group().off : {}; // of a group, those on other pages by their verdicts
    if (ids.length + total(off) > 1) {
      const anew = ids.filter((id) => this.verdict(id) !== verdict);
      const others = verdict ? anew.filter((id) => this.verdict(id)) : [];
      const all = anew.length + total({ ...off, [verdict]: 0 });
      const given = others.length + (verdict ? total({ ...off, [verdict]: 0, "": 0 }) : 0);
      if (all > MANY || given) return this.ask(anew, others, verdict, all, given);
    }
    this.give(ids, verdict);
  }

  verdict(id) {
    return this.tiles[this.at(id)].verdict;
  }

  // Many verdicts at once, or such as would take the place of others, are given when that has been confirmed.
  // ids and others are those on this page, others such as have another verdict; all and given are both on all pages.
  ask(ids, others, verdict, all, given) {
    const images = (many) => `${many} image${many === 1 ? "" : "s"}`;
    const what = verdict ? `Mark ${images(all)} as ${verdict}?` : `Take the verdicts on ${images(all)} back?`;
    const there = given === 1 ? "1 of them has another verdict." : `${given} of them have another verdict.`;
    this.asked = { ids, rest: ids.filter((id) => !others.includes(id)), verdict, over: given > 0 || !verdict };
    this.question.querySelector("span").textContent = given ? `${what} ${there}` : what;
    const [only, every] = ["rest", "all"].map((answer) => this.question.querySelector(`[data-answer=${answer}]`));
    only.hidden = !given || given === all;
    only.textContent = `Only the ${all - given} without one`;
    every.textContent = given ? `All ${all}` : `Yes, all ${all}`;
    this.question.hidden = false;
    this.list.getRootNode().host?.setAttribute("data-question", ""); // keys.js leaves Escape to it
    const first = only.hidden && given ? "none" : only.hidden ? "all" : "rest";
    this.question.querySelector(`[data-answer=${first}]`).focus();
  }

  answer(which) {
    const { asked } = this;
    this.asked = null;
    this.question.hidden = true;
    this.list.getRootNode().host?.removeAttribute("data-question");
    this.tiles[this.at(this.kept.current)]?.element.focus();
    if (!asked || which === "none") return;
    if (which === "rest") this.give(asked.rest, asked.verdict, false);
    else this.give(asked.ids, asked.verdict, asked.over);
  }

  // over: whether other verdicts may go; of one image alone that is what was asked for.
  give(ids, verdict, over = (ids.length === 1 && !this.kept.whole) || !verdict) {
    const { whole, current } = this.kept;
    this.kept.acts.push({ number: ++this.kept.count, ids, verdict, over, ...(whole && { group: current }) });
    this.mark(ids, verdict);
    const next = this.at(this.kept.current) + 1;
    if (ids.length > 1 || whole) this.paint();
    else if (next < this.tiles.length) this.move(this.tiles[next].id);
    else if (!this.turn(1)) this.paint();
    this.tell();
  }

  undo() {
    if (this.turning()) return;
    this.kept.acts.push({ number: ++this.kept.count, undo: true });
    this.tell();
  }

  turn(by) {
    const to = this.data.page + by;
    if (to < 1 || to > this.data.pages) return false;
    this.turnTo(to);
    return true;
  }

  // current: an image of that page; without it, its first.
  turnTo(page, current) {
    this.kept.acts.push({ number: ++this.kept.count, page });
    this.kept.current = current;
    this.choose([]);
    this.tell();
  }

  tell() {
    clearTimeout(this.timer);
    const { name, current = null, whole, acts } = this.kept;
    const chosen = this.kept.chosen.size > 1 ? [...this.kept.chosen] : [];
    this.send("board", { name, current, chosen, group: whole ? current : null, acts });
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".gallery");
  root.board ??= new Board(root);
  root.board.update(data, setStateValue);
}
