"""A person's own network: how it is asked is found out, what does not fit is told, pickles are never read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

import core
from core import audits
from core.audits.asking import Way
from core.audits.weights import Weights
from core.training import build
from core.types import BadRequest, Images
from tests.unable import Allocator

Saved = Callable[[dict[str, torch.Tensor], str], Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(state: dict[str, torch.Tensor], prefix: str = "") -> Path:
        path = tmp_path / "mine.safetensors"
        save_file({prefix + name: weight.contiguous().clone() for name, weight in state.items()}, path)
        return path

    return save


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_scaling_and_order_of_classes_are_found_by_the_labels(
    digits: tuple[Images, list[str]], resnet: nn.Module, saved: Saved, prefix: str
) -> None:
    told = core.audit(*digits, network=saved(resnet.state_dict(), prefix))
    witness = told.network
    assert witness.believed
    assert witness.accuracy > 0.95
    assert "pixels as ImageNet's, classes in the order of their names as text" in witness.sentence
    assert witness.features.shape == (len(digits[0]), 512)
    assert "tests that ran: repeats, mirror, image-spectral, split-spectral" in told.notes
    assert json.loads(json.dumps(audits.document(told)))["network"]["believed"] is True
    assert told.named == ()
    with pytest.raises(BadRequest, match="network trained here"):
        audits.retrained(told, lambda done, of: None)


def test_what_is_told_on_the_way_is_foreseen_of_ones_own_network_too(
    digits: tuple[Images, list[str]], resnet: nn.Module, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.control, "PLANTED", ("patch",))
    monkeypatch.setattr(core.control, "SHARES", (0.3,))
    heard: list[tuple[float, str]] = []
    core.audit(
        *digits, network=saved(resnet.state_dict()), planting=True, tell=lambda done, of: heard.append((done, of))
    )
    known = {one.of: one for one in audits.stages(len(digits[0]), network="own", planting=True)}
    foreseen = [of for of in known if of not in ("reading", "trying what they share")]  # nothing is planted
    assert list(dict.fromkeys(of for _, of in heard)) == [*foreseen, "done"]
    assert all(known[of].begins <= done <= known[of].ends for done, of in heard if of != "done")
    assert heard == sorted(heard, key=lambda word: word[0])


def test_a_network_of_this_program_is_asked_with_pixels_as_they_are(
    digits: tuple[Images, list[str]], saved: Saved
) -> None:
    state = build("resnet_small", 11, 0).state_dict()
    told = core.audit(*digits, network=saved(state), architecture="poisonscope/resnet_small")
    assert told.network.features.shape[1] == 128
    assert "pixels as they are" in told.network.sentence
    assert not told.network.believed, "nobody trained it"
    assert "knows too little of them to be asked" in told.network.sentence
    assert "split-spectral" not in str(told.notes)


def test_weights_that_do_not_fit_are_told_by_name(
    digits: tuple[Images, list[str]], resnet: nn.Module, saved: Saved
) -> None:
    state = resnet.state_dict()
    without = {name: weight for name, weight in state.items() if name != "conv1.weight"}
    for changed, words in (
        (without, r"does not fit resnet18: 1 of its \d+ weights are missing \(conv1.weight\), 0 are not its own"),
        (
            state | {"extra.weight": torch.zeros(2)},
            r"0 of its \d+ weights are missing, 1 are not its own \(extra.weight",
        ),
        (
            state | {"conv1.weight": torch.zeros(64, 3, 3, 3)},
            r"conv1.weight must be \[64, 3, 7, 7\], got \[64, 3, 3, 3\]",
        ),
        (models.resnet18(num_classes=1000).state_dict(), "answers 1,000 classes, and the set has 11"),
        ({"bias": torch.zeros(4)}, "has no layer that answers: none of its 1 arrays is a matrix"),
    ):
        with pytest.raises(BadRequest, match=words):
            core.audit(*digits, network=saved(changed))
    with pytest.raises(BadRequest, match=r"architecture must be one of torchvision's .* got 'resnet19'"):
        core.audit(*digits, network=saved(state), architecture="resnet19")


def test_a_file_that_does_not_fit_is_told_before_a_set_is_read(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.audits import auditing

    monkeypatch.setattr(auditing, "read", lambda *_, **__: pytest.fail("the images were read first"))
    with pytest.raises(BadRequest, match="has no layer that answers"):
        core.audit(tmp_path, network=saved({"bias": torch.zeros(4)}))


def test_pickles_are_refused_and_never_read(digits: tuple[Images, list[str]], tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "sprung"),))

    for name in ("mine.pt", "mine.pth", "mine.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        words = "is damaged or cut short" if name.endswith("safetensors") else "pickled weights are never read"
        with pytest.raises(BadRequest, match=words):
            core.audit(*digits, network=tmp_path / name)
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(BadRequest, match="there is no such file"):
        core.audit(*digits, network=tmp_path / "none.safetensors")


def test_a_batch_for_which_there_is_no_memory_is_halved(resnet: nn.Module, digits: tuple[Images, list[str]]) -> None:
    images = digits[0][:30]
    network = Weights("own.safetensors", "resnet18", 10, resnet)
    answer = network.asker(images[:2], 10).answer
    with Allocator(float("inf")) as free:
        expected = answer(images, Way("as ImageNet's"))
    with Allocator(free.largest / 3) as tight:
        found = answer(images, Way("as ImageNet's"))
    assert tight.refused == 2  # of 30, of 15
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
