// Keys that work whatever has the focus: a presenter's remote control cannot click somewhere else first.
//
// Streamlit's own shortcuts are deaf while a control has the focus, and some controls take a key for themselves: Page
// Down moves a slider. So one listener hears the keys that a screen binds (keys.py) before anyone else does.
//
// - `buttons` {key: name of a button}: the button is pressed, and of quick presses one after the other.
// - `passed` [key]: the key goes to the page's own script (stage/deck.js) as the event "poisonscope:key".

const AGAIN = 40; // milliseconds until it is looked again whether the last press was answered
const PATIENCE = 10_000; // milliseconds that a press waits for its turn
const ANSWER = 2000; // milliseconds in which Python begins to answer a press
const MOVES = ["ArrowLeft", "ArrowRight", "Home", "End"]; // in a field, a slider or a list these go somewhere
const TAKES_NO_TEXT = ["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"];
const MOVED = "input[type=range], input[type=radio], [role=slider], [role=radio], [role=tab], [role=option], [role=listbox]";
const OPEN = [
  "[aria-haspopup][aria-expanded=true]",
  "[role=combobox][aria-expanded=true]",
  "[role=dialog]",
  "[data-question]", // asked within a component
  "[role=menu]",
  "[data-testid=stPopoverBody]",
  "[aria-label='Close fullscreen']",
  "[data-keys-open]", // a list of keys, or a stage that is dark
  "#portal > *", // a table's cell that is written in
].join(", ");

export default function ({ data }) {
  const keys = (window.poisonscope_keys ??= listen());
  const mine = { ...data };
  keys.bound.set(data.name, mine);
  return () => keys.bound.get(data.name) === mine && keys.bound.delete(data.name);
}

function listen() {
  const bound = new Map();
  const waiting = []; // presses of buttons
  let timer = null;
  let pressed = 0; // when, while the press is not answered

  // Between a press and the script's first word the app looks idle: only a run that has ended is an answer.
  let ran = false;
  const look = () => {
    if (!idle()) ran = true;
    else if (ran) [ran, pressed] = [false, 0];
  };
  new MutationObserver(look).observe(document.body, {
    subtree: true,
    attributeFilter: ["data-test-script-state"],
  });

  const press = () => {
    timer = null;
    const [name, since] = waiting[0];
    const button = document.querySelector(`.st-key-${name} button:not(:disabled)`);
    if (button && idle() && Date.now() - pressed > ANSWER) {
      ran = false;
      pressed = Date.now();
      button.click();
    } else if (Date.now() - since < PATIENCE) return void (timer = setTimeout(press, AGAIN));
    waiting.shift();
    if (waiting.length) timer = setTimeout(press, AGAIN);
  };

  window.addEventListener("keydown", hear, true);
  return { bound };

  function hear(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.shiftKey && key !== "?") return; // which some keyboards have above another key
    const mine = [...bound.values()].find(({ buttons, passed }) => key in buttons || passed.includes(key));
    if (!mine) return;
    const focus = focused();
    if (key === "Escape" && isOpen()) return; // closes that, and no more
    const written = key.length === 1 || MOVES.includes(key);
    if (written && (takesText(focus) || document.querySelector("[role=dialog]"))) return;
    if (MOVES.includes(key) && focus?.closest(MOVED)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (key.length > 1) focus?.blur(); // what was written in it is taken
    if (!(key in mine.buttons)) {
      window.dispatchEvent(new CustomEvent("poisonscope:key", { detail: key }));
      return;
    }
    waiting.push([mine.buttons[key], Date.now()]);
    timer ??= setTimeout(press, 0);
  }
}

/** What has the focus, within components too. */
function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element === document.body ? null : element;
}

function takesText(element) {
  if (!element) return false;
  if (element.localName === "input") return !TAKES_NO_TEXT.includes(element.type);
  return element.isContentEditable || ["textarea", "select"].includes(element.localName);
}

/** Whether a menu, a dialog or the like lies over the screen. */
function isOpen() {
  return document.fullscreenElement !== null || document.querySelector(OPEN) !== null;
}

function idle() {
  return document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning";
}
