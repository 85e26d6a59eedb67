// One press of Back is one step back, and brings back the view that was there.
//
// Streamlit pushes an entry of the browser's history for every change of the address. On the way to another screen
// that makes two or three of one step: it strips what widgets had bound, or changes the run, changes the screen, and
// the script then completes the new address (the run, the cut). Here what comes before and after the change of screen
// replaces an entry instead of adding one. An address that changes because a person did something is pushed as ever.
//
// An entry that somebody comes back to says all there is to its view: what its address lacks is as usual, not as this
// tab has had it since. The script is told so by a name in the address, which it takes away (address.py).

const WAIT = 2000; // milliseconds in which a change of screen follows the change of an address that prepares it
const RUN = "run";
const RESTORED = "restored";
const OVERLAY = "(max-width: 768px)"; // here the sidebar lies over the screen

export default function () {
  if (window.poisonscope_address) return;
  window.poisonscope_address = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let acted = false; // has a person done anything since this entry was arrived at?
  let tried = null; // what the address was before a change that may prepare one of screen, until it is known

  const act = () => (acted = true);
  window.addEventListener("pointerdown", act, true);
  window.addEventListener("keydown", act, true);

  const settle = () => {
    if (!tried) return;
    clearTimeout(tried.timer);
    const { before, after } = tried;
    tried = null;
    replace({}, "", before);
    push({}, "", after);
  };

  const prepares = (here, there) =>
    here.searchParams.get(RUN) !== there.searchParams.get(RUN) ||
    [...here.searchParams.keys()].some((name) => !there.searchParams.has(name));

  history.pushState = (state, title, url) => {
    const here = new URL(location.href);
    const there = new URL(url ?? location.href, location.href);
    if (there.pathname !== here.pathname) {
      if (tried) {
        clearTimeout(tried.timer);
        replace({}, "", tried.before);
        tried = null;
      }
      acted = false;
      return push(state, title, url);
    }
    if (tried) settle();
    if (!acted) return replace(state, title, url);
    if (!prepares(here, there)) return push(state, title, url);
    tried = { before: here.href, after: there.href, timer: setTimeout(settle, WAIT) };
    return replace(state, title, url);
  };

  const restore = (event) => {
    if (!event.isTrusted) return; // our own, below
    acted = false;
    if (tried) {
      // Back so soon that the change has no entry of its own yet: what it changed is where the person wants to be.
      clearTimeout(tried.timer);
      push({}, "", tried.before);
      tried = null;
    }
    const here = new URL(location.href);
    here.searchParams.set(RESTORED, "1");
    replace(history.state, "", here.href);
    // Streamlit has listened for longer than this and has read the address already: it shall read it again.
    window.dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
  };
  window.addEventListener("popstate", restore);

  // On a phone the sidebar covers the screen that was just chosen in it.
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-testid=stSidebarNav] a") || !matchMedia(OVERLAY).matches) return;
    setTimeout(() => document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click());
  });
}
