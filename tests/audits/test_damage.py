"""Any byte of any file may be wrong: a sentence or a set comes of it, never a traceback, and rows stay aligned."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import audits
from core.types import BadRequest
from tests.audits.made import picture, pixels, tarred
from tests.audits.test_sources import FORMS

FILES = {kind: make for kind, make in FORMS.items() if kind not in ("class folders", "npy pair")}


def checked(path: Path) -> None:
    with contextlib.suppress(BadRequest):
        audits.recognise(path)
    try:
        brought = audits.read(path)
    except BadRequest as error:
        words = str(error)
        assert "\n" not in words
        assert "pickle" not in words
        return
    count = len(brought)
    assert count + len(brought.unreadable) == brought.listed
    assert len(brought.images) == len(brought.labels) == len(brought.splits) == len(brought.sizes) == count
    assert len(brought.modes) == len(brought.digests) == len(brought.rows) == count
    assert (np.diff(brought.rows) > 0).all()
    assert brought.labels.max() < len(brought.classes) or not count
    "".join((*brought.names, *brought.classes, *brought.sentences)).encode()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", FILES)
def test_any_damage(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("set")
    path = FILES[kind](folder)
    whole = path.read_bytes()

    @settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(whole) - 1), st.binary(max_size=8), st.sampled_from(["over", "cut", "in", "end"]))
    def damaged(at: int, noise: bytes, how: str) -> None:
        at = max(0, len(whole) - 1 - at % 300) if how == "end" else at
        behind = {"over": whole[at + len(noise) :], "cut": b"", "in": whole[at:], "end": whole[at + len(noise) :]}
        path.write_bytes(whole[:at] + noise + behind[how])
        checked(path)

    damaged()


def test_a_damaged_shard_leaves_the_next_in_its_place(tmp_path: Path) -> None:
    (root := tmp_path / "set").mkdir()
    for shard in range(3):
        files = {}
        for key in range(3):
            files |= {f"{key}.png": picture(10 * shard + key), f"{key}.cls": str(shard).encode()}
        tarred(root / f"{shard}.tar", files)
    content = (root / "1.tar").read_bytes()
    (root / "1.tar").write_bytes(content[: content.rfind(b"2.png") + 600])
    brought = audits.read(root)
    assert [one.name for one in brought.unreadable] == ["1.tar/2.png"]
    assert brought.rows.tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    for name, image in zip(brought.names, brought.images, strict=True):
        shard, key = name.removesuffix(".png").split(".tar/")
        assert np.array_equal(image, pixels(10 * int(shard) + int(key)))
