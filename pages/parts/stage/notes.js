// The speaker's window: follows the deck (deck.js) by a channel between the windows of one browser. Keys that are pressed
// here turn the slides there.

const CHANNEL = "poisonscope stage "; // and the run's key
const TICK = 500; // milliseconds

export default function ({ data }) {
  (window.poisonscope_notes ??= open()).tune(data.run);
}

function open() {
  let channel = null;
  const find = (name) => document.querySelector(`[data-notes=${name}]`);
  let began = null;

  const hear = ({ data }) => {
    if (!("at" in data)) return;
    began = data.began;
    for (const one of document.querySelectorAll("[data-note]")) one.hidden = one.dataset.note !== String(data.at);
    find("state").textContent = data.dark ? "The stage is dark." : "";
    tick();
  };
  const tick = () => {
    const place = find("elapsed");
    if (began === null || !place) return;
    const seconds = Math.max(0, Math.floor((Date.now() - began) / 1000));
    place.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  setInterval(tick, TICK);
  window.addEventListener("poisonscope:key", ({ detail }) => channel.postMessage({ ask: "key", key: detail }));
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-notes=reset]")) channel.postMessage({ ask: "reset" });
  });
  return {
    tune(run) {
      if (channel?.name === CHANNEL + run) return;
      channel?.close();
      began = null;
      channel = new BroadcastChannel(CHANNEL + run);
      channel.onmessage = hear;
      channel.postMessage({ ask: "where" });
    },
  };
}
