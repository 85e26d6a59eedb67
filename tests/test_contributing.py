"""CONTRIBUTING.md is believed by newcomers: its example must work as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core import configure
from core.attack import triggers
from core.attack.poison import poison
from core.configuration.registry import TRIGGERS
from core.types import BadRequest, Dataset

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"


def trigger_example() -> str:
    """The first python block below the heading that speaks of a trigger."""
    sections = re.split(r"^(?=#+ )", GUIDE.read_text(), flags=re.MULTILINE)
    about = next(text for text in sections if "trigger" in text.partition("\n")[0].lower())
    return re.findall(r"^```python\n(.*?)^```", about, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.fixture
def ring() -> Iterator[str]:
    """Run the example; the registry is as before when the test is over."""
    before = dict(TRIGGERS._entries)
    try:
        exec(compile(trigger_example(), str(GUIDE), "exec"), {"__name__": "contributing"})
        (name,) = set(TRIGGERS) - set(before)
        yield name
    finally:
        TRIGGERS._entries.clear()
        TRIGGERS._entries.update(before)


def test_the_example_registers_one_trigger_by_one_function_and_one_line(ring):
    assert ring == "ring"
    assert trigger_example().count("TRIGGERS.add(") == trigger_example().count("\ndef ") == 1


def test_the_new_trigger_is_configured_and_stamps_like_any_other(ring):
    run = configure(trigger=ring, trigger_parameters={"size": 5, "colour": "#ffffff"})
    assert set(run.attack.parameters) == {"size", "row", "column", "colour", "opacity"}
    black = np.zeros((2, 32, 32, 3), np.uint8)
    stamped = triggers.apply(run.attack.trigger, run.attack.parameters, black)
    lit = (stamped == 255).all(3)
    assert lit[0].sum() == 16, "the border of a square of 5 by 5"
    assert lit[0, 30, 30]
    assert not lit[0, 28, 28], "it is hollow"
    assert not black.any()
    assert np.array_equal(triggers.apply(ring, {"opacity": 0.0}, black), black)
    with pytest.raises(BadRequest, match="size must lie in"):
        configure(trigger=ring, trigger_parameters={"size": 1})


def test_the_new_trigger_poisons_a_training_set(ring):
    images, labels = np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) % 2
    dataset = Dataset("toy", images, labels, images, labels, ("a", "b"), np.arange(20))
    made = poison(dataset, configure(trigger=ring, target=1, ratio=0.2).attack, seed=0)
    assert made.truth.count == 2
    assert (made.images.any((1, 2, 3)) == made.truth.poisoned).all()


def test_the_registry_is_clean_after_the_example():
    assert "ring" not in TRIGGERS
