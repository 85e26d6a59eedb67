"""The trigger, chosen by picture: a real image stamped with each of them, as cards that are radio buttons."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import BadRequest, Entry
from pages.parts.around import pixels
from pages.parts.around.templates import render
from pages.parts.form import preview

GREY = 128
CARD = 84  # pixels, the side of a card's picture


def choose(dataset: str) -> str:
    """The cards; returns the name of the chosen trigger. A trigger that is registered has a card."""
    names = list(core.TRIGGERS)
    image = sample(dataset)
    pictures = [pixels.png(stamped(name, image)) for name in names]
    st.html(render("form/trigger_picker.html.jinja", side=CARD, pictures=pictures))
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
