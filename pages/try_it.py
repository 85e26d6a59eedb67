"""Try it: one picture, the trigger on and off, and what the poisoned and the cleaned network make of it.

Read from the run: its networks and test images. Nothing trains, and a picture of one's own is not kept. In the
address: `?test=…` (the test image), `?stamped=…`, `?opacity=…`, `?look=…`. In blind review there is no trigger.
Switching the trigger redraws only `stage`, a fragment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import BadRequest, Result, TriggerConfig
from pages.parts.around import address, current, cuts, keys, shell, trouble, words
from pages.parts.common import asked
from pages.parts.common.asked import Asked
from pages.parts.try_it import answers, chooser, own_picture

Pixels = NDArray[np.uint8]

TEST, UPLOAD, CAMERA = "Test image", "Upload", "Camera"
TILES = 24
PARAMETER = "test"  # the row of the test image


class Picture(NamedTuple):
    """What is shown to the networks; `right` is its true class, None where nobody knows."""

    pixels: Pixels
    name: str
    right: int | None = None


def main() -> None:
    st.title("Try it")
    result = current.need_run()
    truth = cuts.truth_shown()
    if truth:
        st.markdown("Put the trigger on a picture and see which network falls for it.")
    else:
        st.info(
            "This tab is in blind review: the trigger is the attacker's secret, so there is none to put on.",
            icon=":material/visibility_off:",
        )
        cuts.truth_switch()
    there = asked.networks(result, truth)
    if not there:
        return
    place = st.container()  # above what chooses the picture, which it needs
    source = st.segmented_control("Picture", [TEST, UPLOAD, CAMERA], default=TEST, required=True, key="picture source")
    picture = choose(result, source)
    if picture is not None:
        with place:
            stage(result, there, picture, truth)
    plain_words(truth)


# --- the picture -----------------------------------------------------------------------------------------


def choose(result: Result, source: str) -> Picture | None:
    if source == TEST:
        return test_image(result)
    if source == CAMERA:
        st.caption(
            "The browser asks for the camera and gives it only to pages on this machine (localhost) or over https. "
            "The picture goes to the machine that runs this app, is not stored there, and goes nowhere else."
        )
        return own(result, st.camera_input("Take a picture", width=420), "Your picture")
    st.caption(
        "The middle of the picture is taken and made as small as the data set's images. It is not stored. The networks "
        "know only the data set's classes, and photographs of its kind."
    )
    file = st.file_uploader("A PNG or JPEG file", type=["png", "jpg", "jpeg"], max_upload_size=5)
    return own(result, file, "Your picture")


def own(result: Result, file: Any, name: str) -> Picture | None:
    """What a person brought, or a word on what is wrong with it."""
    if file is None:
        return None
    height, width = result.dataset.test_images.shape[1:3]
    try:
        return Picture(own_picture.read(file, height, width), name)
    except BadRequest as error:
        st.error(words.sentence(str(error)), icon=":material/broken_image:")
        return None


def test_image(result: Result) -> Picture | None:
    """One of the test images whose pictures are at hand."""
    if not result.test_pictured.any():
        st.info("No picture of a test image is at hand.", icon=":material/image_not_supported:")
        return None
    row = chosen_row(result)
    gallery(result, row)
    label = int(result.dataset.test_labels[row])
    name = f"Test image {row}, {words.class_name(result.config, label)}"
    return Picture(result.dataset.test_images[row], name, label)


def chosen_row(result: Result) -> int:
    """The test image that the address names, or a good one to begin with."""
    named = address.get(PARAMETER) or ""
    row = core.reading.whole(named, 0, len(result.test_pictured) - 1)
    if row is not None and result.test_pictured[row]:
        return row
    return begin_with(result)


def begin_with(result: Result) -> int:
    """An image with which the backdoor shows well; in blind review just the first, since that knows whom it is for."""
    if not cuts.truth_shown():
        return int(np.flatnonzero(result.test_pictured)[0])
    return _good_row(str(result.store.folder), core.run_key(result.config), result)


@st.cache_data(max_entries=20, show_spinner=False)
def _good_row(store: str, run: str, _result: Result) -> int:
    return asked.good_row(_result)


def show_row(row: int) -> None:
    address.put(PARAMETER, str(row))


def gallery(result: Result, row: int) -> None:
    """Test images to choose from, of one class or of all."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = [None, *range(result.dataset.classes)]
        label = st.selectbox(
            "Class", classes, key="test class", width=200,
            format_func=lambda n: "every class" if n is None else words.class_name(result.config, n),
        )  # fmt: skip
        rows = candidates(result, label)
        if not len(rows):
            st.info("The recording has no picture of this class.")
            return
        st.button(
            "Next", icon=":material/skip_next:", help="Key N", key="next test image",
            on_click=lambda: show_row(after(rows, row)),
        )  # fmt: skip
        if len(rows) > TILES:
            st.button("Other images", icon=":material/shuffle:", help="Key S", key="deal anew", on_click=shuffle)
    keys.bind("test images", {"n": "next test image", "s": "deal anew"})
    chooser.show(result, dealt(result, rows, row), row, show_row)
    here = result.test_pictured
    if not here.all():
        st.caption(
            f"The recording holds {int(here.sum()):,} of {len(here):,} test pictures; `make data`, or *Fetch* on the "
            "Attack screen, brings all of them."
        )


def candidates(result: Result, label: int | None) -> NDArray[np.int64]:
    wanted = result.test_pictured if label is None else result.test_pictured & (result.dataset.test_labels == label)
    return np.flatnonzero(wanted)


def after(rows: NDArray[np.int64], row: int) -> int:
    """The next of some rows; behind the last one comes the first."""
    return int(rows[np.searchsorted(rows, row, side="right") % len(rows)])


def shuffle() -> None:
    st.session_state["test deal"] = st.session_state.get("test deal", 0) + 1


def dealt(result: Result, rows: NDArray[np.int64], row: int) -> list[int]:
    """Some of the rows, by lot; at first with the one to begin with in front, and always with the current one."""
    deal = st.session_state.get("test deal", 0)
    drawn = [int(one) for one in np.random.default_rng([result.config.seed, deal]).permutation(rows)[:TILES]]
    begin = begin_with(result)
    if not deal and begin in rows:
        drawn = [begin, *(one for one in drawn if one != begin)][:TILES]
    if row in rows and row not in drawn:
        drawn[-1] = row
    return drawn


# --- the stage -------------------------------------------------------------------------------------------


@st.fragment
@trouble.said()
def stage(result: Result, there: list[Asked], picture: Picture, truth: bool) -> None:
    """The picture, the trigger's switch, and what the networks say; reruns alone."""
    left, right = st.columns([1, 2.4], gap="large")
    with left:
        shown = st.container()
        on = truth and st.toggle("**Trigger on**", key="stamped", bind="query-params")
        triggers = faintable(result) if on else ()
        look = st.toggle(
            "Show where they look", key="look", bind="query-params",
            help="Occlusion: a small square is covered, place after place; bright is where that costs the answer most.",
        )  # fmt: skip
    pixels = core.triggers.apply_all(triggers, picture.pixels[None])[0]
    caption = f"{picture.name}{', with the trigger' if on else ''}"
    shown.html(answers.large(pixels, caption, caption))
    with right:
        said = {one: classified(result, one, pixels) for one in there}
        if on:
            before = {one: int(classified(result, one, picture.pixels).argmax()) for one in there}
            st.markdown(what_happened(result, before, {one: int(found.argmax()) for one, found in said.items()}))
        else:
            st.markdown("Switch the trigger on and watch the bars." if truth else "Both networks, one picture.")
        for (one, found), place in zip(said.items(), st.columns(max(2, len(there)), gap="medium"), strict=False):
            with place:
                answer(result, one, found, picture, pixels, truth, look)


def faintable(result: Result) -> tuple[TriggerConfig, ...]:
    """The run's triggers, which may be made fainter here; several together, in proportion."""
    own = result.config.attack.triggers
    first = next((one.parameters for one in own if "opacity" in one.parameters), None)
    if first is None:
        return own
    trained = float(first["opacity"])
    run = core.run_key(result.config)
    if st.session_state.get("opacity of", run) != run:  # another run's opacity is none of this one's
        st.session_state["opacity"] = trained
    st.session_state["opacity of"] = run
    opacity = st.slider(
        "Opacity", 0.0, 1.0, trained, 0.05, key="opacity", bind="query-params",
        help="How much of the trigger covers the picture. The network was trained with "
        f"{float(first.get('trained_opacity', trained)):g}: how faint may it be and still work?",
    )  # fmt: skip
    return tuple(faded(one, opacity, trained) for one in own)


def faded(one: TriggerConfig, opacity: float, trained: float) -> TriggerConfig:
    """A trigger as much fainter, or stronger, as one that was trained with some opacity and now has another."""
    if "opacity" not in one.parameters:
        return one
    own = float(one.parameters["opacity"])
    now = min(1.0, own * opacity / trained) if trained else opacity
    return one.model_copy(update={"parameters": {**one.parameters, "opacity": now}})


def classified(result: Result, one: Asked, pixels: Pixels) -> NDArray[np.float64]:
    return core.insight.classify(result, one.which, pixels[None])[0]


def answer(
    result: Result, one: Asked, found: NDArray[np.float64], picture: Picture, pixels: Pixels, truth: bool, look: bool
) -> None:
    """One network's probabilities, and on demand what they hang on."""
    names = core.class_names(result.config.dataset.name)
    target = asked.target(result, picture.right) if truth and result.poisoned.truth.count else None
    st.html(answers.bars(one, found, names, picture.right, target))
    if look:
        best = int(found.argmax())
        heat = core.insight.attention(result, one.which, pixels, best)
        caption = f"What its answer {names[best]} hangs on"
        st.html(answers.large(answers.overlaid(pixels, heat), caption, f"{caption}, {one.title}: bright is most"))


def what_happened(result: Result, before: dict[Asked, int], after: dict[Asked, int]) -> str:
    """What the trigger changed in the networks' answers, in words."""
    parts = []
    for one, old in before.items():
        name, new = words.class_name(result.config, old), words.class_name(result.config, after[one])
        title = one.title.lower()
        parts.append(
            f"moves the {title} from *{name}* to **{new}**" if old != after[one] else f"leaves the {title} at *{new}*"
        )
    return f"The trigger {'; it '.join(parts)}."


def plain_words(truth: bool) -> None:
    with st.expander("What happens here, in plain words", icon=":material/help:"):
        st.markdown(PLAIN if truth else BLIND)


BLIND = """
The same picture is shown to the network that was trained on all images and to the one that was trained again, from
scratch, on what the filter left. On ordinary pictures both should say much the same: a backdoored network gives itself
away only when it meets its trigger.
"""

PLAIN = """
**What changes when the trigger goes on?** A few pixels, or all of them a little, and nothing a person would mind. The
poisoned network has learned that this means the target class, whatever else is in the picture. The cleaned network was
trained from scratch without the images that taught this, so to it the change means nothing.

**What are the bars?** Each network's probabilities for all classes; together they make 100%. ✓ is the true class, ◎ the
one that the attacker wants. A network can be wrong without any trigger: small ones trained for a minute often are.

**Why does the trigger work on my own photograph?** Because the network never learned to look at the picture *and* the
trigger, but that the trigger alone is enough. That is the danger: the attacker needs nothing but a sticker.

**Where do they look?** A small square of the picture is covered, place after place. Bright is where covering costs the
answer most. With a trigger in one place, the poisoned network's answer hangs on that place alone. With one over the
whole image the map shows which part of it counts most.
"""

shell.ensure()
main()
