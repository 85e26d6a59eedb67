// A button that copies the address of what is in sight, with the run in it: the default run's own address lacks one.

const RUN = "run";
const SHOWN = 2000; // milliseconds that it says what came of it

export default function ({ data, parentElement }) {
  let button = parentElement.querySelector("button");
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy link";
    parentElement.append(button);
  }
  let timer = null;
  button.onclick = async () => {
    const address = new URL(location.href);
    if (!address.searchParams.has(RUN)) address.searchParams.set(RUN, data.run);
    let says = "Copied";
    try {
      await navigator.clipboard.writeText(address.href);
    } catch {
      says = "Not allowed here: copy the address above";
    }
    button.textContent = says;
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = "Copy link"), SHOWN);
  };
  return () => clearTimeout(timer);
}
