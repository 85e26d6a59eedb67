// One press of Back is one step back, and brings back the view that was there.
//
// Streamlit pushes an entry of the browser's history for every change of the address. On the way to another screen
// that makes three of one step: it strips what widgets had bound, or changes the run, then changes the screen, and the
// script completes the new address (the run, the cut). Here the second and the third replace the entry of the first.
// An address that changes because a person did something is pushed as ever.
//
// The entry that is left by a step says all there is to its view: what its address lacks is as usual, not as this tab
// will have had it when somebody comes back. It is marked so, and the script takes the mark away (address.py).

const WAIT = 5000; // milliseconds in which a change of screen follows the change of an address that prepares it
const RUN = "run";
const RESTORED = "restored";
const OVERLAY = "(max-width: 768px)"; // here the sidebar lies over the screen

export default function () {
  if (window.poisonscope_address) return;
  window.poisonscope_address = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let acted = false; // has a person done anything since this entry was arrived at?
  let prepared = -Infinity; // when an entry was pushed that may only prepare a change of screen

  const act = () => {
    acted = true;
    prepared = -Infinity;
  };
  window.addEventListener("pointerdown", act, true);
  window.addEventListener("keydown", act, true);
  window.addEventListener("popstate", () => {
    acted = false;
    prepared = -Infinity;
  });

  const prepares = (here, there) =>
    here.searchParams.get(RUN) !== there.searchParams.get(RUN) ||
    [...here.searchParams.keys()].some((name) => !there.searchParams.has(name));

  const step = (here, state, title, url) => {
    const left = new URL(here);
    left.searchParams.set(RESTORED, "1");
    replace(history.state, "", left.href);
    push(state, title, url);
  };

  history.pushState = (state, title, url) => {
    const here = new URL(location.href);
    const there = new URL(url ?? location.href, location.href);
    const soon = performance.now() - prepared < WAIT;
    if (there.pathname !== here.pathname) {
      acted = false;
      prepared = -Infinity;
      return soon ? replace(state, title, url) : step(here, state, title, url);
    }
    if (!acted || soon) return replace(state, title, url);
    step(here, state, title, url);
    if (prepares(here, there)) prepared = performance.now();
  };

  // On a phone the sidebar covers the screen that was just chosen in it.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-testid=stSidebarNav] a") || !matchMedia(OVERLAY).matches) return;
    setTimeout(() => document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click());
  });
}
