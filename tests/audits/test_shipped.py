"""The sets that are here by themselves, as sets to be audited."""

from __future__ import annotations

import numpy as np
import pytest

from core import audits, datasets


def test_digits_are_always_here_and_others_where_their_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "available", lambda name: name == "digits")
    assert list(audits.shipped.here()) == ["digits"]
    monkeypatch.setattr(datasets, "available", lambda name: True)
    assert list(audits.shipped.here())[:2] == ["digits", "cifar10"]


def test_what_is_said_of_the_digits_is_what_is_handed_out() -> None:
    said, (images, labels) = audits.shipped.listing("digits"), audits.shipped.arrays("digits")
    assert (said.kind, said.images, said.skipped, said.unlabelled) == ("arrays", len(images), {}, 0)
    assert said.classes == {name: int((labels == name).sum()) for name in dict.fromkeys(said.classes)}
    assert said.sentences[0].startswith("Arrays: 1,501 images in 10 classes: zero (149), one (152)")
    assert len(np.unique(labels)) == 10
