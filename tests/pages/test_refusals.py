"""A form's refusals: in sentences, each setting by its name and in its unit in the form, whatever is wrong with it."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core
from core import BadRequest
from core.configuration.config import LIMITS
from pages.parts.around import refusals

VALIDATORS = re.compile(r"Input should|validation error|type=|got got|\bnan\b.*%|[a-z]+_[a-z]+ must", re.IGNORECASE)
TRAINING = {name for name in core.TrainingConfig.model_fields if name != "recipe"} | {"per_class"}
SETTINGS = sorted(
    TRAINING | {"ratio", "ratio_of", "placement", "labels", "cover_ratio", "assumed_ratio", "multiplier", "scope",
                "cut", "representation", "seed"}
)  # fmt: skip


def refused(name: str, value: Any) -> BadRequest | None:
    """What core says to a setting's value; None where it takes it."""
    try:
        core.configure(**({"training": {name: value}} if name in TRAINING else {name: value}))
    except BadRequest as error:
        return error
    return None


WRONG = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.text(max_size=200), st.none(), st.booleans(),
    st.lists(st.one_of(st.floats(), st.text(max_size=5)), max_size=4), st.just({}),
)  # fmt: skip


@given(st.sampled_from(SETTINGS), WRONG)
def test_every_refusal_is_a_sentence_about_the_setting_as_the_form_calls_it(name: str, value: Any) -> None:
    error = refused(name, value)
    if error is None:
        return
    said = refusals.told(error)
    assert said[0].isupper()
    assert said.endswith((".", "!", "?"))
    assert not VALIDATORS.search(said.replace(repr(value), "")), said
    if error.problems:
        assert said.startswith(refusals.setting(name).name)
        assert "; got " in said or error.problems[0].missing


@pytest.mark.parametrize("name", sorted(LIMITS.keys() - {"target", "source"}))
@given(away=st.floats(0.5, 1e6))
def test_whatever_is_out_of_range_is_told_both_ends_in_the_forms_unit(name: str, away: float) -> None:
    limits, one = LIMITS[name], refusals.setting(name)
    for end, value in (("ge", -1), ("gt", -1), ("le", 1), ("lt", 1)):
        if end not in limits:
            continue
        out = limits[end] + value * (math.ceil(away) if isinstance(limits[end], int) else away)
        error = refused(name, [out] if name == "milestones" else out)
        assert error is not None
        said = refusals.told(error)
        assert all(f"{one.scale * bound:,.10g}" in said for bound in limits.values()), said
        assert said.endswith(f"got {one.scale * out:,.10g}{one.unit}.")
        assert one.unit in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(ratio=5), "The poisoning ratio must be between 0 and 100%; got 500%."),
        (dict(assumed_ratio=-0.1), "The assumed ratio must be between 0 and 100%; got -10%."),
        (dict(training={"lr": 0}), "Learning rate must be more than 0 and at most 100; got 0."),
        (dict(training={"milestones": (0.5, 3)}), "Milestones, value 2, must be between 0 and 1; got 3."),
        (dict(training={"epochs": 2.5}), "Epochs must be a whole number; got 2.5."),
        (dict(trigger="pattern", trigger_parameters={"size": 400}), "Size must be between 2 and 64; got 400."),
        (
            dict(ratio=2, cover_ratio=101),
            "The poisoning ratio must be between 0 and 100%; got 200%. "
            "Covers for each poisoned image must be between 0 and 100; got 101.",
        ),
    ],
)
def test_some_refusals_in_full(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as error:
        core.configure(**settings)
    assert refusals.told(error.value) == said


def test_a_sweep_that_goes_out_of_range_says_it_in_the_same_words() -> None:
    with pytest.raises(BadRequest) as error:
        core.grid.cells(core.grid.made(base={}, axes={"assumed_ratio": [0.1, 1.5]}))
    assert refusals.told(error.value) == "The assumed ratio must be between 0 and 100%; got 150%."


def test_what_is_no_setting_is_told_as_it_is() -> None:
    assert refusals.told(BadRequest("a sweep's file is text in UTF-8")) == "A sweep's file is text in UTF-8."
