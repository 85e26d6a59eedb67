"""A person's own network: weights as safetensors (core.audits.weights), or an ONNX file (core.audits.graphs).

What does not fit is told by name, and a network is believed only if it answers the set's labels. Which of the usual
scalings of pixels and which of the two usual orders of classes it was trained with is found by trying them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.audits import graphs, sessions, weights
from core.audits.asking import Asker, Own, Way, answered
from core.audits.brought import Brought
from core.audits.networks import Tell, Witness
from core.types import BadRequest, Ids, Images, Labels

WEIGHTS, GRAPH = ".safetensors", ".onnx"
TRIED = 2_000  # images by which scaling and order are chosen
PROBED = 2  # images by which is seen whether a network takes such
SAVE = "safetensors.torch.save_file(model.state_dict(), 'network.safetensors') writes one that is"


class _Chosen(NamedTuple):
    """How a network is to be asked, and for each class of the set the network's own number."""

    way: Way
    order: str
    numbers: Ids


def loaded(file: str | Path, architecture: str, output: str | None = None, layer: str | None = None) -> Own:
    """A network from its file, before anything of a set is read.

    architecture: of weights, a name of torchvision.models.list_models(), or one of weights.OURS. output, layer: of an
    ONNX file (core.audits.graphs). BadRequest where the file is neither, is damaged, or does not fit the architecture.
    """
    path = Path(file).expanduser()
    kind = path.suffix.lower()
    if kind not in (WEIGHTS, GRAPH):
        raise BadRequest(
            f"{path} must be a {WEIGHTS} file of weights, since pickled weights are never read ({SAVE}), or an {GRAPH} "
            "file"
        )
    if not path.is_file():
        raise BadRequest(f"cannot read {path}: there is no such file")
    if kind == GRAPH:
        return sessions.opened(*graphs.read(path, output, layer))
    if output is not None or layer is not None:
        raise BadRequest(f"outputs and layers are chosen of {GRAPH} files alone; {path.name} holds weights")
    return weights.loaded(path, architecture)


def asked(brought: Brought, own: Own, tell: Tell) -> Witness:
    """Ask a network about all labelled images of a set; BadRequest where it answers another number of classes."""
    ids = np.flatnonzero(brought.labels >= 0)
    if not len(ids):
        raise BadRequest(f"{own.file} would be believed by how it answers labels, and no image has one")
    images, labels = brought.images[ids], brought.labels[ids]
    asker = own.asker(images[:PROBED], len(brought.classes))
    told = _counting(len(asker.ways) * min(TRIED, len(images)) + len(images), tell)
    best = _best(asker, images, labels, brought.classes, told)
    features, logits = answered(asker, images, best.way, told)
    return Witness(
        what=f"{asker.what}, pixels {best.way.scaling}, classes in the order of {best.order})",
        ids=ids, features=features, attributions=None, labels=labels, answers=logits[:, best.numbers].argmax(1),
        side=asker.side or (images.shape[1], images.shape[2]), seconds=0.0,
        ask=lambda some: answered(asker, some, best.way)[1][:, best.numbers],
    )  # fmt: skip


def _counting(total: int, tell: Tell) -> Callable[[int], None]:
    done = 0

    def told(images: int) -> None:
        nonlocal done
        done += images
        tell(min(1.0, done / total), "asking the network")

    return told


def _best(
    asker: Asker, images: Images, labels: Labels, classes: tuple[str, ...], told: Callable[[int], None]
) -> _Chosen:
    """The way of asking by which most of some images are answered with their label."""
    some = np.linspace(0, len(images) - 1, min(TRIED, len(images))).astype(int)
    tried = []
    for way in asker.ways:
        logits = answered(asker, images[some], way, told)[1]
        for order, numbers in _orders(classes):
            right = float((logits[:, numbers].argmax(1) == labels[some]).mean())
            tried.append((right, _Chosen(way, order, numbers)))
    return max(tried, key=lambda one: one[0])[1]


def _orders(classes: tuple[str, ...]) -> Iterator[tuple[str, Ids]]:
    """For each class of the set, which are in natural order, its number in the two usual orders."""
    as_text = np.empty(len(classes), np.int64)
    as_text[np.array(sorted(range(len(classes)), key=lambda place: classes[place]))] = np.arange(len(classes))
    yield "their names as text", as_text
    yield "numbers within their names", np.arange(len(classes))
