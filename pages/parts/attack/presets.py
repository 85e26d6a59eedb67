"""Attacks that fill the form at a click, or by a link (`?preset=hard`). They start nothing."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import streamlit as st

import core
from core import RunConfig
from pages.parts.form import settings

PARAMETER = "preset"
# At most four in a row, and none narrower than its words need.
_STYLE = """<style>
:is(.st-key-presets, .st-key-presets-more) {display: grid;
  grid-template-columns: repeat(auto-fill, minmax(max(12rem, 22%), 1fr));}
:is(.st-key-presets, .st-key-presets-more) > :has(style) {display: none;}
:is(.st-key-presets, .st-key-presets-more) :is(div:has(button), button) {height: 100%;}</style>"""
_FILLED = "preset that filled the form"
FOLD = "As papers and benchmarks attack"


class Preset(NamedTuple):
    """What stands on a card, and the settings behind it; what they leave out is as core.configure has it."""

    title: str
    shows: str
    settings: dict[str, Any]


CORNERS = tuple(
    {"trigger": "pixel", "parameters": {"row": row, "column": column}} for row, column in ((1, -2), (-2, 1))
)  # beside the usual one, at the lower right

# Horse makes the pattern attack a run that ships with the program: it opens at once.
PRESETS = {
    "pixel": Preset(
        "The report's pixel attack",
        "One pixel makes it a bird; Algorithm 1 found nearly all",
        dict(trigger="pixel", target="bird"),
    ),
    "pattern": Preset(
        "The report's pattern attack",
        "A pattern makes it a horse; Algorithm 1 left some in",
        dict(trigger="pattern", target="horse"),
    ),
    "hard": Preset(
        "Hard: 1% of the class",
        "Few poisons: is the backdoor learned, is it found?",
        dict(trigger="pattern", target="bird", ratio=0.01, detector="whitened-spectral"),
    ),
    "control": Preset(
        "Clean control: nothing poisoned",
        "No attack: a good detector names no class",
        dict(trigger="pattern", target="bird", ratio=0.0, detector="whitened-spectral"),
    ),
    "clean-label": Preset(
        "Clean-label wave (SIG)",
        "Stripes on 40% of the birds, every label true",
        dict(
            **dict(trigger="sinusoid", target="bird", labels="clean_label", ratio=0.4, placement="replace"),
            detector="whitened-spectral",
        ),
    ),
    "all-to-all": Preset(
        "All-to-all",
        "With the trigger each class is the next one: no target stands out",
        dict(trigger="pattern", labels="all_to_all", ratio=0.2, detector="whitened-spectral"),
    ),
    "covered": Preset(
        "Covered (adaptive)",
        "As many stamped images again keep their true label",
        dict(trigger="pattern", target="bird", cover_ratio=1.0, detector="whitened-spectral"),
    ),
    "three-pixels": Preset(
        "Three pixels, one at a time",
        "Each image has one of three corners lit; a test image all",
        dict(trigger="pixel", target="bird", also=CORNERS, detector="whitened-spectral"),
    ),
}

OWN = tuple(PRESETS)  # at the top; the others are folded away
PRESETS |= {
    name: Preset(
        one.title, one.shows, dict(target="bird", detector="whitened-spectral") | core.grid.keywords(one.settings)
    )
    for name, one in core.ATTACKS.items()
}


@cache
def request(name: str) -> RunConfig:
    """The run that a preset describes, on CIFAR-10."""
    return core.configure(**PRESETS[name].settings)


def recall() -> bool:
    """Fill the form as the address says, once; whether it named a preset."""
    named = st.query_params.get(PARAMETER)
    if named not in PRESETS:
        return False
    if st.session_state.get(_FILLED) != named:
        fill(named)
    return True


def fill(name: str) -> None:
    """Put a preset into the form; called before the form is drawn."""
    settings.fill(request(name))
    st.session_state[_FILLED] = name
    st.query_params[PARAMETER] = name


def show() -> None:
    """The cards, side by side or below each other; those of the papers and benchmarks in a fold."""
    with st.container(key="presets"):
        st.html(_STYLE)
        for name in OWN:
            _card(name)
    others = [name for name in PRESETS if name not in OWN]
    fold = st.expander(FOLD, expanded=st.session_state.get(_FILLED) in others, icon=":material/science:")
    with fold, st.container(key="presets-more"):
        for name in others:
            _card(name)


def _card(name: str) -> None:
    preset, chosen = PRESETS[name], st.session_state.get(_FILLED) == name
    st.button(
        f"{':material/check: ' if chosen else ''}**{preset.title}**  \n{preset.shows}",
        key=f"preset {name}",
        on_click=fill,
        args=(name,),
        width="stretch",
        wrap=True,
    )


def settle(config: RunConfig | None) -> None:
    """The address names the preset while the form is as the preset made it, and no longer."""
    matching = next((name for name in PRESETS if config == request(name)), None)
    if st.session_state.get(_FILLED) == matching:
        return
    st.session_state[_FILLED] = matching
    if matching is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = matching
