"""Trainings of a test that looks at how things go, and not at what was learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from core import pipeline
from core.datasets import digits
from core.training import models
from core.types import Dataset

NARROW, HALF, WHOLE = (8, 16, 16), (16, 32, 32), (32, 64, 64)  # of `quick`'s network, which has the last
TESTED = 60


@contextmanager
def trainings_made_lean(widths: tuple[int, int, int] = NARROW) -> Iterator[None]:
    """`quick`'s network a quarter as wide, and 60 of the digits to test it on: a third of a tiny run's time.

    What takes long in a training of a second is looking at how it goes.
    """
    real = digits.load

    def load() -> Dataset:
        whole = real()
        return replace(whole, test_images=whole.test_images[:TESTED], test_labels=whole.test_labels[:TESTED])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "load", load)
        patch.setattr(models, "whitened_cnn", lambda classes: models.Whitened(classes, widths))
        pipeline._dataset.cache_clear()
        yield
    pipeline._dataset.cache_clear()
