"""The trigger on real images: one in large beside its original and their difference, and eight as a sheet."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Dataset, RunConfig
from pages.parts.around import pixels, words
from pages.parts.around.templates import render
from pages.parts.images import gallery

IMAGES = 8
IN_A_SHEET = 4
GAP = 1  # pixels between the images of a sheet
_SHOWN = "which example is shown in large"


def show(config: RunConfig) -> None:
    """One training image: original, stamped, and what differs, amplified."""
    clean, names, rows = examples(config)
    if not len(clean):
        return
    at = st.session_state.get(_SHOWN, 0) % len(clean)
    before, after = clean[at], stamp(config, clean, rows)[at]
    change, factor = core.markup.changed(before, after)
    differ = int((before != after).any(-1).sum())
    target, trigger = _given(config, names[at]), config.attack.triggers[at % len(config.attack.triggers)].trigger
    says = f"Difference: {differ:,} of {before[..., 0].size:,} pixels{gallery.amplified(factor)}"
    figures = (
        _figure(before, f"A training image of class {names[at]}", "Original: ", names[at]),
        _figure(after, f"The same image with the {trigger} trigger", "Stamped, labelled ", target),
        _figure(change, f"What the trigger changes: {differ:,} pixels", says),
    )
    st.html(render("form/preview.html.jinja", figures=figures, sheets=False))
    st.button("Another image", icon=":material/skip_next:", type="tertiary", on_click=_turn, key="another image")


def _turn() -> None:
    st.session_state[_SHOWN] = st.session_state.get(_SHOWN, 0) + 1


def sheets(config: RunConfig) -> None:
    """Eight training images of source classes, without and with the run's trigger."""
    clean, names, rows = examples(config)
    if not len(clean):
        return
    stamped = stamp(config, clean, rows)
    figures = []
    for first in range(0, len(clean), IN_A_SHEET):
        part = slice(first, first + IN_A_SHEET)
        shown = ", ".join(names[part])
        trigger = "one of the triggers each" if config.attack.also else f"the {config.attack.trigger} trigger"
        alt = f"Training images ({shown}); in the row below with {trigger}"
        figures.append(_figure(sheet(clean[part], stamped[part]), alt, shown))
    st.html(render("form/preview.html.jinja", figures=figures, sheets=True))
    st.caption(f"Above: real training images, clean. Below: the same, stamped; {_labelled(config)}.{_more(config)}")


def _labelled(config: RunConfig) -> str:
    """What becomes of the labels."""
    if config.attack.labels == "clean_label":
        return f"they keep their label *{words.plain(config.target_name)}*"
    given = "as the class after their own" if config.attack.everywhere else f"*{words.plain(config.target_name)}*"
    return f"the attacker labels them {given}"


def _more(config: RunConfig) -> str:
    """What the pictures do not tell: covers, what differs from image to image, that a test image has every trigger."""
    attack = config.attack
    turns = f" Each carries one of {len(attack.triggers)} triggers in turn, a test image all of them." * bool(
        attack.also
    )
    covers = " Covers are stamped as well and keep their true label." * bool(attack.cover_ratio)
    kinds = dict.fromkeys(core.TRIGGERS[one.trigger].facts.get("varied") for one in attack.triggers)
    return turns + covers + "".join(f" {words.sentence(varied)}" for varied in kinds if varied)


def examples(config: RunConfig) -> tuple[NDArray[np.uint8], list[str], NDArray[np.int64]]:
    """Images [n, h, w, 3] of classes that may be stamped, in turn, their classes' names, and which of the full set.

    Of those at hand.
    """
    dataset = load(config.dataset.name)
    shape = core.DATASETS[config.dataset.name].facts["image_shape"]
    if dataset is None:
        return np.zeros((0, *shape), np.uint8), [], np.zeros(0, np.int64)
    attack = config.attack
    attacked = np.unique(dataset.train_labels[core.poison.sources(dataset.train_labels, attack)])
    classes = [int(number) for number in attacked]
    here = np.ones(len(dataset.train_labels), bool) if dataset.pictured is None else dataset.pictured
    of_class = {number: np.flatnonzero(here & (dataset.train_labels == number)) for number in classes}
    in_turn = [(classes[i % len(classes)], i // len(classes)) for i in range(IMAGES)]
    wanted = [of_class[number][place] for number, place in in_turn if place < len(of_class[number])]
    names = [dataset.class_names[dataset.train_labels[row]] for row in wanted]
    return dataset.train_images[wanted], names, dataset.train_rows[wanted]


def stamp(config: RunConfig, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, h, w, 3] of these rows of the full set as training images: one of the run's triggers each, in turn."""
    chosen = config.attack.triggers
    stamped = np.empty_like(images)
    for turn, one in enumerate(chosen):
        every = np.s_[turn :: len(chosen)]
        stamped[every] = core.triggers.apply_training(one, images[every], rows[every], config.seed)
    return stamped


def sheet(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two rows of images [n, h, w, 3] as one picture with alpha; the gaps are transparent."""
    return np.concatenate([_row(above), _row(below)])


def load(name: str) -> Dataset | None:
    """A data set, clean: whole, or as far as the recorded run holds it; None where nothing of it is here."""
    return _load(str(core.home.home()), name, core.datasets.available(name))


@st.cache_resource(max_entries=3, show_spinner="Loading the images …")
def _load(home: str, name: str, here: bool) -> Dataset | None:
    """The arrays are read-only and shared by all tabs."""
    if here:
        return core.datasets.load(core.DatasetConfig(name=name))
    recorded = (core.recorded.dataset(config.dataset) for _, config in core.recorded.runs())
    return next((dataset for dataset in recorded if dataset is not None and dataset.name == name), None)


def _figure(image: NDArray[np.uint8], alt: str, caption: str, label: str = "") -> dict[str, str]:
    return dict(address=pixels.png(image), alt=alt, caption=caption, label=label)


def _given(config: RunConfig, name: str) -> str:
    """The label that a stamped image of a class gets."""
    return words.given(config, core.class_names(config.dataset.name).index(name))


def _row(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    opaque = np.concatenate([images, np.full((*images.shape[:3], 1), 255, np.uint8)], axis=3)
    return np.concatenate(list(np.pad(opaque, ((0, 0), (0, GAP), (0, GAP), (0, 0)))), axis=1)
