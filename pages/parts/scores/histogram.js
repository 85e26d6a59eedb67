// One class's histogram (pages/parts/scores/histogram.py): draws the bars it is given, and is told by hand where to cut
// and what to look at. The cut's line follows the hand at once; Python's figures follow it as fast as they come.

const SLOW = 400; // milliseconds after which an answer is not waited for
const CLICK = 0.006; // share of the width below which a brush is a click

class Histogram {
  constructor(root) {
    for (const name of ["plot", "lines", "bars", "ticks", "legend", "gone", "brush", "cut", "readout", "title"])
      this[name] = root.querySelector(`.${name}`);
    this.plot.addEventListener("pointerdown", (event) => this.down(event));
    this.plot.addEventListener("pointermove", (event) => this.move(event));
    this.plot.addEventListener("pointerup", (event) => this.up(event));
    this.plot.addEventListener("pointercancel", (event) => this.up(event));
    this.plot.addEventListener("pointerleave", () => (this.readout.textContent = ""));
    this.cut.addEventListener("keydown", (event) => this.key(event));
  }

  update(data, send) {
    this.send = send;
    this.waiting = false;
    this.data = data;
    const shape = JSON.stringify([data.picture, data.legend]);
    if (shape !== this.shape) this.draw(data);
    this.shape = shape;
    this.bars.setAttribute("aria-label", data.alt);
    this.title.textContent = data.title;
    if (this.held !== "brush") this.band(data.brush);
    if (this.held !== "cut") this.place(data.cut);
    this.words();
    if (this.held === "cut" && this.asked !== this.at) this.ask();
  }

  draw({ picture, legend }) {
    const put = (name, style, text) => {
      const element = document.createElement("div");
      element.className = name;
      Object.assign(element.style, style);
      if (text !== undefined) element.append(Object.assign(document.createElement("span"), { textContent: text }));
      return element;
    };
    const percent = (share) => `${(100 * share).toFixed(3)}%`;
    const wide = 1 / picture.bins;
    this.lines.replaceChildren(...picture.lines.map(([at, text]) => put("line", { bottom: percent(at) }, text)));
    this.ticks.replaceChildren(...picture.ticks.map(([at, text]) => put("tick", { left: percent(at) }, text)));
    this.bars.replaceChildren(
      ...picture.bars.map(([kind, bin, bottom, top]) =>
        put(`bar ${kind}`, {
          left: percent(bin * wide), width: `calc(${percent(wide)} + .5px)`, bottom: percent(bottom), height: percent(top - bottom),
        }),
      ),
    );
    this.legend.replaceChildren(
      ...legend.map(([kind, text]) => {
        const entry = document.createElement("span");
        entry.append(Object.assign(document.createElement("i"), { className: kind }), text);
        return entry;
      }),
    );
  }

  words() {
    const { cut, removed, budget, says } = this.data;
    this.cut.hidden = cut === null;
    if (cut === null) return;
    this.cut.querySelector("b").textContent = `${removed} →`;
    this.cut.setAttribute("aria-valuenow", budget);
    this.cut.setAttribute("aria-valuemax", this.data.most);
    this.cut.setAttribute("aria-valuetext", says);
  }

  place(at) {
    this.gone.hidden = at === null;
    if (at === null) return;
    this.at = at;
    this.cut.style.left = `${100 * at}%`;
    const late = at > 0.4;
    this.cut.classList.toggle("late", late);
    this.cut.style.setProperty("--room", late ? at : 1 - at); // for its words, on their side of the line
    this.gone.style.left = `${100 * at}%`;
  }

  band(range) {
    this.brush.hidden = !range;
    if (!range) return;
    this.brush.style.left = `${100 * range[0]}%`;
    this.brush.style.width = `${100 * (range[1] - range[0])}%`;
  }

  share(event) {
    const box = this.plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  down(event) {
    if (event.button) return;
    this.plot.setPointerCapture(event.pointerId);
    this.held = event.target.closest(".cut") ? "cut" : "brush";
    this.from = this.share(event);
    if (this.held === "cut") this.cut.focus();
    event.preventDefault();
  }

  move(event) {
    const at = this.share(event);
    const { picture } = this.data;
    this.readout.textContent = picture.says[Math.min(picture.bins - 1, Math.floor(at * picture.bins))];
    if (this.held === "brush") this.band([Math.min(at, this.from), Math.max(at, this.from)]);
    if (this.held === "cut") {
      this.place(at);
      this.ask();
    }
  }

  ask() {
    const now = performance.now();
    if (this.waiting && now - this.since < SLOW) return;
    this.waiting = true;
    this.since = now;
    this.asked = this.at;
    this.send("drag", this.at);
  }

  up(event) {
    const held = this.held;
    this.held = null;
    const at = this.share(event);
    if (held === "cut") this.send("cut", at);
    if (held !== "brush") return;
    const range = [Math.min(at, this.from), Math.max(at, this.from)];
    const click = range[1] - range[0] < CLICK || event.type === "pointercancel";
    if (click) this.band(this.data.brush);
    if (!click || (event.type === "pointerup" && this.data.brush)) this.send("brush", { range: click ? null : range });
  }

  key(event) {
    const one = { ArrowLeft: 1, ArrowDown: 1, ArrowRight: -1, ArrowUp: -1 }[event.key];
    const step = one && one * (event.shiftKey ? 50 : 1);
    const to = { Home: this.data.most, End: 0 }[event.key] ?? (step && this.data.budget + step);
    if (to === undefined) return;
    event.preventDefault();
    this.data.budget = Math.min(this.data.most, Math.max(0, to)); // so that the next press goes on from here
    this.send("budget", this.data.budget);
  }
}

const known = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".histogram");
  if (!known.has(root)) known.set(root, new Histogram(root));
  known.get(root).update(structuredClone(data), setTriggerValue);
}
