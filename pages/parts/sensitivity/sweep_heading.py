"""What a sweep is of, in its own words: data set, recipe, detector and attack, whatever the current run is."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

import core
from core import RunConfig
from core.configuration import Sweep
from pages.parts.around import words

FEW = 2  # of one kind that are named


def show(sweep: Sweep, recorded: bool) -> None:
    """The sweep's name, and what all of its runs have in common. recorded: its figures come with the program."""
    more = " · recorded: these figures come with the program" if recorded else ""
    st.markdown(f"**{words.plain(sweep.name)}** · {words.plain(told(sweep))}{more}")


def told(sweep: Sweep) -> str:
    """Data set, recipe, detector, attack and seeds of all its runs."""
    configs = [cell.config for cell in core.grid.cells(sweep)]
    seeds = words.count(len(sweep.seeds), "seed")
    return " · ".join(
        [
            _few((config.dataset.name for config in configs), "data sets"),
            _few(map(recipe, configs), "recipes"),
            _few((config.removed_by for config in configs), "detectors"),
            _few((f"{config.attack.title} → {config.target_name}" for config in configs), "attacks"),
            f"{seeds}{', no spread' if len(sweep.seeds) == 1 else ''}",
        ]
    )


def recipe(config: RunConfig) -> str:
    """The recipe, with its subset where that is not its own."""
    name, size = config.training.recipe, config.dataset.per_class
    usual = core.resolve(name, config.dataset.name)[0].per_class if name in core.RECIPES else size
    return name if size == usual else f"{name}, {'all' if size is None else f'{size:,}'} images of each class"


def _few(names: Iterable[str], many: str) -> str:
    found = list(dict.fromkeys(names))
    return " and ".join(found) if len(found) <= FEW else f"{len(found)} {many}"
