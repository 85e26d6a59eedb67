"""The names of results: each stage's key is the SHA-256 of all that its result depends on.

    model (dataset + attack + training) -> features (+ representation) -> scores (+ detector)
    model -> losses, entropies (+ how they are drawn), for the detectors that need them
    model (the same training + the keep-mask) -> predictions (+ triggers)
    rebuilt: the poisoned set and the flagged images of a class; transplant: model + rebuilt (+ how many patterns)
    run: the whole chain, under which the summary is kept

Nothing here loads data or torch, so that a cached run is found in an instant.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from core.configuration.checksums import CHECKSUMS
from core.configuration.config import VIEWS, AttackConfig, DefenceConfig, RunConfig
from core.configuration.registry import DATASETS, DETECTORS, MODELS, TRIGGERS
from core.types import Mask

# Raise a number when the code behind a stage changes what it computes.
POISON_VERSION = 1
TRAINING_VERSION = 2
PREDICTIONS_VERSION = 1
REFERENCE_VERSION = 1
SUMMARY_VERSION = 1
SUPERIMPOSE_VERSION = 1
VIEWS_VERSION = 1
REBUILT_VERSION = 1
TRANSPLANT_VERSION = 1
CONTROL_VERSION = 1

FILTERS = ("random", "perfect")  # references of a run's own budget


def canonical(value: Any) -> str:
    """One spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)


def stage_key(stage: str, **content: Any) -> str:
    """The SHA-256, in hex, of a stage's name and content."""
    return hashlib.sha256(canonical({"stage": stage, **content}).encode()).hexdigest()


def keep_digest(keep: Mask | None) -> str | None:
    """The digest of a keep-mask; None where it keeps everything (so that an idle filter trains nothing)."""
    if keep is None or keep.all():
        return None
    return hashlib.sha256(keep.tobytes()).hexdigest()


def _dataset(config: RunConfig) -> dict[str, Any]:
    name = config.dataset.name
    return {**config.dataset.model_dump(), "checksum": CHECKSUMS.get(name), "version": DATASETS[name].version}


def _attack(attack: AttackConfig) -> dict[str, Any] | None:
    """What of the attack changes the training set: nothing at all where the ratio is 0."""
    if attack.ratio == 0:
        return None
    versions = {"trigger_version": TRIGGERS[attack.trigger].version, "version": POISON_VERSION}
    return {**_told(attack), **versions, **_also(attack)}


def _told(attack: AttackConfig) -> dict[str, Any]:
    """The attack as keys hold it: fields that came later go unsaid at their defaults, as before there were any."""
    fields = AttackConfig.model_fields
    unsaid = {name for name in ("labels", "cover_ratio", "also") if getattr(attack, name) == fields[name].default}
    return attack.model_dump(exclude=unsaid)


def _also(attack: AttackConfig) -> dict[str, Any]:
    """The further triggers with their versions, where there are any."""
    also = [{**one.model_dump(), "version": TRIGGERS[one.trigger].version} for one in attack.also]
    return {"also": also} if also else {}


def model_key(config: RunConfig, keep: Mask | None = None) -> str:
    """The key of the network trained on the poisoned set, or on what a keep-mask leaves of it."""
    training = config.training.model_dump(exclude={"recipe"})
    return stage_key(
        "model",
        dataset=_dataset(config),
        attack=_attack(config.attack),
        training=training,
        model_version=MODELS[config.training.model].version,
        training_version=TRAINING_VERSION,
        seed=config.seed,
        keep=keep_digest(keep),
    )


def benign(config: RunConfig) -> RunConfig:
    """The reference of a run: the same data, training and seed, nothing poisoned."""
    return config.model_copy(update={"attack": config.attack.model_copy(update={"ratio": 0.0})})


def benign_key(config: RunConfig) -> str:
    """The key of the benign reference's answers to the run's triggered test images."""
    return predictions_key(model_key(benign(config)), config.attack)


def reference_key(config: RunConfig, which: str) -> str:
    """The key of what a "random" or a "perfect" filter of the run's own budget comes to."""
    return stage_key("reference", run=run_key(config), filter=which, version=REFERENCE_VERSION)


def features_key(model: str, representation: str) -> str:
    """The key of a network's representations of its whole training set, or of a view of that set beside its answers."""
    view = {"version": VIEWS_VERSION} if representation in VIEWS else {}
    return stage_key("features", model=model, representation=representation, **view)


def losses_key(model: str) -> str:
    """The key of the losses of a training that was repeated for them; else they lie beside the network."""
    return stage_key("losses", model=model)


def entropies_key(model: str, defence: DefenceConfig) -> str:
    """The key of a network's answers to its training set, superimposed as a detector's parameters say."""
    drawn = {name: defence.parameters[name] for name in ("others", "seed")}
    return stage_key("entropies", model=model, **drawn, version=SUPERIMPOSE_VERSION)


def scores_key(features: str, defence: DefenceConfig) -> str:
    """The key of a detector's scores; budget and scope have no part in it."""
    entry = DETECTORS[defence.detector]
    asked = {"superimpose_version": SUPERIMPOSE_VERSION} if "entropies" in entry.needs else {}
    return stage_key(
        "scores",
        features=features,
        detector=defence.detector,
        parameters=defence.parameters,
        version=entry.version,
        **asked,
    )


def predictions_key(model: str, attack: AttackConfig) -> str:
    """The key of a network's answers to the clean and the triggered test images."""
    return stage_key(
        "predictions",
        model=model,
        trigger=attack.trigger,
        parameters=attack.parameters,
        trigger_version=TRIGGERS[attack.trigger].version,
        version=PREDICTIONS_VERSION,
        **_also(attack),
    )


def rebuilt_key(config: RunConfig, label: int, flagged: Mask, pictured: Mask) -> str:
    """The key of the trigger that is rebuilt from a class's flagged images, of those that have their pixels here."""
    return stage_key(
        "rebuilt",
        dataset=_dataset(config),
        attack=_attack(config.attack),
        seed=config.seed,
        label=label,
        unflagged=keep_digest(~flagged),
        pictured=keep_digest(pictured),
        version=REBUILT_VERSION,
    )


def transplant_key(model: str, rebuilt: str, others: int) -> str:
    """The key of a network's answers to a rebuilt trigger, and to so many rearranged ones."""
    return stage_key("transplant", model=model, rebuilt=rebuilt, others=others, version=TRANSPLANT_VERSION)


def control_key(features: str, defence: DefenceConfig) -> str:
    """The key of what the panel finds of triggers that are planted into a run's set."""
    return stage_key("control", scores=scores_key(features, defence), version=CONTROL_VERSION)


def _defence(defence: DefenceConfig) -> dict[str, Any]:
    """The defence in a run's key; a cut at the budget goes unsaid, as before there was another."""
    return defence.model_dump(exclude={"cut"} if defence.cut == "budget" else set())


def run_key(config: RunConfig) -> str:
    """The key of a whole run and of its summary: by a keep-list its digest, which goes unsaid where there is none."""
    model = model_key(config)
    features = features_key(model, config.defence.representation)
    return stage_key(
        "run",
        scores=scores_key(features, config.defence),
        predictions=predictions_key(model, config.attack),
        attack=_told(config.attack),
        defence=_defence(config.defence),
        version=SUMMARY_VERSION,
        **({} if config.keep is None else {"keep": config.keep}),
    )
