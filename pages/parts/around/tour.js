// The tour (pages/parts/around/tour.py, which puts HINTS before this). The browser keeps how far it is, or that it is over, under one name.

const KEPT = "poisonscope tour";
const ASKED = "poisonscope tour asked"; // of this tab: which wish for it was answered last
const MOVED = "poisonscope tour moved"; // of this tab: a button of the tour led to this screen, and keeps the focus

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

function keep(state) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(state));
  } catch {
    // a browser that keeps nothing is offered the tour again
  }
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function words(title, says) {
  const made = document.createElement("p");
  const head = document.createElement("b");
  head.textContent = title;
  made.append(head, ` ${says}`);
  return made;
}

export default ({ parentElement, data, setTriggerValue }) => {
  const place = parentElement.querySelector(".tour");
  const { screen } = data;
  if (data.asked && data.asked !== sessionStorage.getItem(ASKED)) {
    sessionStorage.setItem(ASKED, data.asked);
    keep({ step: 0 });
    go(0);
  }
  draw();

  function go(step) {
    keep({ step });
    if (HINTS[step].screen === screen) return draw(true);
    sessionStorage.setItem(MOVED, "1");
    setTriggerValue("visit", HINTS[step].screen);
  }

  function end() {
    keep({ done: true });
    draw();
  }

  function draw(focus = false) {
    const state = kept();
    const going = state && !state.done && HINTS[state.step];
    const offered = !state && screen === HINTS[0].screen;
    place.hidden = !going && !offered;
    const room = (parentElement.host ?? parentElement).closest("[data-testid=stLayoutWrapper]");
    if (room) room.style.display = place.hidden ? "" : "flex";
    place.replaceChildren();
    if (place.hidden) return;
    const hands = document.createElement("div");
    hands.className = "hands";
    if (offered) {
      hands.append(button("Show me", () => go(0)), button("No, thanks", end));
      place.append(words("New here?", `${HINTS.length} hints show you around, in three minutes.`), hands);
      return;
    }
    const { step } = state;
    const hint = HINTS[step];
    const here = hint.screen === screen;
    place.append(words(`${step + 1} of ${HINTS.length}: ${hint.title}.`, here ? hint.says : "The tour goes on there."), hands);
    if (!here) hands.append(button(`To ${hint.title}`, () => go(step)));
    if (here && step) hands.append(button("Back", () => go(step - 1)));
    if (here && step + 1 < HINTS.length) hands.append(button("Next", () => go(step + 1)));
    hands.append(button(here && step + 1 === HINTS.length ? "Done" : "End the tour", end));
    if (focus || sessionStorage.getItem(MOVED)) {
      sessionStorage.removeItem(MOVED);
      [...hands.children].find((one) => one.textContent !== "Back").focus({ preventScroll: true });
    }
  }
};
