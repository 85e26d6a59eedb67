// The deck: which slide is seen, the bar below it, and the keys that keys.js hands on.
//
// The slide's number is an attribute of <html>, which stage.css goes by; React may draw the slides anew meanwhile. It
// stands in the address, too, so that a link, Reload and Back find it; a turn is no step of the browser's history. The
// speaker's window (notes.js) hears of every turn by a channel between the windows of one browser that tell the same run,
// and may turn, too.

const CHANNEL = "poisonscope stage "; // and the run's key
const BEGAN = "poisonscope stage began"; // in sessionStorage: when the talk began
const SLIDE = "slide"; // of <html>'s data
const DARK = "stageDark";
const AGAIN = 300; // milliseconds
const OPEN = "keysOpen"; // keys.js leaves Escape to us then

export default function ({ data, parentElement, setTriggerValue }) {
  const stage = (window.poisonscope_stage ??= open());
  const mine = { data, nav: parentElement.querySelector("nav"), list: parentElement.querySelector(".ps-keys"),
    tell: (what) => setTriggerValue("asked", what) };
  stage.mount(mine);
  return () => stage.leave(mine);
}

function open() {
  const root = document.documentElement;
  let channel = null;
  let deck = null;
  let held = null; // the button of the live slide that has the focus: the script draws that slide anew while a run goes
  let at = 0; // 0 while there is no deck

  const last = () => deck.data.names.length;
  const named = () => Number(new URL(location.href).searchParams.get(deck.data.step)) || 1;

  const began = () => {
    if (!sessionStorage.getItem(BEGAN)) sessionStorage.setItem(BEGAN, String(Date.now()));
    return Number(sessionStorage.getItem(BEGAN));
  };
  const tell = () => deck && channel.postMessage({ at, began: began(), dark: DARK in root.dataset });

  const draw = () => {
    root.dataset[SLIDE] = String(at);
    const { nav, list, data } = deck;
    const focus = nav.getRootNode().activeElement;
    const does = nav.contains(focus) ? focus.dataset.stageDo : null;
    nav.replaceChildren(
      button("back", "←", "Slide before (Page Up)", at === 1),
      ...data.names.map((name, n) => {
        const one = button(`go ${n + 1}`, "", `Slide ${n + 1}: ${name}`);
        one.className = "ps-dot";
        if (n + 1 === at) one.setAttribute("aria-current", "step");
        return one;
      }),
      button("forth", "→", "Next slide (Page Down)", at === last()),
      text("span", `${at} of ${last()}`),
      button("notes", "Notes", "Speaker's notes in a second window (N)"),
      button("keys", "?", "All keys"),
    );
    if (does) nav.querySelector(`[data-stage-do="${does}"]`)?.focus(); // it was taken away with its button
    list.replaceChildren(
      text("h2", "Keys"),
      ...data.keys.map(([key, does]) => {
        const line = text("p", does);
        line.prepend(text("kbd", key));
        return line;
      }),
    );
  };

  const write = () => {
    const url = new URL(location.href);
    if (!deck || url.searchParams.get(deck.data.present) !== "1" || named() === at) return; // another screen's already
    url.searchParams.set(deck.data.step, String(at));
    history.replaceState(history.state, "", url.href);
  };

  const go = (to) => {
    at = Math.min(Math.max(to, 1), last());
    write();
    show(false);
    draw();
    tell();
  };

  const show = (wanted) => {
    deck.list.hidden = !wanted;
    if (wanted) deck.list.dataset[OPEN] = "";
    else delete deck.list.dataset[OPEN];
  };

  const black = (wanted) => {
    for (const name of [DARK, OPEN]) wanted ? (root.dataset[name] = "") : delete root.dataset[name];
    tell();
  };

  const notes = () => {
    const url = new URL(location.href);
    for (const name of [deck.data.present, deck.data.step]) url.searchParams.delete(name);
    url.searchParams.set(deck.data.notes, "1");
    window.open(url.href, "poisonscope notes", "popup,width=720,height=800");
  };

  const act = (what) => {
    if (what === "forth") go(at + 1);
    else if (what === "back") go(at - 1);
    else if (what.startsWith("go ")) go(Number(what.slice(3)));
    else if (what === "notes") notes();
    else if (what === "keys") show(deck.list.hidden);
    else deck.tell(what);
  };

  const press = (key) => {
    if (DARK in root.dataset) return black(false); // whatever was pressed: light first
    if (key === "b" || key === ".") black(true);
    else if (key === "Home") go(1);
    else if (key === "End") go(last());
    else if (key === "PageUp" || key === "ArrowLeft") act("back");
    else if (key === "PageDown" || key === "ArrowRight") act("forth");
    else if (key === "n") notes();
    else if (key === "?") act("keys");
    else if (key === "l") document.querySelector(`.ps-slide[data-slide="${at}"] [data-stage-do=start]`)?.click();
    else go(Number(key));
  };

  // In the dark a press of the mouse is no click on what cannot be seen (stage.css takes it from the page).
  window.addEventListener("pointerdown", () => DARK in root.dataset && black(false), true);
  window.addEventListener("poisonscope:key", ({ detail }) => deck && press(detail));
  window.addEventListener("popstate", () => deck && ((at = Math.min(named(), last())), draw(), tell()));
  window.addEventListener(
    "keydown",
    (event) => {
      if (!deck || event.key !== "Escape") return;
      if (deck.list.hidden && !(DARK in root.dataset)) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // closes that, and no more
      show(false);
      black(false);
    },
    true,
  );
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[data-stage-do]");
    if (deck && pressed) act(pressed.dataset.stageDo);
  });
  const hear = ({ data }) => {
    if (!deck) return;
    if (data.ask === "reset") sessionStorage.setItem(BEGAN, String(Date.now()));
    if (data.ask === "key") press(data.key);
    tell();
  };
  const tune = (run) => {
    if (channel?.name === CHANNEL + run) return;
    channel?.close();
    channel = new BroadcastChannel(CHANNEL + run);
    channel.onmessage = hear;
  };

  const hold = ({ target }) => (held = target.closest?.(".ps-live [data-stage-do]") ?? null);
  for (const name of ["focusin", "pointerdown"]) document.addEventListener(name, hold, true);
  const keep = () => {
    if (!held || held.isConnected) return;
    held = document.querySelector(`.ps-live [data-stage-do="${held.dataset.stageDo}"]`);
    if (document.activeElement === document.body) held?.focus();
  };
  setInterval(keep, AGAIN);
  setInterval(write, AGAIN); // an answer of the script writes the address as the script last knew it

  return {
    mount(mine) {
      deck = mine;
      tune(mine.data.run);
      at = Math.min(Math.max(at || named(), 1), last());
      draw();
      tell();
    },
    leave(mine) {
      setTimeout(() => {
        if (deck !== mine) return; // it was only drawn anew
        deck = null;
        at = 0;
        for (const name of [SLIDE, DARK, OPEN]) delete root.dataset[name];
      });
    },
  };
}

function button(does, label, name, disabled = false) {
  const one = text("button", label);
  one.type = "button";
  one.disabled = disabled;
  one.dataset.stageDo = does;
  one.title = name;
  one.setAttribute("aria-label", name);
  return one;
}

function text(kind, content) {
  const one = document.createElement(kind);
  one.textContent = content;
  return one;
}
