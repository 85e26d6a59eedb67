// Every class's histogram in small, each a button (pages/parts/scores/cards.py).

const element = (name, kind, text = "") =>
  Object.assign(document.createElement(name), { className: kind, textContent: text });

function card(facts) {
  const button = element("button", facts.suspect ? "suspect" : "");
  const bars = element("span", "bars");
  bars.setAttribute("aria-hidden", "true");
  const wide = 100 / facts.bins;
  for (const [kind, bin, bottom, top] of facts.bars) {
    const bar = element("i", kind);
    Object.assign(bar.style, {
      left: `${bin * wide}%`, width: `calc(${wide}% + .5px)`, bottom: `${100 * bottom}%`, height: `${100 * (top - bottom)}%`,
    });
    bars.append(bar);
  }
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

const drawn = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".cards");
  const shape = JSON.stringify(data.cards);
  if (drawn.get(root) !== shape) {
    root.replaceChildren(...data.cards.map(card));
    drawn.set(root, shape);
  }
  for (const button of root.children) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.label) === data.large));
    button.onclick = () => setTriggerValue("chosen", Number(button.dataset.label));
  }
}
