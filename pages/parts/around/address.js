// One press of Back is one step back.
//
// Streamlit pushes an entry of the browser's history for every change of the address. On the way to another screen
// that makes three of one step: it strips what widgets had bound, changes the screen, and the script then completes
// the new address (the run, the cut). Here the first and the last replace an entry instead of adding one. An address
// that changes because a person did something is pushed as ever.

const WAIT = 600; // milliseconds in which a change of screen follows the stripping of an address

export default function () {
  if (window.poisonscope_address) return;
  window.poisonscope_address = true;
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let acted = false; // has a person done anything since this entry was arrived at?
  let stripped = null; // what the address was before it was stripped, until it is known why

  const act = () => (acted = true);
  window.addEventListener("pointerdown", act, true);
  window.addEventListener("keydown", act, true);
  window.addEventListener("popstate", () => (acted = false));

  const settle = () => {
    if (!stripped) return;
    clearTimeout(stripped.timer);
    const { before, after } = stripped;
    stripped = null;
    replace({}, "", before);
    push({}, "", after);
  };

  history.pushState = (state, title, url) => {
    const here = new URL(location.href);
    const there = new URL(url ?? location.href, location.href);
    if (there.pathname !== here.pathname) {
      if (stripped) {
        clearTimeout(stripped.timer);
        replace({}, "", stripped.before);
        stripped = null;
      }
      acted = false;
      return push(state, title, url);
    }
    if (stripped) settle();
    if (!acted) return replace(state, title, url);
    const fewer = [...here.searchParams.keys()].length > [...there.searchParams.keys()].length;
    if (!fewer) return push(state, title, url);
    stripped = { before: here.href, after: there.href, timer: setTimeout(settle, WAIT) };
    return replace(state, title, url);
  };
}
