// Charts are drawn on the server in the colours of the tab's theme, which it learns with the next request: when the
// theme turns, by the system or in the settings, the page asks to be drawn anew. Once for each turn.

let asked = null; // what was asked for last: it is not asked for again

export default function ({ data, setTriggerValue }) {
  const app = document.querySelector("[data-testid=stApp]");
  const look = () => {
    const [red, green, blue] = getComputedStyle(app).backgroundColor.match(/\d+/g).map(Number);
    const dark = (red + green + blue) / 3 < 128;
    if (dark === data.dark) asked = null;
    else if (dark !== asked) setTriggerValue("turned", (asked = dark));
  };
  look();
  const seen = new MutationObserver(look); // a theme comes with classes of its own
  seen.observe(app, { attributeFilter: ["class"] });
  return () => seen.disconnect();
}
