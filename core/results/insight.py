"""What a trained network sees: its answers, where it looks, its first filters, the trigger's path through it.

Everything is measured on copies of images without and with the run's trigger; nothing is trained. Networks
come from the store and are kept for a while (`NETWORKS`), shared by all threads, which only read them.
torch is imported when a network is first asked, not before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.results.result import Result, triggered_images
from core.types import BadRequest, Features, Ids, Images, Mask, PoisonscopeError

if TYPE_CHECKING:
    from torch import Tensor

    from core.training import Network

Floats = NDArray[np.float64]

NETWORKS = 6  # kept in memory; one is 0.4 to 45 MB
BATCH = 250
OUTLIER = 5.0  # robust z above which a filter counts as a backdoor filter; in benign networks 3.7 was seen
REACTS = 1.0  # clean standard deviations from which on a channel reacts to the trigger
LAYERS = ("first layer", "block1", "block2", "block3", "penultimate", "logits")

Method = Literal["occlusion", "gradient"]
METHODS = ("occlusion", "gradient")


# --- answers ---------------------------------------------------------------------------------------------


def classify(result: Result, which: str, images: Images) -> Floats | None:
    """What the "poisoned", "clean" or "benign" network makes of images [n, h, w, 3] uint8.

    Returns its softmax probabilities [n, k], or None where that network is not stored.
    """
    network = _network(result, which)
    return None if network is None else softmax(_logits(network, images))


def softmax(logits: NDArray[Any]) -> Floats:
    """Logits [n, k] as probabilities [n, k]."""
    shifted = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(1, keepdims=True)
    return probabilities


def neighbours(features: Features, id: int, k: int) -> tuple[Ids, Floats]:
    """The k rows of features [n, d] nearest to row id by Euclidean distance, nearest first, itself left out.

    Returns their ids [k] and distances [k]; fewer where there are fewer rows. Ties go to the lower id.
    """
    if not 0 <= id < len(features):
        raise BadRequest(f"id must lie in [0, {len(features) - 1}], got {id}")
    squared = np.square(features - features[id]).sum(1, dtype=np.float64)
    squared[id] = np.inf
    k = max(0, min(k, len(features) - 1))
    nearest = np.argpartition(squared, k - 1)[:k] if k else np.empty(0, np.int64)
    nearest = nearest[np.lexsort((nearest, squared[nearest]))]
    return nearest.astype(np.int64), np.sqrt(squared[nearest])


# --- where it looks --------------------------------------------------------------------------------------


def attention(
    result: Result, which: str, image: NDArray[np.uint8], target: int, method: Method = "occlusion"
) -> Floats | None:
    """Which pixels of an image [h, w, 3] speak for a class: a heat map [h, w] in [0, 1], its hottest pixel 1.

    "occlusion": how far the odds of the class `target` fall when a small square around a pixel is replaced by
    the mean of what surrounds it (Zeiler & Fergus 2014). "gradient": the part that the pixel's own value has in
    the class's odds, gradient times input, over copies with a little noise (Simonyan et al. 2014, Smilkov et
    al. 2017). All 0 where no pixel speaks for it. None where the network is not stored.
    """
    if method not in METHODS:
        raise BadRequest(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    network = _network(result, which)
    if network is None:
        return None
    heat = _occlusion(network, image, target) if method == "occlusion" else _gradient(network, image, target)
    top = float(heat.max())
    return heat / top if top > 0 else np.zeros_like(heat)


def _occlusion(network: Network, image: NDArray[np.uint8], target: int) -> Floats:
    """The mean fall of the class's log-odds over the squares that cover a pixel, [h, w], not below 0."""
    height, width = image.shape[:2]
    squares = _squares(height, width, max(1, height // 16))
    odds = _log_odds(_logits(network, np.stack([image, *(_covered(image, *square) for square in squares)])), target)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for square, fall in zip(squares, odds[0] - odds[1:], strict=True):
        total[square] += fall
        count[square] += 1
    return np.maximum(total / count, 0.0)


def _squares(height: int, width: int, step: int) -> list[tuple[slice, slice]]:
    """Squares of side 2 * step over the whole image; they hang over its edges, so that four cover each pixel."""
    rows, columns = (
        [slice(max(0, first), min(size, first + 2 * step)) for first in range(-step, size, step)]
        for size in (height, width)
    )
    return [(row, column) for row in rows for column in columns]


def _covered(image: NDArray[np.uint8], row: slice, column: slice) -> NDArray[np.uint8]:
    """The image with a square filled with the mean colour of the ring around it."""
    side = max(row.stop - row.start, column.stop - column.start)
    window = np.s_[max(0, row.start - side) : row.stop + side, max(0, column.start - side) : column.stop + side]
    inside, outside = image[row, column], image[window]
    ring = outside.sum((0, 1), dtype=np.int64) - inside.sum((0, 1), dtype=np.int64)
    copy = image.copy()
    copy[row, column] = np.rint(ring / max(1, outside[..., 0].size - inside[..., 0].size))
    return copy


def _log_odds(logits: NDArray[Any], target: int) -> Floats:
    """The logit of a class against all others together, [n]: unlike the probability it does not saturate."""
    others = np.delete(np.asarray(logits, np.float64), target, axis=1)
    top = others.max(1)
    odds: Floats = logits[:, target] - top - np.log(np.exp(others - top[:, None]).sum(1))
    return odds


def _gradient(network: Network, image: NDArray[np.uint8], target: int, copies: int = 24, noise: float = 12.0) -> Floats:
    """Gradient of the class's log-odds times the input's distance from its mean, averaged over noisy copies."""
    import torch

    pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None]
    drawn = torch.randn((copies, *pixels.shape[1:]), generator=torch.Generator().manual_seed(0))
    with _arithmetic(), torch.enable_grad():
        noisy = (pixels + noise * drawn).requires_grad_()
        logits = network(noisy)
        others = torch.cat([logits[:, :target], logits[:, target + 1 :]], 1)
        odds = logits[:, target] - others.logsumexp(1)
        (slope,) = torch.autograd.grad(odds.sum(), noisy)
    part: Tensor = (slope * (pixels - pixels.mean((2, 3), keepdim=True))).mean(0).sum(0)
    return part.double().clamp_min(0).numpy()


# --- the first layer -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """A network's first learned filters and how much the trigger excites each.

    pixels [f, kh, kw, 3] float64: what each looks for, per raw pixel value. excitation [f]: by how much its answer
    rises, on average over the images, where the trigger is (mean over the places that the trigger reaches); of a
    trigger over the whole image, by how much it changes, up or down. error [f] is the standard error of that mean.
    z [f]: the excitation's distance from the filters' median in robust standard deviations (1.4826 times the
    median absolute deviation).
    """

    pixels: Floats
    excitation: Floats
    error: Floats
    z: Floats

    @property
    def backdoor(self) -> Mask:
        """Which filters answer to the trigger far more than the others do: z above OUTLIER, [f]."""
        return self.z > OUTLIER

    @property
    def order(self) -> NDArray[np.int64]:
        """The filters' numbers, the most excited first."""
        return np.argsort(-self.excitation, kind="stable")


def first_filters(result: Result, which: str, images: Images) -> Filters | None:
    """A network's first learned filters, ordered by what the run's trigger does to them on images [n, h, w, 3].

    None where the network is not stored.
    """
    network = _network(result, which)
    if network is None:
        return None
    rise = _first_maps(network, triggered_images(result.config, images)) - _first_maps(network, images)
    if result.config.attack.whole_image:
        rise = np.abs(rise)  # stripes, say, raise an answer here and lower it there: the mean would be nothing
    reached = (rise != 0).any((0, 1))
    per_image = rise[:, :, reached].mean(2) if reached.any() else np.zeros(rise.shape[:2])
    excitation = per_image.mean(0)
    error = per_image.std(0, ddof=1) / np.sqrt(len(images)) if len(images) > 1 else np.full(len(excitation), np.nan)
    pixels = network.first_filters().double().permute(0, 2, 3, 1).numpy()
    return Filters(pixels, excitation, error, robust_z(excitation))


def robust_z(values: Floats) -> Floats:
    """Each value's distance from the median, in robust standard deviations; all 0 where most are equal."""
    distance = values - np.median(values)
    spread = 1.4826 * float(np.median(np.abs(distance)))
    return distance / spread if spread > 0 else np.zeros_like(distance)


def first_maps(result: Result, which: str, images: Images) -> Floats | None:
    """What the first filters answer to images [n, h, w, 3]: maps [n, f, h', w']; None where not stored."""
    network = _network(result, which)
    return None if network is None else _first_maps(network, images)


def _first_maps(network: Network, images: Images) -> Floats:
    return _looked(images, lambda pixels: {"maps": network.first_maps(pixels)})["maps"]


# --- the path --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """What the trigger changes in one layer.

    change [c]: each channel's mean difference stamped - clean, at the place of the map where the trigger
    changes that channel most, in standard deviations of what the channel does on clean images there.
    """

    name: str
    change: Floats

    @property
    def reacts(self) -> Mask:
        """The channels that the trigger moves by more than REACTS standard deviations, [c]."""
        return np.abs(self.change) > REACTS

    @property
    def most(self) -> int:
        """The channel that reacts most."""
        return int(np.abs(self.change).argmax())


def path(result: Result, which: str, images: Images) -> list[Layer] | None:
    """The trigger's way through a network, from the first layer to the logits, on images [n, h, w, 3].

    None where the network is not stored.
    """
    network = _network(result, which)
    if network is None:
        return None
    clean, stamped = (_every_layer(network, seen) for seen in (images, triggered_images(result.config, images)))
    return [Layer(name, _change(clean[name], stamped[name])) for name in LAYERS]


def _every_layer(network: Network, images: Images) -> dict[str, Floats]:
    def look(pixels: Tensor) -> dict[str, Tensor]:
        maps = network.maps(pixels)
        return {"first layer": network.first_maps(pixels), **maps, "logits": network.classify(maps["penultimate"])}

    return _looked(images, look)


def _change(clean: Floats, stamped: Floats) -> Floats:
    """Per channel the mean difference at its most changed place, over the clean standard deviation. [c]"""
    spread = clean.std((0, *range(2, clean.ndim)))
    change = (stamped - clean).mean(0).reshape(clean.shape[1], -1)
    most = np.take_along_axis(change, np.abs(change).argmax(1)[:, None], 1)[:, 0]
    return np.divide(most, spread, out=np.zeros_like(most), where=spread > 0)  # type: ignore[no-any-return]


# --- networks --------------------------------------------------------------------------------------------


def stored(result: Result, which: str) -> bool:
    """Whether the "poisoned", "clean" or "benign" network can be asked."""
    return _network(result, which) is not None


_kept: OrderedDict[tuple[str, str], Network] = OrderedDict()
_lock = Lock()


def _network(result: Result, which: str) -> Network | None:
    """A stored network, from memory if it was asked before; its weights take no gradients."""
    key = result.model_key(which)
    if key is None:
        return None
    place = str(result.store.folder), key
    with _lock:
        if place in _kept:
            _kept.move_to_end(place)
            return _kept[place]
    try:
        network = result.network(which)
    except PoisonscopeError:  # damaged since it was found, or kept without its weights
        network = None
    if network is None:
        return None
    network.eval().requires_grad_(False)
    with _lock:
        _kept[place] = network
        while len(_kept) > NETWORKS:
            _kept.popitem(last=False)
    return network


def _logits(network: Network, images: Images) -> Floats:
    return _looked(images, lambda pixels: {"logits": network(pixels)})["logits"]


def _looked(images: Images, look: Callable[[Tensor], dict[str, Tensor]]) -> dict[str, Floats]:
    """What `look` makes of images [n, h, w, 3] as a network's input, batch after batch."""
    import torch

    from core.training import to_float

    parts = []
    with _arithmetic(), torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = np.array(images[start : start + BATCH])  # a memory map is read-only
            parts.append(look(to_float(torch.from_numpy(batch))))
    return {name: torch.cat([part[name] for part in parts]).double().numpy() for name in parts[0]}


@contextmanager
def _arithmetic() -> Iterator[None]:
    """The pipeline's arithmetic, on one core: a few small images gain nothing by a second one.

    With many sessions at once threads that wait for each other cost seven times the processor time.
    """
    import torch

    from core.training import devices

    threads = torch.get_num_threads()
    with devices.settled(torch.device("cpu")):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
