"""The trigger, chosen by picture: a real image stamped with each of them, as cards that are radio buttons."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import BadRequest, Entry
from pages.parts.form import preview

GREY = 128
CARD = 84  # pixels, the side of a card's picture

# A picture in an option's text would become part of its value, which changes as a person paints: so it is laid
# over the option, which the browser knows by the trigger's name.
_STYLE = """
.st-key-trigger [role=radiogroup] {display: grid; grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr));
  gap: .6rem; align-items: stretch;}
.st-key-trigger, .st-key-trigger .stRadio, .st-key-trigger [role=radiogroup] {width: 100%;}
.st-key-trigger [role=radiogroup] > div {position: relative; box-sizing: border-box; margin: 0; padding: .5rem .35rem;
  border: 2px solid rgba(128,128,128,.4); border-radius: .6rem;}
.st-key-trigger [role=radiogroup] > div[data-selected=true] {border-color: currentColor;
  box-shadow: inset 0 0 0 2px currentColor;}
.st-key-trigger [role=radiogroup] > div:has(input:focus-visible) {outline: 3px solid currentColor;
  outline-offset: 2px;}
.st-key-trigger [role=radiogroup] label {display: flex; flex-direction: column; align-items: center; gap: .3rem;
  font-weight: 600;}
.st-key-trigger [role=radiogroup] label::before {content: ""; width: SIDEpx; height: SIDEpx; border-radius: .3rem;
  background-size: 100% 100%; image-rendering: pixelated;}
.st-key-trigger [role=radiogroup] label::after {content: ""; position: absolute; inset: 0; cursor: pointer;}
.st-key-trigger [data-testid=stRadioCaption] {margin: .2rem 0 0; padding: 0; text-align: center; max-width: none;}
.st-key-trigger [data-testid=stRadioCaption] p {font-size: .8rem; line-height: 1.3;}
""".replace("SIDE", str(CARD))


def choose(dataset: str) -> str:
    """The cards; returns the name of the chosen trigger. A trigger that is registered has a card."""
    names = list(core.TRIGGERS)
    image = sample(dataset)
    st.html(f"<style>{_STYLE}{''.join(_picture(place, name, image) for place, name in enumerate(names, 1))}</style>")
    return st.radio(
        "Trigger",
        names,
        key="trigger",
        captions=[core.TRIGGERS[name].summary for name in names],
        horizontal=True,
        width="stretch",
        persist_state="session",
    )


def sample(dataset: str) -> NDArray[np.uint8]:
    """A real image [1, h, w, 3] of the data set, or grey where none is at hand."""
    known = preview.load(dataset)
    if known is None:
        return np.full((1, *core.DATASETS[dataset].facts["image_shape"]), GREY, np.uint8)
    row = 0 if known.pictured is None else int(np.argmax(known.pictured))
    return known.train_images[row : row + 1]


def stamped(name: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image [h, w, 3] with a trigger as the form has it; where that does not fit, as it is by default."""
    entry = core.TRIGGERS[name]
    for parameters in (_as_in_the_form(name, entry), {}):
        try:
            return core.triggers.apply(name, parameters, image)[0]
        except BadRequest:
            continue
    return image[0]


def _as_in_the_form(name: str, entry: Entry) -> dict[str, int | float | bool | str]:
    keys = {parameter: f"trigger.{name}.{parameter}" for parameter in entry.parameters}
    return {parameter: st.session_state[key] for parameter, key in keys.items() if key in st.session_state}


def _picture(place: int, name: str, image: NDArray[np.uint8]) -> str:
    card = f".st-key-trigger [role=radiogroup] > div:nth-child({place})"
    return f"{card} label::before {{background-image: url({preview.as_address(stamped(name, image))});}}"
