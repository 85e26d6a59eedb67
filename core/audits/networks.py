"""What a network makes of a set: one trained here as the set's user would train, so that what was planted is learned.

Images tell of marks; a network tells what a mark does, and shows triggers that lie elsewhere in every image. It is
believed only where it answers the labels that it was given clearly better than by the commonest of them: else it has
learned nothing of the set, and nothing of a trigger either. Trained networks are kept by what they were trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from core.audits.brought import Brought
from core.configuration import MODELS, RECIPES, TrainingConfig, stages
from core.detectors import reduced
from core.store import Store
from core.types import NOTES, BadRequest, Event, Features, Ids, Images, Labels, Logits, Mask

if TYPE_CHECKING:
    from core.training import Network

RECIPE = "quick"
STEPS = 170  # about as many as the recipe takes on the sets that it was made for
BATCHES = 30  # of an epoch, at least, where the set is small,
SMALLEST = 32  # but none smaller: the recipe's rates are too high for these
BLOCKS = ("block2", "block3")
SIDE = 64  # pixels that the network is shown, at most
CLEARLY = 0.2  # of the way from the commonest label's share to 1, from which on features or a network are believed
VERSION = 1

Tell = Callable[[float, str], None]  # the share that is done, and of what


@dataclass(frozen=True)
class Witness:
    """A network that was asked about every image of a set; what: which one, for a sentence.

    ids [m]: the images that have a label. features [m, d] and attributions [m, a]: what it makes of these, and what its
    answers for their labels rest on (None where it was not trained here, and not asked for that). labels, answers [m]:
    what they have and what it says. ask(images [n, h, w, 3] at the working size) -> logits [n, k], a column a class.
    notes: what of its training was not done as wished, in sentences.
    blocks(tell) -> [m, c]: what its middle blocks make of them, which know fewer labels by heart than its last layer;
    tell hears which share is done, and may raise.
    """

    what: str
    ids: Ids
    features: Features
    attributions: Features | None
    labels: Labels
    answers: Labels
    side: tuple[int, int]
    seconds: float
    ask: Callable[[Images], Logits]
    notes: tuple[str, ...] = ()
    blocks: Callable[[Callable[[float], None]], Features] | None = None

    @property
    def accuracy(self) -> float:
        """The share of the labelled images that it answers with their label."""
        return float((self.answers == self.labels).mean())

    @property
    def chance(self) -> float:
        """The share of the commonest label."""
        return float(np.bincount(self.labels).max() / len(self.labels))

    @property
    def trained_here(self) -> bool:
        """Whether it was trained on this set by this program, and not brought."""
        return self.attributions is not None

    @property
    def believed(self) -> bool:
        """Whether it knows enough of the set to say anything."""
        return knows(self.accuracy, self.chance)

    @property
    def sentence(self) -> str:
        """What it is and how well it knows the set."""
        said = f"{self.what}: it answers {self.accuracy:.0%} of the images with their label"
        if self.believed:
            return said
        return f"{said}, and the commonest label is that of {self.chance:.0%}: it knows too little of them to be asked"


def knows(right: float, commonest: float) -> bool:
    """Whether who answers this share of the labels knows clearly more than the commonest one, which is that of some."""
    return right >= commonest + CLEARLY * (1 - commonest)


def expected_seconds(count: int) -> float:
    """About how long training on so many images of 32 x 32 takes, and asking about them, on two CPU cores."""
    numbers = settings(count, grey=False)
    return float((numbers.epochs + 1) * count / MODELS[numbers.model].facts["cpu_images_per_second"] + 5)


def settings(count: int, grey: bool) -> TrainingConfig:
    """The recipe's numbers for a set of so many images: smaller sets in smaller batches and more epochs."""
    numbers = dict(RECIPES[RECIPE].numbers)
    batch = int(np.clip(count // BATCHES, SMALLEST, numbers["batch_size"]))
    epochs = int(np.clip(round(STEPS * batch / count), numbers["epochs"], STEPS))
    exact = {"precision": "fp32"} if grey else {}  # as the recipe has it for the digits, which says why
    return TrainingConfig(recipe=RECIPE, **{**numbers, "batch_size": batch, "epochs": epochs, **exact})


def trained(
    brought: Brought,
    tell: Tell,
    *,
    keep: Mask | None = None,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> Witness:
    """Train on the labelled images of the set's first split, or find the network that was, and ask it about all.

    keep [n]: train on these alone, by the recipe's numbers for the whole set. BadRequest where fewer than two classes
    have a label.
    """
    from core.evidence import attribute, predict, represent
    from core.training import devices

    ids = np.flatnonzero(brought.labels >= 0)
    if len(np.unique(brought.labels[ids])) < 2:
        raise BadRequest("a network learns to tell classes apart; fewer than two of them have images with a label")
    small = _reduced(brought.images)
    kept = np.ones(len(brought), bool) if keep is None else keep
    network, known = _network(brought, small, kept, devices.choose(device), seed, tell, store or Store())
    seconds = known["seconds"]
    images, labels = small[ids], brought.labels[ids]

    def watching(begins: float) -> Callable[[Event], None]:
        return lambda event: tell(begins + 0.1 * event.fraction, "asking the network")

    def block(layer: str, told: Callable[[float], None]) -> Features:
        begins = BLOCKS.index(layer)
        return represent(network, images, layer, watch=lambda event: told((begins + event.fraction) / len(BLOCKS)))[0]

    features, logits = represent(network, images, "penultimate", watch=watching(0.8))
    attributions, _ = attribute(network, images, labels, watch=watching(0.9))
    height, width = small.shape[1:3]
    what = f"a network was trained on the set ({height} x {width} pixels, {seconds:.0f} seconds)"
    return Witness(
        what, ids, features, attributions, labels, answers=logits.argmax(1), side=(height, width), seconds=seconds,
        ask=lambda some: predict(network, _reduced(some)), notes=tuple(known.get(NOTES, ())),
        blocks=lambda told: np.hstack([block(layer, told) for layer in BLOCKS]),
    )  # fmt: skip


def _network(
    brought: Brought, small: Images, keep: Mask, device: Any, seed: int, tell: Tell, store: Store
) -> tuple[Network, dict[str, Any]]:
    """The network, and what is known of its training: how many seconds it took, say."""
    from core.training import build, devices, load_weights, train, weights

    able = _trained_on(brought)
    numbers = settings(int(able.sum()), _grey(small[able]))
    rows = np.flatnonzero(able & keep)
    images, labels, classes = small[rows], brought.labels[rows], len(brought.classes)
    key = _key(images, labels, numbers, classes, seed)
    with store.lock("model", key, lambda: tell(0.0, "training a network on the set")):
        known = store.read("model", key)
        if known is not None:
            return load_weights(build(numbers.model, classes, seed, device), known.weights()), dict(known.document)
        checkpoint = store.checkpoint("model", key)
        made = train(
            images, labels, classes, numbers, seed, device=device, checkpoint=checkpoint, record=False,
            watch=lambda event: tell(0.8 * event.fraction, "training a network on the set"),
        )  # fmt: skip
        seconds = float(sum(epoch["seconds"] for epoch in made.history))
        document = {
            "history": made.history,
            "seconds": seconds,
            "images_per_second": len(rows) * numbers.epochs / max(seconds, 1e-9),
            "network": numbers.model,
            "dataset": "",  # none that runs are made of
            "device": devices.describe(device),
            **({NOTES: made.notes} if made.notes else {}),
        }
        store.write("model", key, weights=weights(made.network), document=document)
        checkpoint.clear()
    return made.network, document


def _trained_on(brought: Brought) -> Mask:
    """The labelled images of the first split [n], which is what one trains on."""
    return np.asarray((brought.labels >= 0) & (brought.splits == brought.splits.min()))


def _key(images: Images, labels: Labels, numbers: TrainingConfig, classes: int, seed: int) -> str:
    digests = [blake2b(np.ascontiguousarray(one).data, digest_size=16).hexdigest() for one in (images, labels)]
    training = numbers.model_dump(exclude={"recipe"})
    versions = [VERSION, stages.TRAINING_VERSION, MODELS[numbers.model].version]
    return stages.stage_key(
        "model", audited=digests, shape=list(images.shape), training=training, classes=classes, seed=seed,
        versions=versions,
    )  # fmt: skip


def _reduced(images: Images) -> Images:
    return reduced(images, SIDE)


def _grey(images: Images) -> bool:
    """Whether most images have no colour, whatever is planted in some."""
    return bool(np.median((images[..., :1] == images).all((1, 2, 3))) > 0)
