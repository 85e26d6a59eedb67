"""A person's own network: weights as safetensors for an architecture of torchvision, or for one of this program.

Weights that do not fit are told by name, and a network is believed only if it answers the set's labels. Which of the
usual scalings of pixels and which of the two usual orders of classes it was trained with is found by trying them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audits.brought import Brought
from core.audits.found import some
from core.audits.networks import Tell, Witness
from core.configuration import MODELS
from core.store import in_words
from core.types import BadRequest, Features, Ids, Images, Labels, Logits

if TYPE_CHECKING:
    from torch import Tensor, nn

ENDING = ".safetensors"
OURS = {f"poisonscope/{name}": name for name in MODELS}  # torchvision has a resnet18 of its own
PREFIXES = ("module.", "_orig_mod.", "state_dict.", "model.", "network.")  # that wrappers leave before each name
SCALINGS = {  # mean and standard deviation of a channel, of pixels from 0 to 1
    "as ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "from 0 to 1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "from -1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
RAW = "as they are"  # from 0 to 255, as this program's networks take them
TRIED = 2_000  # images by which scaling and order are chosen
BATCH = 125
ANSWERING = ("fc", "head", "heads", "classifier")  # names of the layers that answer
COUNTS = "num_batches_tracked"  # of batch norms; they change no answer
SAVE = "safetensors.torch.save_file(model.state_dict(), 'network.safetensors') writes one that is"


@dataclass(frozen=True)
class _Way:
    """How a network is to be asked: a scaling of pixels, and for each class of the set the network's own number."""

    scaling: str
    order: str
    numbers: Ids


@dataclass(frozen=True)
class Own:
    """A network with its weights, which were seen to fit its architecture; the name of its file, and its outputs."""

    file: str
    architecture: str
    outputs: int
    network: nn.Module


def loaded(file: str | Path, architecture: str) -> Own:
    """A network from its file, before anything of a set is read.

    architecture: a name of torchvision.models.list_models(), or one of OURS. BadRequest where the file is no
    safetensors file, or its weights do not fit the architecture.
    """
    from core.training import devices

    path = Path(file).expanduser()
    outputs, network = _built(architecture, _state(path), path)
    return Own(path.name, architecture, outputs, network.to(devices.choose()).eval())


def asked(brought: Brought, own: Own, tell: Tell) -> Witness:
    """Ask a network about all labelled images of a set; BadRequest where it answers another number of classes."""
    if own.outputs != len(brought.classes):
        raise BadRequest(f"{own.file} answers {own.outputs:,} classes, and the set has {len(brought.classes):,}")
    ids = np.flatnonzero(brought.labels >= 0)
    images, labels, network = brought.images[ids], brought.labels[ids], own.network
    way = _best(network, images, labels, brought.classes, [RAW] if own.architecture in OURS else list(SCALINGS))
    features, logits = _answered(network, images, way.scaling, lambda done: tell(done, "asking the network"))
    return Witness(
        what=f"the network {own.file} ({own.architecture}, pixels {way.scaling}, classes in the order of {way.order})",
        ids=ids, features=features, attributions=None, labels=labels, answers=logits[:, way.numbers].argmax(1),
        side=(images.shape[1], images.shape[2]), seconds=0.0,
        ask=lambda some: _answered(network, some, way.scaling)[1][:, way.numbers],
    )  # fmt: skip


def _state(path: Path) -> dict[str, Tensor]:
    """The weights of a file, by their names without what wrappers put before them."""
    from safetensors.torch import load_file

    if path.suffix.lower() != ENDING:
        raise BadRequest(f"{path} must be a {ENDING} file, since pickled weights are never read; {SAVE}")
    if not path.is_file():
        raise BadRequest(f"cannot read {path}: there is no such file")
    with in_words(path):
        return {_bare(name): weight for name, weight in load_file(path).items()}


def _bare(name: str) -> str:
    for prefix in PREFIXES * 2:
        name = name.removeprefix(prefix)
    return name


def _built(architecture: str, state: Mapping[str, Tensor], path: Path) -> tuple[int, nn.Module]:
    """The number of outputs, and the network with all of its weights from the file."""
    outputs = _outputs(state, path)
    network = _empty(architecture, outputs)
    wanted = {name: weight for name, weight in network.state_dict().items() if not name.endswith(COUNTS)}
    state = {name: weight for name, weight in state.items() if not name.endswith(COUNTS)}
    missing, foreign = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or foreign:
        raise BadRequest(
            f"{path.name} does not fit {architecture}: {len(missing):,} of its {len(wanted):,} weights are missing"
            f"{f' ({some(missing, 3)})' if missing else ''}, {len(foreign):,} are not its own"
            f"{f' ({some(foreign, 3)})' if foreign else ''}"
        )
    if unlike := [name for name in wanted if wanted[name].shape != state[name].shape]:
        first = unlike[0]
        raise BadRequest(
            f"{path.name} does not fit {architecture}: {len(unlike):,} of its weights have other shapes ({first} must "
            f"be {list(wanted[first].shape)}, got {list(state[first].shape)})"
        )
    network.load_state_dict(state, strict=False)  # all that matters is there, as was just seen
    return outputs, network


def _outputs(state: Mapping[str, Tensor], path: Path) -> int:
    """How many classes are answered: the rows of the last layer, by the names that it has in torchvision and here."""
    matrices = {name: weight for name, weight in state.items() if weight.ndim == 2}
    if not matrices:
        raise BadRequest(f"{path.name} has no layer that answers: none of its {len(state):,} arrays is a matrix")
    named = sorted(name for name in matrices if name.split(".")[0] in ANSWERING)
    return int(matrices[named[-1] if named else list(matrices)[-1]].shape[0])


def _empty(architecture: str, outputs: int) -> nn.Module:
    """An architecture without weights, for so many classes."""
    if architecture in OURS:
        from core.training import build

        return build(OURS[architecture], outputs, 0)
    from torchvision import models

    if architecture not in models.list_models(models):
        raise BadRequest(
            f"architecture must be one of torchvision's ({some(models.list_models(models), 6)}) or one of "
            f"{', '.join(OURS)}; got {architecture!r}"
        )
    network: nn.Module = models.get_model(architecture, weights=None, num_classes=outputs)
    return network


def _best(
    network: nn.Module, images: Images, labels: Labels, classes: tuple[str, ...], scalings: Sequence[str]
) -> _Way:
    """The way of asking by which most of some images are answered with their label."""
    some = np.linspace(0, len(images) - 1, min(TRIED, len(images))).astype(int)
    tried = []
    for scaling in scalings:
        logits = _answered(network, images[some], scaling)[1]
        for order, numbers in _orders(classes):
            right = float((logits[:, numbers].argmax(1) == labels[some]).mean())
            tried.append((right, _Way(scaling, order, numbers)))
    return max(tried, key=lambda one: one[0])[1]


def _orders(classes: tuple[str, ...]) -> Iterator[tuple[str, Ids]]:
    """For each class of the set, which are in natural order, its number in the two usual orders."""
    as_text = np.empty(len(classes), np.int64)
    as_text[np.array(sorted(range(len(classes)), key=lambda place: classes[place]))] = np.arange(len(classes))
    yield "their names as text", as_text
    yield "numbers within their names", np.arange(len(classes))


def _answered(
    network: nn.Module, images: Images, scaling: str, tell: Callable[[float], None] = lambda done: None
) -> tuple[Features, Logits]:
    """What goes into the answering layer [n, d], and the answers [n, k], of images [n, h, w, 3]."""
    import torch

    from core.training import devices, memory, to_float

    device, seen = next(network.parameters()).device, list[Any]()
    hook = _answering(network).register_forward_pre_hook(lambda layer, given: seen.append(_array(given[0])))

    def look(rows: slice) -> tuple[Features, Logits]:
        seen.clear()
        batch = to_float(torch.from_numpy(np.array(images[rows])).to(device))
        answers = _array(network(_scaled(batch, scaling)))
        return seen[-1], answers

    try:
        with devices.settled(device), torch.inference_mode():
            parts = memory.in_batches(len(images), BATCH, device, look, tell)
    finally:
        hook.remove()
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def _array(tensor: Tensor) -> Any:
    return tensor.float().cpu().numpy()


def _scaled(batch: Tensor, scaling: str) -> Tensor:
    if scaling == RAW:
        return batch
    mean, std = (batch.new_tensor(one)[:, None, None] for one in SCALINGS[scaling])
    return (batch / 255 - mean) / std


def _answering(network: nn.Module) -> nn.Module:
    """The last linear layer."""
    from torch import nn

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise BadRequest("the architecture has no linear layer that answers, whose input could be looked at")
    return layers[-1]
