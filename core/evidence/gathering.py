"""Where the evidence beyond features, labels and logits (core.detectors.EVIDENCE) comes from, and whether it is there.

    losses       are noted while a network is trained and lie beside it; one of an earlier version and a recorded one
                 have none, until it is trained once more, which makes an artefact of their own
    images       are the training set's own
    entropies    are asked of the stored network, with the images of the training set, and stored then
    attributions so, too; they are a representation of the run (core.configuration.ATTRIBUTION)

Loads no torch before a network is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from core import datasets
from core.configuration import ATTRIBUTION, DETECTORS, DefenceConfig, RunConfig, class_names, stages
from core.store import WEIGHTS, Store
from core.types import Entropies, Features, Images, Losses, PoisonedSet, Watcher, ignore

if TYPE_CHECKING:
    from core.training import Network

LOSSES, ENTROPIES = "losses", "entropies"  # these name their arrays, too
IMAGES, ATTRIBUTIONS = "images", "attributions"


def has_losses(store: Store, model_key: str) -> bool:
    """Whether the losses of a network's training are stored."""
    return any(store.has(stage, key, f"{LOSSES}.npy") for stage, key in _places(model_key))


def losses(store: Store, model_key: str) -> Losses | None:
    """The losses of a network's training [epochs, n], or None: none were kept."""
    for stage, key in _places(model_key):
        if store.has(stage, key, f"{LOSSES}.npy") and (artefact := store.read(stage, key)) is not None:
            return artefact.array(LOSSES)
    return None


def _places(model_key: str) -> tuple[tuple[str, str], ...]:
    return ("model", model_key), ("losses", stages.losses_key(model_key))


def lacking(store: Store, config: RunConfig, defence: DefenceConfig) -> str | None:
    """Why a detector cannot score the training set of a stored run, in words; None where the evidence can be had."""
    entry, model, name = DETECTORS[defence.detector], stages.model_key(config), config.dataset.name
    needs = (*entry.needs, *entry.may)
    if IMAGES in needs and not datasets.available(name):
        return (
            f"{defence.detector} looks at every image of the training set, and {name} is not on this machine: "
            f"python -m core data {name}"
        )
    if LOSSES in needs and not has_losses(store, model):
        return (
            f"{defence.detector} reads the losses of the training, and none were kept with this network: it is a "
            "recorded one, or of an earlier version. Start the run with this detector: it trains once more and keeps "
            "them"
        )
    unasked = [stage for stage, key in _answers_of(model, needs, defence) if not store.has(stage, key)]
    if unasked:
        asks = f"{defence.detector} asks the network about every image of the training set"
        if not datasets.available(name):
            return f"{asks}, and {name} is not on this machine: python -m core data {name}"
        if not store.has("model", model, WEIGHTS):
            return f"{asks}, and the network is not stored. Start the run again"
    return None


def _answers_of(model: str, needs: Collection[str], defence: DefenceConfig) -> Iterator[tuple[str, str]]:
    """Stage and key of what a detector has the network of a run asked."""
    if ENTROPIES in needs:
        yield "entropies", stages.entropies_key(model, defence)
    if ATTRIBUTIONS in needs:
        yield "features", stages.features_key(model, ATTRIBUTION)


def gather(
    store: Store,
    config: RunConfig,
    defence: DefenceConfig,
    poisoned: Callable[[], PoisonedSet],
    device: str = "auto",
    watch: Watcher = ignore,
) -> dict[str, NDArray[Any]]:
    """What a detector looks at of a run with the training set poisoned(); what cannot be had is left out."""
    entry = DETECTORS[defence.detector]
    needs = (*entry.needs, *entry.may)
    found: dict[str, NDArray[Any] | None] = {}
    if IMAGES in needs:
        found[IMAGES] = poisoned().images
    if LOSSES in needs:
        found[LOSSES] = losses(store, stages.model_key(config))
    if ENTROPIES in needs:
        found[ENTROPIES] = entropies(store, config, defence, lambda: poisoned().images, device, watch)
    if ATTRIBUTIONS in needs:
        found[ATTRIBUTIONS] = attributions(store, config, poisoned, device, watch)
    return {name: array for name, array in found.items() if array is not None}


def entropies(
    store: Store,
    config: RunConfig,
    defence: DefenceConfig,
    images: Callable[[], Images],
    device: str = "auto",
    watch: Watcher = ignore,
) -> Entropies | None:
    """A run's entropies [n, others], stored or asked of its network now; None where the network is not stored.

    images() is the run's training set, [n, h, w, 3].
    """

    def ask(network: Network) -> dict[str, NDArray[Any]]:
        from core.evidence import superimpose
        from core.training import devices

        others, seed = (int(defence.parameters[name]) for name in ("others", "seed"))
        bf16 = devices.use_bf16(config.training.precision, devices.choose(device))
        return {ENTROPIES: superimpose.entropies(network, images(), others, seed, bf16=bf16, watch=watch)}

    return _asked(store, config, device, "entropies", stages.entropies_key(stages.model_key(config), defence), ask)


def attributions(
    store: Store,
    config: RunConfig,
    poisoned: Callable[[], PoisonedSet],
    device: str = "auto",
    watch: Watcher = ignore,
) -> Features | None:
    """A run's attributions [n, d], stored or asked of its network now; None where the network is not stored.

    They are kept as the run's representation of that name, beside the logits.
    """

    def ask(network: Network) -> dict[str, NDArray[Any]]:
        from core.evidence import representations

        seen = poisoned()
        told = representations.attribute(network, seen.images, seen.labels, watch=watch, stage="score")
        return dict(zip(("features", "logits"), told, strict=True))

    return _asked(store, config, device, "features", stages.features_key(stages.model_key(config), ATTRIBUTION), ask)


def _asked(
    store: Store,
    config: RunConfig,
    device: str,
    stage: str,
    key: str,
    ask: Callable[[Network], dict[str, NDArray[Any]]],
) -> NDArray[Any] | None:
    """What a run's network answered, stored or asked now and kept; None without the network."""
    with store.lock(stage, key):
        known = store.read(stage, key)
        if known is None:
            network = store.read("model", stages.model_key(config))
            if network is None or not network.has_weights:
                return None
            known = store.write(stage, key, arrays=ask(_network(config, network.weights(), device)))
    return known.array(stage)  # an artefact's main array is called as the stage is


def _network(config: RunConfig, weights: Mapping[str, Any], device: str) -> Network:
    from core.training import devices, load_weights, models

    place, classes = devices.choose(device), len(class_names(config.dataset.name))
    return load_weights(models.build(config.training.model, classes, config.seed, place), weights)
