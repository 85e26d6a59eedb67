// The scores of what the filter may show (pages/parts/flagged/strip.py), and the range of them that it lets through: by
// dragging across the picture, by its two ends, or by their arrow keys. What the hand does is drawn at once.

const CLICK = 0.006; // share of the width below which a drag is a click, and takes the range away
const PAUSE = 200; // milliseconds without a further key before Python is told
const NEAR = 0.35; // of a bin: a rounded end is taken for the edge that it was rounded from

class Strip {
  constructor(root) {
    for (const name of ["title", "legend", "readout", "plot", "bars", "ticks", "cut"]) this[name] = root.querySelector(`.${name}`);
    this.ends = [...root.querySelectorAll(".end")];
    this.dims = [...root.querySelectorAll(".dim")];
    this.plot.addEventListener("pointerdown", (event) => this.down(event));
    this.plot.addEventListener("pointermove", (event) => this.move(event));
    this.plot.addEventListener("pointerup", (event) => this.up(event));
    this.plot.addEventListener("pointercancel", () => this.cancel());
    this.plot.addEventListener("pointerleave", () => (this.readout.textContent = this.data.hint));
    for (const end of this.ends) end.addEventListener("keydown", (event) => this.key(event, this.ends.indexOf(end)));
  }

  update(data, send) {
    this.send = send;
    this.data = data;
    this.told = data.range;
    const shape = JSON.stringify(data.picture);
    if (shape !== this.shape) {
      this.drop();
      this.draw(data.picture);
    }
    this.shape = shape;
    this.title.textContent = data.title;
    this.readout.textContent = data.hint;
    this.legend.replaceChildren(
      ...data.legend.map(([kind, text]) => {
        const entry = document.createElement("span");
        entry.append(Object.assign(document.createElement("i"), { className: kind }), text);
        return entry;
      }),
    );
    this.bars.setAttribute("aria-label", data.alt);
    if (!this.held && !this.timer) this.range(...data.range);
  }

  // What the hand was about to do was meant for the picture that it was begun on.
  drop() {
    this.held = null;
    clearTimeout(this.timer);
    this.timer = null;
  }

  draw({ bins, bars, ticks, cuts, cut }) {
    const put = (name, style, text) => {
      const element = Object.assign(document.createElement("div"), { className: name, textContent: text ?? "" });
      Object.assign(element.style, style);
      return element;
    };
    const percent = (share) => `${(100 * share).toFixed(3)}%`;
    this.ticks.replaceChildren(...ticks.map(([at, text]) => put("tick", { left: percent(at) }, text)));
    this.bars.replaceChildren(
      ...bars.map(([kind, bin, bottom, top]) =>
        put(`bar ${kind}`, {
          left: percent(bin / bins), width: `calc(${percent(1 / bins)} + .5px)`, bottom: percent(bottom), height: percent(top - bottom),
        }),
      ),
    );
    this.cut.hidden = !cuts;
    if (!cuts) return;
    this.cut.style.left = percent(cuts[0]);
    this.cut.style.width = percent(cuts[1] - cuts[0]);
    this.cut.classList.toggle("wide", cuts[1] > cuts[0]);
    this.ticks.append(put("tick named", { left: percent(cut[0]) }, cut[1]));
  }

  // From where to where the filter reaches, as shares of the width; null where it is open.
  range(low, high) {
    this.now = [low, high];
    const places = [low ?? 0, high ?? 1];
    this.ends.forEach((end, n) => {
      end.style.left = `${100 * places[n]}%`;
      end.classList.toggle("open", this.now[n] === null);
      end.setAttribute("aria-valuemax", this.data.picture.bins);
      end.setAttribute("aria-valuenow", Math.round(places[n] * this.data.picture.bins));
      end.setAttribute("aria-valuetext", this.now[n] === null ? "any" : this.said(places[n]));
    });
    this.ends[0].style.zIndex = places[0] > 0.5 ? 3 : 2; // so that neither is out of reach below the other
    this.dims[0].style.width = `${100 * places[0]}%`;
    this.dims[1].style.width = `${100 * (1 - places[1])}%`;
  }

  said(share) {
    const { bins, ends } = this.data.picture;
    return ends[Math.round(Math.min(1, Math.max(0, share)) * bins)];
  }

  share(event) {
    const box = this.plot.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  down(event) {
    if (event.button) return;
    clearTimeout(this.timer); // what the keys did is told with what the hand does
    this.plot.setPointerCapture(event.pointerId);
    const end = this.ends.indexOf(event.target.closest(".end"));
    if (end >= 0) this.ends[end].focus();
    this.held = { from: this.share(event), end, before: this.now };
    event.preventDefault();
  }

  move(event) {
    const at = this.share(event);
    const { picture } = this.data;
    this.readout.textContent = picture.says[Math.min(picture.bins - 1, Math.floor(at * picture.bins))];
    if (this.held) this.range(...this.drawn(at));
  }

  // What the hand has made of the range; an end that it brings to the picture's edge is open, the other one stays.
  drawn(at) {
    const { from, end, before } = this.held;
    const range = end < 0 ? [from, at] : before.map((one, n) => (n === end ? at : (one ?? n)));
    range.sort((a, b) => a - b);
    return range.map((one, n) => (end >= 0 && one === before[n] ? one : this.opened(one, n)));
  }

  opened(share, n) {
    return (n ? share >= 1 : share <= 0) ? null : share;
  }

  up(event) {
    if (!this.held) return;
    const at = this.share(event);
    const click = Math.abs(at - this.held.from) < CLICK;
    const range = click ? (this.held.end < 0 ? [null, null] : this.held.before) : this.drawn(at);
    this.let(range);
    this.tell();
  }

  // Python is told of a range that it does not know.
  tell() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.now.every((one, n) => one === this.told[n])) return;
    this.told = this.now;
    this.send("range", { ends: this.now });
  }

  let(range) {
    this.held = null;
    this.range(...range);
  }

  cancel() {
    if (!this.held) return;
    this.let(this.held.before);
    this.tell();
  }

  key(event, n) {
    const { bins } = this.data.picture;
    const one = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key]; // page keys are the presenter's
    const place = (this.now[n] ?? n) * bins;
    const edge = Math.round(place);
    const at = Math.abs(place - edge) < NEAR ? edge : one > 0 ? Math.floor(place) : Math.ceil(place);
    const to = { Home: 0, End: bins }[event.key] ?? (one && at + one * (event.shiftKey ? 8 : 1));
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const range = [...this.now];
    range[n] = this.opened(n ? Math.max(to / bins, this.now[0] ?? 0) : Math.min(to / bins, this.now[1] ?? 1), n);
    this.range(...range);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), PAUSE);
  }
}

const known = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  if (!known.has(root)) known.set(root, new Strip(root));
  known.get(root).update(structuredClone(data), setTriggerValue);
}
