"""The trigger on real images: clean above, stamped below, enlarged with crisp pixels."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Dataset, RunConfig

IMAGES = 8
IN_A_SHEET = 4
ENLARGED = 8
GAP = 6  # pixels of the enlarged picture


def show(config: RunConfig) -> None:
    """Eight real training images of source classes, without and with the run's trigger."""
    clean, names = examples(config)
    stamped = core.triggers.apply(config.attack.trigger, config.attack.parameters, clean)
    target = core.class_names(config.dataset.name)[config.attack.target]
    for first, place in zip(range(0, len(clean), IN_A_SHEET), st.columns(2), strict=False):
        part = slice(first, first + IN_A_SHEET)
        shown = ", ".join(names[part])
        place.image(
            sheet(clean[part], stamped[part]),
            caption=shown,
            width="stretch",
            output_format="PNG",
            alt=f"Training images ({shown}); in the row below with the {config.attack.trigger} trigger",
        )
    st.caption(f"Above: real training images, clean. Below: the same, stamped; the attacker labels them *{target}*.")


def examples(config: RunConfig) -> tuple[NDArray[np.uint8], list[str]]:
    """Images [n, h, w, 3] of classes that may be stamped, in turn, and their classes' names."""
    dataset = load(config.dataset.name)
    attack = config.attack
    classes = [attack.source] if attack.source is not None else [
        number for number in range(dataset.classes) if number != attack.target
    ]  # fmt: skip
    of_class = {number: np.flatnonzero(dataset.train_labels == number) for number in classes}
    wanted = [of_class[classes[i % len(classes)]][i // len(classes)] for i in range(IMAGES)]
    return dataset.train_images[wanted], [dataset.class_names[dataset.train_labels[row]] for row in wanted]


def sheet(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two rows of images [n, h, w, 3] as one picture, each pixel a square; the gaps are transparent."""
    return np.concatenate([_row(above), _row(below)])


def _row(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    large = images.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
    opaque = np.concatenate([large, np.full((*large.shape[:3], 1), 255, np.uint8)], axis=3)
    padded = np.pad(opaque, ((0, 0), (0, GAP), (0, GAP), (0, 0)))
    return np.concatenate(list(padded), axis=1)


@st.cache_resource(max_entries=2, show_spinner="Loading the images …")
def load(name: str) -> Dataset:
    """A whole data set, clean; its arrays are read-only and shared by all tabs."""
    return core.datasets.load(core.DatasetConfig(name=name))
