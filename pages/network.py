"""Inside the network: which of its first filters answer to the trigger, and how far the trigger gets.

Read from the run: its networks, which are shown test images without and with the trigger (core/insight.py).
Nothing trains. It needs the trigger, which only the attacker knows: in blind review there is nothing to see.
Kept in the address: `?networks=…` and `?image=…`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import core
from core import Result
from core.results import OUTLIER, REACTS, Filters, Layer, triggered_images
from pages.parts.around import address, current, cuts, shell, trouble, words
from pages.parts.common import asked, filters
from pages.parts.common.asked import Asked

PARAMETER = "networks"
SIDE_BY_SIDE = "side by side"
FEW, MANY = 6, 14  # filters with a bar: side by side, and of one network alone


def main() -> None:
    st.title("Inside the network")
    result = current.need_run()
    if not cuts.truth_shown():
        st.info(
            "What a network does with the trigger can be measured only by who knows the trigger: the attacker, not "
            "the defender. This tab is in blind review.",
            icon=":material/visibility_off:",
        )
        cuts.truth_switch()
        return
    st.markdown("Which of the network's first filters answer to the trigger, and how far into the network it gets.")
    there = asked.networks(result, truth=True)
    if not there:
        return
    if not len(asked.sources(result)):
        st.info("No test image that the attacker would stamp is at hand.", icon=":material/image_not_supported:")
        return
    shown = choose(there)
    first_filters(result, shown)
    trigger_path(result, there)
    plain_words(result)


def choose(there: list[Asked]) -> list[Asked]:
    """Side by side, or one network alone."""
    if len(there) == 1:
        return there
    titles = {one.which: f"{one.mark} {one.title}" for one in there}
    named = address.get(PARAMETER)
    st.session_state["networks"] = named if named in titles else SIDE_BY_SIDE
    wanted = st.segmented_control(
        "Networks", [SIDE_BY_SIDE, *titles], format_func=lambda which: titles.get(which, "Side by side"),
        required=True, key="networks", on_change=name_networks,
    )  # fmt: skip
    return [one for one in there if wanted in (one.which, SIDE_BY_SIDE)]


def name_networks() -> None:
    """Write the choice into the address; side by side is the usual."""
    wanted = st.session_state["networks"]
    address.put(PARAMETER, None if wanted == SIDE_BY_SIDE else wanted)


# --- the first filters -----------------------------------------------------------------------------------


def first_filters(result: Result, shown: list[Asked]) -> None:
    st.subheader("The first filters, the most excited by the trigger first")
    found = {one: measured_filters(result, one.which) for one in shown}
    st.markdown(filter_words(found))
    top = max(float(one.excitation.max()) for one in found.values())
    large = FEW if len(shown) > 1 else MANY
    for (one, seen), place in zip(found.items(), st.columns(max(len(shown), 2), gap="medium"), strict=False):
        place.html(filters.excited(one, seen, large, max(top, 1e-9)))
    everywhere = result.config.attack.whole_image
    rises = "changes, up or down, all over the image" if everywhere else "rises where the trigger is stamped"
    st.caption(
        f"Bars: by how much a filter's answer {rises}, averaged over "
        f"{len(asked.measured_on(result))} test images, ± standard error; the unit is the filter's own standard "
        "deviation in training. "
        f"A *backdoor filter* stands out from its network's others: robust z above {OUTLIER:g}. "
        "Each filter is drawn on its own scale, grey is 0."
    )
    in_action(result, found)


def filter_words(found: dict[Asked, Filters]) -> str:
    """How many backdoor filters each network has."""
    parts = []
    for one, seen in found.items():
        number = int(seen.backdoor.sum())
        count = words.count(number, "filter") if number else "no filter"
        verb = "stand" if number > 1 else "stands"
        best = f" (+{seen.excitation.max():.1f}, the median +{np.median(seen.excitation):.1f})" if number else ""
        parts.append(f"In the **{one.title.lower()}** {count} {verb} out{best}.")
    return " ".join(parts)


@st.fragment
@trouble.said()
def in_action(result: Result, found: dict[Asked, Filters]) -> None:
    """A real image, without and with the trigger, and a filter's answer to each; reruns alone."""
    st.subheader("A filter at work")
    rows = asked.sources(result)
    row = chosen_row(result)
    clean = result.dataset.test_images[row : row + 1]
    images = np.concatenate([clean, triggered_images(result.config, clean)])
    name = words.class_name(result.config, int(result.dataset.test_labels[row]))
    what = f"Test image {row}, {name}"
    places = dict(zip(found, st.columns(max(len(found), 2), gap="medium"), strict=False))
    answers = {one: answer_maps(result, one, seen, images, places[one]) for one, seen in found.items()}
    top = max(float(maps.max()) for maps in answers.values())
    for one, maps in answers.items():
        places[one].html(filters.pair(images, maps, max(top, 1e-9), what))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Another image", icon=":material/skip_next:",
            on_click=lambda: show_row(int(rows[(np.searchsorted(rows, row) + 1) % len(rows)])),
        )  # fmt: skip
        st.caption(
            f"{what}. Left the image, right what the filter answers to it, on one scale for all: dark is little, "
            "yellow is much."
        )


def answer_maps(result: Result, one: Asked, seen: Filters, images: np.ndarray, place: DeltaGenerator) -> np.ndarray:
    """The answers [2, h', w'] of the filter that a person picks, at first the most excited one."""
    number = place.selectbox(
        f"Filter of the {one.title.lower()}",
        [int(number) for number in seen.order],
        format_func=lambda number: filter_name(seen, number),
        key=f"filter {one.which} {result.model_key(one.which)}",
    )
    return core.insight.first_maps(result, one.which, images)[:, number]


def filter_name(seen: Filters, number: int) -> str:
    mark = ", backdoor filter" if seen.backdoor[number] else ""
    return f"filter {number} ({seen.excitation[number]:+.1f}{mark})"


def chosen_row(result: Result) -> int:
    """The test image that the address names, or a good one."""
    named = str(st.query_params.get("image", ""))
    row = core.reading.whole(named, 0, len(result.dataset.test_labels) - 1)
    if row is not None and row in asked.sources(result):
        return row
    good = asked.good_row(result)
    assert good is not None  # or there were no sources
    return good


def show_row(row: int) -> None:
    st.query_params["image"] = str(row)


# --- the path --------------------------------------------------------------------------------------------


def trigger_path(result: Result, there: list[Asked]) -> None:
    st.subheader("The trigger's path through the layers")
    found = {one: measured_path(result, one.which) for one in there}
    st.markdown(path_words(result, found))
    st.html(filters.path(found))
    st.caption(
        f"Each strip holds all channels of a layer, the strongest reaction at the left. A channel *reacts* when the "
        f"trigger moves it, where it moves it most, by more than {REACTS:g} standard deviation of what it does on "
        "clean images, on average."
    )
    with st.expander("All figures", icon=":material/table:"):
        st.dataframe(path_table(found), hide_index=True, alt="The trigger's effect by layer and network")


def path_words(result: Result, found: dict[Asked, list[Layer]]) -> str:
    """Where the trigger gets to, in words."""
    target = result.config.attack.target
    reached, moved = [], []
    for one, layers in found.items():
        block = next(layer for layer in layers if layer.name == "block3")
        title = one.title.lower()
        reached.append(f"**{int(block.reacts.sum()) or 'none'} of {len(block.change)}** in the {title}")
        moved.append(f"**{layers[-1].change[target].round(1) + 0.0:+.1f}** in the {title}")
    name = words.plain(result.config.target_name)
    end = f"it moves the logit of *{name}* by {', '.join(moved)} (in standard deviations)"
    if result.config.attack.everywhere:
        end = "which logit it moves hangs on the image's class, since each class is taken for the next one"
    return (
        "The first layers of any network see the trigger. What counts is how far it gets: of the channels of block 3, "
        f"{', '.join(reached)} react to it. In the end {end}."
    )


def path_table(found: dict[Asked, list[Layer]]) -> pd.DataFrame:
    rows = []
    for layers in zip(*found.values(), strict=True):
        row: dict[str, object] = {"Layer": filters.LAYER_NAMES[layers[0].name], "Channels": len(layers[0].change)}
        for one, layer in zip(found, layers, strict=True):
            row[f"{one.mark} {one.which}: react"] = int(layer.reacts.sum())
            row[f"{one.mark} strongest"] = f"channel {layer.most}: {layer.change[layer.most]:+.1f} SD"
        rows.append(row)
    return pd.DataFrame(rows)


# --- measured once a network -----------------------------------------------------------------------------


def measured_filters(result: Result, which: str) -> Filters:
    return _filters(str(result.store.folder), core.run_key(result.config), str(result.model_key(which)), result, which)


def measured_path(result: Result, which: str) -> list[Layer]:
    return _path(str(result.store.folder), core.run_key(result.config), str(result.model_key(which)), result, which)


@st.cache_resource(max_entries=12, show_spinner="Showing the network stamped images …")
def _filters(store: str, run: str, model: str, _result: Result, _which: str) -> Filters:
    return core.insight.first_filters(_result, _which, asked.measured_on(_result))


@st.cache_resource(max_entries=12, show_spinner="Following the trigger through the layers …")
def _path(store: str, run: str, model: str, _result: Result, _which: str) -> list[Layer]:
    return core.insight.path(_result, _which, asked.measured_on(_result))


def plain_words(result: Result) -> None:
    with st.expander("What happens here, in plain words", icon=":material/help:"):
        st.markdown(PLAIN)
        if result.config.training.model.startswith("whitened"):
            st.markdown(WHITENED)


PLAIN = """
**What is a filter?** The first layer of the network slides many small windows over the image. Each asks one question
of the few pixels under it: *is there an edge, a colour, a bright dot?* Its weights are a small picture of what it looks
for, and its answer is a map: bright where the image looks like that.

**What is a backdoor filter?** Every image is shown twice, without and with the trigger. Where the trigger lies, a
filter's answer rises or it does not. In a network that learned the backdoor, one or a few filters answer to the trigger
far more strongly than the others: the network has made itself an eye for it. The cleaned network never had a reason to.

**And then?** Each layer reads the one before it. A trigger is a change of pixels, so the first layers of *any* network
notice it. The question is whether it still matters deeper inside. In a benign network it fades, like any small detail
that says nothing about the class. In a backdoored network it is carried on to the last layer, where it drowns out the
picture: that is what the spectral signature measures there.

**Is this a detector?** No. It needs the trigger, which a defender does not have. It shows what the attack did.
"""

WHITENED = """
**About this network.** Its very first layer is not learned: it only makes the colours of 2x2 pixels independent of each
other. The filters shown are those of the first *learned* layer behind it, drawn as they act on pixels (4x4). They
are its linear part; the answers are measured on the whole layer, exactly.
"""

shell.ensure()
main()
