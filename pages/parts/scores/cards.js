// Classes in small, each a button (pages/parts/scores/cards.py), of many a page. What is asked for, a page or a name,
// is said as a whole ("page 3"), so that three quick presses are three pages.

const PAUSE = 250; // milliseconds without a further letter before it is searched
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
const PAGES = { PageUp: -1, PageDown: 1 };

const element = (name, kind, text = "") =>
  Object.assign(document.createElement(name), { className: kind, textContent: text });

// One kind's bars as one element that is cut out; a bar that is not empty is two pixels high, or more.
function outline(kind, heights) {
  const wide = 100 / heights.length;
  const corners = heights.flatMap((height, bin) => {
    const top = height ? `calc(100% - max(2px, ${(100 * height).toFixed(1)}%))` : "100%";
    return [`${(bin * wide).toFixed(2)}% ${top}`, `${((bin + 1) * wide).toFixed(2)}% ${top}`];
  });
  const bars = element("i", kind);
  bars.style.clipPath = `polygon(0 100%, ${corners.join(", ")}, 100% 100%)`;
  return bars;
}

function card(facts) {
  const button = element("button", facts.suspect ? "suspect" : "");
  const bars = element("span", "bars");
  bars.setAttribute("aria-hidden", "true");
  bars.append(...Object.entries(facts.bars).map(([kind, heights]) => outline(kind, heights)));
  button.type = "button";
  button.dataset.label = facts.label;
  button.title = [facts.name, facts.says, facts.size].filter(Boolean).join(" · ");
  button.append(
    element("span", "name", `${facts.suspect ? "⚠ " : ""}${facts.name}`),
    element("span", "says", facts.says || facts.size),
    bars,
  );
  return button;
}

class Classes {
  constructor(root) {
    this.root = root;
    for (const part of ["pager", "cards", "range", "none"]) this[part] = root.querySelector(`.${part}`);
    this.search = root.querySelector("input");
    this.steps = [...root.querySelectorAll("[data-step]")];
    this.asked = null; // the page that is on its way
    this.pager.addEventListener("click", (event) => {
      const step = event.target.closest("[data-step]")?.dataset.step;
      if (step) this.turn(Number(step));
    });
    this.cards.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.send("chosen", Number(button.dataset.label));
    });
    this.cards.addEventListener("focusin", (event) => this.rove(event.target.closest("button")));
    this.search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.ask(1), PAUSE);
    });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  update(data, send) {
    this.send = send;
    this.data = data;
    const focus = this.root.getRootNode().activeElement;
    const shape = JSON.stringify(data.cards);
    if (shape !== this.shape) {
      const held = [...this.cards.children].indexOf(focus);
      this.cards.replaceChildren(...data.cards.map(card));
      this.shape = shape;
      if (held >= 0) this.at(Math.min(held, data.cards.length - 1))?.focus();
    }
    if (data.page === this.asked || data.search !== this.sought) this.asked = null;
    this.sought = data.search;
    if (focus !== this.search) this.search.value = data.search;
    this.root.classList.toggle("many", data.paged);
    this.pager.hidden = !data.paged;
    this.none.hidden = data.cards.length > 0;
    this.range.textContent = data.range;
    this.bound();
    for (const button of this.cards.children)
      button.setAttribute("aria-pressed", String(Number(button.dataset.label) === data.large));
    this.rove(this.cards.querySelector(":focus, [aria-pressed=true]") ?? this.at(0));
  }

  get page() {
    return this.asked ?? this.data.page;
  }

  bound() {
    for (const button of this.steps) {
      const to = this.page + Number(button.dataset.step);
      button.setAttribute("aria-disabled", String(to < 1 || to > this.data.pages)); // it keeps the focus
    }
  }

  turn(step) {
    const to = this.page + step;
    if (to < 1 || to > this.data.pages) return;
    this.asked = to;
    this.ask(to);
    this.bound();
  }

  ask(page) {
    clearTimeout(this.typing);
    this.send("turn", { page, search: this.search.value });
  }

  at(place) {
    return this.cards.children[place];
  }

  // Of the cards one is reached by Tab; the arrows lead to the others.
  rove(here) {
    for (const button of this.cards.children) button.tabIndex = button === here ? 0 : -1;
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in PAGES && this.data.paged) {
      event.preventDefault();
      this.turn(PAGES[event.key]);
    } else if (this.cards.contains(event.target)) this.walk(event);
    if (event.target === this.search) event.stopPropagation(); // Streamlit has shortcuts on letters
  }

  walk(event) {
    const place = [...this.cards.children].indexOf(event.target.closest("button"));
    const last = this.cards.children.length - 1;
    const row = [...this.cards.children].filter((button) => button.offsetTop === this.at(0).offsetTop).length;
    const step = STEPS[event.key] && STEPS[event.key] * (event.key === "ArrowUp" || event.key === "ArrowDown" ? row : 1);
    const to = { Home: 0, End: last }[event.key] ?? (step && place + step);
    if (to === undefined) return;
    event.preventDefault();
    this.at(to)?.focus();
  }
}

const known = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".classes");
  if (!known.has(root)) known.set(root, new Classes(root));
  known.get(root).update(data, setTriggerValue);
}
