"""Weights as safetensors for an architecture of torchvision, or for one of this program; told by name where they do
not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audits.asking import RAW, SCALINGS, Asker, Way, array, scaled
from core.audits.found import some
from core.configuration import MODELS, reading
from core.store import in_words
from core.types import BadRequest, Features, Images, Logits

if TYPE_CHECKING:
    from torch import Tensor, nn

OURS = {f"poisonscope/{name}": name for name in MODELS}  # torchvision has a resnet18 of its own
PREFIXES = ("module.", "_orig_mod.", "state_dict.", "model.", "network.")  # that wrappers leave before each name
ANSWERING = ("fc", "head", "heads", "classifier")  # names of the layers that answer
COUNTS = "num_batches_tracked"  # of batch norms; they change no answer


@dataclass(frozen=True)
class Weights:
    """A network with its weights, which were seen to fit its architecture; the name of its file, and its outputs."""

    file: str
    architecture: str
    outputs: int
    network: nn.Module

    def asker(self, images: Images, classes: int) -> Asker:
        """The network, tried on a few images; BadRequest where it answers another number of classes."""
        if self.outputs != classes:
            raise BadRequest(f"{self.file} answers {self.outputs:,} classes, and the set has {classes:,}")
        ways = tuple(Way(scaling) for scaling in ((RAW,) if self.architecture in OURS else SCALINGS))
        try:
            self._answer(images, ways[0])
        except (RuntimeError, ValueError, AssertionError) as error:  # torchvision asserts some networks' sizes
            height, width = images.shape[1:3]
            raise BadRequest(
                f"{self.architecture} takes no images of {height} x {width} pixels ({reading.shortened(str(error))}); "
                "another working size (--side) may do"
            ) from None
        return Asker(f"the network {self.file} ({self.architecture}", ways, self._answer)

    def _answer(self, images: Images, way: Way) -> tuple[Features, Logits]:
        import torch

        from core.training import devices, memory, to_float

        device, seen = next(self.network.parameters()).device, list[Any]()
        hook = _answering(self.network).register_forward_pre_hook(lambda layer, given: seen.append(array(given[0])))

        def look(rows: slice) -> tuple[Features, Logits]:
            seen.clear()
            batch = to_float(torch.from_numpy(images[rows]).to(device))
            answers = array(self.network(scaled(batch, way.scaling)))
            return seen[-1], answers

        try:
            with devices.settled(device), torch.inference_mode():
                parts = memory.in_batches(len(images), len(images), device, look)
        finally:
            hook.remove()
        return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def loaded(path: Path, architecture: str) -> Weights:
    """A network from its weights; BadRequest where the file is damaged, or does not fit the architecture."""
    from core.training import devices

    outputs, network = _built(architecture, _state(path), path)
    return Weights(path.name, architecture, outputs, network.to(devices.choose()).eval())


def _state(path: Path) -> dict[str, Tensor]:
    """The weights of a file, by their names without what wrappers put before them."""
    from safetensors.torch import load_file

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


def _answering(network: nn.Module) -> nn.Module:
    """The last linear layer."""
    from torch import nn

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise BadRequest("the architecture has no linear layer that answers, whose input could be looked at")
    return layers[-1]
