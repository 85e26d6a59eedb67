"""The widgets that describe a run, and the plain settings that they hold. Their values outlive a change of page.

Every menu is made from the registries, so a new trigger, detector or data set appears by itself. Nothing
is decided here: `core.configure` checks what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

import core
from core import RunConfig
from pages.parts.around import words
from pages.parts.form import fear, fields, trigger_picker

OF = "settings of"  # in session state: the key of the run that filled the form last
ANY = "any other class"
RATIO_OF = {"target_class": "target class", "training_set": "whole set"}
LABELS = {
    "all_to_one": "that of the target class",
    "clean_label": "the one they have (clean-label)",
    "all_to_all": "that of the next class (all-to-all)",
}
# Where a further trigger lies at first: in another corner, with room for the usual patch.
CORNERS = ((5, -2), (-2, 5), (5, 5))
PLACEMENT = {"add": "added; their originals stay", "replace": "put in place of their originals"}
SCOPE = {"every_class": "every class", "suspicious_class": "only classes the detector names"}
CUT = {"budget": "at the budget", "gap": "at the gap"}
UNUSED = "numbers of a run that was cut at the gap"  # in session state
REPRESENTATION = {
    "penultimate": "penultimate (pooled)",
    "block3": "block 3",
    "block2": "block 2",
    "block1": "block 1",
    "attribution": "what answers rest on (attribution)",
} | {name: f"images: {name.removeprefix('image-').replace('tile-', 'tile, ')}" for name in core.VIEWS}


def dataset() -> str:
    """Which data set; CIFAR-10 unless it is not here."""
    fields.at_first("dataset", "cifar10" if core.datasets.available("cifar10") else "digits")
    return st.selectbox("Data set", list(core.DATASETS), key="dataset", persist_state="session")


def attack(dataset: str) -> dict[str, Any]:
    """What the attacker does."""
    fields.at_first("trigger", "pattern")
    trigger = trigger_picker.choose(dataset)
    entry = core.TRIGGERS[trigger]
    pictures = {
        name: fields.picture(f"trigger.{trigger}.{name}", one) for name, one in entry.parameters.items() if one.picture
    }
    fields.at_first("labels", "all_to_one")
    labels = st.selectbox(
        "Stamped images get as label", list(LABELS), format_func=LABELS.__getitem__, key="labels",
        persist_state="session",
        help="Clean-label: only images of the target class are stamped, so no label is false. All-to-all: each stamped "
        "image gets the label of the class after its own, so every class gets poison.",
    )  # fmt: skip
    target, source = _classes(dataset, labels)
    left, right = st.columns(2)
    fields.at_first("ratio", 10.0)
    fields.at_first("ratio_of", "target_class")
    ratio = left.number_input(
        "Poisoning ratio in %", 0.0, 100.0, step=1.0, format="%g", key="ratio", persist_state="session"
    )
    wholes = RATIO_OF | ({"target_class": "each class"} if labels == "all_to_all" else {})
    ratio_of = right.selectbox(
        "as a share of", list(wholes), format_func=wholes.__getitem__, key="ratio_of", persist_state="session"
    )
    st.caption(words.other_share(dataset, labels, target, ratio / 100, ratio_of))
    with st.expander("Trigger's look, placement"):
        fields.at_first("placement", "add")
        placement = st.selectbox(
            "Stamped copies are",
            list(PLACEMENT),
            format_func=PLACEMENT.__getitem__,
            key="placement",
            persist_state="session",
        )
        parameters = pictures | fields.parameters("trigger", trigger, entry.parameters)
    with st.expander("Covers, several triggers"):
        more = {"cover_ratio": _cover_ratio(), "also": _also()}
    return {
        "trigger": trigger,
        "trigger_parameters": parameters,
        "target": target,
        "source": source,
        "ratio": round(ratio / 100, 10),
        "ratio_of": ratio_of,
        "placement": placement,
        "labels": labels,
        **more,
    }


def _cover_ratio() -> float:
    fields.at_first("cover_ratio", 0.0)
    ratio = st.number_input(
        "Covers for each poisoned image", 0.0, 100.0, step=0.5, format="%g", key="cover_ratio", persist_state="session",
        help="Covers are stamped, too, but keep their true label, so that the trigger alone gives no image away. "
        "With a source class they are of the others, so that the trigger works on that class alone.",
    )  # fmt: skip
    return round(ratio, 10)


def _also() -> list[dict[str, Any]]:
    """Further triggers, each with its own look."""
    fields.at_first("also", 0)
    number = st.number_input(
        "Further triggers", 0, core.MOST_TRIGGERS - 1, step=1, key="also", persist_state="session",
        help="A training image carries one of all triggers, in turn; a test image carries every one.",
    )  # fmt: skip
    return [_further(place) for place in range(int(number))]


def _further(place: int) -> dict[str, Any]:
    key = f"also.{place}"
    fields.at_first(key, "pixel")
    trigger = st.selectbox(f"Trigger {place + 2}", list(core.TRIGGERS), key=key, persist_state="session")
    parameters = core.TRIGGERS[trigger].parameters
    for name, at in zip(("row", "column"), CORNERS[place % len(CORNERS)], strict=True):
        if name in parameters:
            fields.at_first(f"{key}.{trigger}.{name}", at)
    pictures = {name: fields.picture(f"{key}.{trigger}.{name}", one) for name, one in parameters.items() if one.picture}
    return {"trigger": trigger, "parameters": pictures | fields.parameters(key, trigger, parameters)}


def training(dataset: str) -> dict[str, Any]:
    """Which recipe, and each number of it for an expert to change."""
    fields.at_first("recipe", "quick")
    recipe = st.selectbox("Recipe", list(core.RECIPES), key="recipe", persist_state="session")
    st.caption(f"For {core.RECIPES[recipe].summary}.")
    data, numbers = core.resolve(recipe, dataset)
    with st.expander("Expert: every number of the recipe"):
        st.caption(
            "*flip* and *crop* blur a trigger. In a corner, a flip moves it to the other side in half of the images, a "
            "shift by *crop* pixels can push it out of the picture; over the whole image, it is mirrored and shifted "
            "with it. The trigger that is measured stays as it was put."
        )
        left, right = st.columns(2)
        chosen: dict[str, Any] = {}
        with left:
            chosen["per_class"] = fields.per_class(f"{dataset}.{recipe}.per_class", data.per_class)
        for place, name in enumerate(fields.training_fields(), 1):
            with (left, right)[place % 2]:
                chosen[name] = fields.number(f"{dataset}.{recipe}.{name}", name, getattr(numbers, name))
        fields.at_first("seed", 0)
        seed = st.number_input(
            "Seed", 0, 2**31 - 1, step=1, key="seed", persist_state="session",
            help="of the choice of images, the network's first weights and the order of training",
        )  # fmt: skip
    return {"recipe": recipe, "training": chosen, "seed": seed}


def defence() -> dict[str, Any]:
    """What the defender assumes; never what the attacker did."""
    detector = _detector()
    entry = core.DETECTORS[detector]
    cut = _cut(entry.facts.get("cuts", ("budget",)))
    amount = _assumed() if cut == "budget" else st.session_state.get(UNUSED, {})
    with st.expander("Representation, budget, scope" if cut == "budget" else "Representation, scope"):
        fields.at_first("representation", "penultimate")
        representation = st.selectbox(
            "Representation",
            core.REPRESENTATIONS,
            format_func=lambda name: REPRESENTATION.get(name, name),
            key="representation",
            persist_state="session",
            help="what the detector reads: a layer's output, what of the first two blocks each answer rests on, or a "
            "view of the images that no network is needed for",
        )
        if cut == "budget":
            amount |= _multiplier()
        able = entry.facts.get("scope") == "suspicious_class"
        scopes = ["suspicious_class", "every_class"] if able else ["every_class"]
        fields.at_first(f"scope.{able}", scopes[0])
        scope = st.selectbox(
            "Remove from", scopes, format_func=SCOPE.__getitem__, key=f"scope.{able}", persist_state="session"
        )
        parameters = fields.parameters("detector", detector, entry.parameters)
    return {
        "detector": detector,
        "detector_parameters": parameters,
        "representation": representation,
        **amount,
        "scope": scope,
        "cut": cut,
    }


def _detector() -> str:
    """The recommended detector, and the others for who knows what they want."""
    fields.at_first("detector", words.RECOMMENDED)
    said, own = st.container(gap="xxsmall"), st.session_state["detector"] == words.RECOMMENDED
    with st.expander("Expert: another detector", expanded=not own, icon=":material/science:"):
        chosen = st.selectbox(
            "Detector", sorted(core.DETECTORS, key=lambda name: name != words.RECOMMENDED), key="detector",
            format_func=words.detector, persist_state="session",
        )  # fmt: skip
    said.markdown(f"Detector: **{words.detector(chosen)}**")
    said.caption(words.sentence(core.DETECTORS[chosen].summary))
    return str(chosen)


def cut_key(ways: Sequence[str]) -> str:
    """The widget's key: a detector that usually cuts at the gap does so whatever was chosen for another."""
    return "cut" if ways[0] == "budget" else f"cut.{ways[0]}"


def _cut(ways: Sequence[str]) -> str:
    """Where the filter cuts; asked only where the detector knows more than one way."""
    if len(ways) < 2:
        return ways[0]
    key = cut_key(ways)
    fields.at_first(key, ways[0])
    cut = st.segmented_control(
        "Cut", ways, format_func=CUT.__getitem__, key=key, required=True, persist_state="session",
        help="At the budget, as many images go as the assumed ratio says. At the gap, a class that the detector names "
        "is cut where its two groups part, and nothing is assumed.",
    )  # fmt: skip
    if cut == "gap":
        st.caption("The detector says itself where the poison begins: no assumed ratio is needed.")
    return str(cut)


def _assumed() -> dict[str, Any]:
    fields.at_first("assumed_ratio", 10.0)
    assumed = st.number_input(
        fear.ASKED, 0.0, 100.0, step=1.0, format="%g", key="assumed_ratio", persist_state="session",
        help="The assumed ratio: the defender's guess that at most this share of a class is poisoned. It gives ε. The "
        "defender does not know the attacker's ratio; the two are separate settings.",
    )  # fmt: skip
    return {"assumed_ratio": round(assumed / 100, 10)}


def _multiplier() -> dict[str, Any]:
    fields.at_first("multiplier", 1.5)
    multiplier = st.number_input(
        "Budget, in multiples of ε", 0.1, 10.0, step=0.1, format="%g", key="multiplier", persist_state="session"
    )
    return {"multiplier": round(multiplier, 10)}


def fill(config: RunConfig) -> None:
    """Put a run's settings into the widgets; words.detector before they are drawn."""
    names = core.class_names(config.dataset.name)
    dataset, attack, defence = config.dataset.name, config.attack, config.defence
    recipe = config.training.recipe if config.training.recipe in core.RECIPES else "quick"
    able = core.DETECTORS[defence.detector].facts.get("scope") == "suspicious_class"
    ways = core.DETECTORS[defence.detector].facts.get("cuts", ("budget",))
    values: dict[str, Any] = {
        "dataset": dataset,
        "trigger": attack.trigger,
        "labels": attack.labels,
        "ratio": round(100 * attack.ratio, 8),
        "ratio_of": attack.ratio_of,
        "placement": attack.placement,
        "cover_ratio": attack.cover_ratio,
        "also": len(attack.also),
        "recipe": recipe,
        f"{dataset}.{recipe}.per_class": config.dataset.per_class,
        "seed": config.seed,
        "detector": defence.detector,
        "representation": defence.representation,
        "assumed_ratio": round(100 * defence.assumed_ratio, 8),
        "multiplier": defence.multiplier,
        f"scope.{able}": defence.scope,
        cut_key(ways): defence.cut,
        # The gap uses neither, but they are part of the run: the form must ask for that run again.
        UNUSED: defence.model_dump(include={"assumed_ratio", "multiplier"}) if defence.cut == "gap" else {},
    }
    if attack.labels != "all_to_all":  # which asks for neither
        values[f"{dataset}.target"] = names[attack.target]
        values[f"{dataset}.source"] = ANY if attack.source is None else names[attack.source]
    values |= {f"trigger.{attack.trigger}.{name}": value for name, value in attack.parameters.items()}
    for place, one in enumerate(attack.also):
        values[f"also.{place}"] = one.trigger
        values |= {f"also.{place}.{one.trigger}.{name}": value for name, value in one.parameters.items()}
    values |= {f"detector.{defence.detector}.{name}": value for name, value in defence.parameters.items()}
    for name in fields.training_fields():
        values[f"{dataset}.{recipe}.{name}"] = fields.plain(getattr(config.training, name))
    for key, value in values.items():
        st.session_state[key] = value


def usual_target(dataset: str) -> str:
    """The target class at first."""
    names = core.class_names(dataset)
    return "bird" if "bird" in names else names[3]


def _classes(dataset: str, labels: str) -> tuple[str, str | None]:
    """Target and source class, as far as the attack has them to choose."""
    names = core.class_names(dataset)
    if labels == "all_to_all":
        st.caption("Images of every class are stamped; the last class goes to the first.")
        return names[0], None
    left, right = st.columns(2)
    fields.at_first(f"{dataset}.target", usual_target(dataset))
    fields.at_first(f"{dataset}.source", ANY)
    target = left.selectbox(
        "Target class", names, key=f"{dataset}.target", persist_state="session",
        help="what triggered images shall be taken for",
    )  # fmt: skip
    if labels == "clean_label":
        right.caption("Only images of this class are stamped. Such an attack takes more of them: try 30% and up.")
        return target, None
    source = right.selectbox(
        "Source class", [ANY, *names], key=f"{dataset}.source", persist_state="session",
        help="whose images are stamped",
    )  # fmt: skip
    return target, None if source == ANY else source
