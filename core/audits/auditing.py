"""An audit: a set is read, the plain things are told, and the panel judges it; a network is asked, too, if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.audits import accused, mislabelled, networks, own, proving, represented
from core.audits.asked import Evidence, Memory
from core.audits.asking import Own
from core.audits.brought import Brought
from core.audits.finding import CAUSES, Found, Judged, listed
from core.audits.given import given
from core.audits.mislabelled import Doubts
from core.audits.networks import Tell, Witness
from core.audits.plainly import plain_findings
from core.audits.represented import Represented
from core.audits.sources import read
from core.detectors import taken
from core.evaluation import Control, Rebuilt, control, rebuilt
from core.store import Store
from core.types import BadRequest, Detection, Features, Ids, Images, Mask

Meant = tuple[tuple[str, ...], bytes]  # a finding's classes, and its images
NONE, TRAIN, OWN = "none", "train", "own"  # networks: what is asked for, a file being one's own
ORDER = {cause: place for place, cause in enumerate(CAUSES)}


@dataclass(frozen=True)
class Audit:
    """What was brought, what the panel says of it, the findings (the gravest first), and how long it took (seconds).

    doubted: which labels are likely errors, where there are features, or a network, that know the classes.
    """

    brought: Brought
    judged: Judged | None
    findings: tuple[Found, ...]
    notes: tuple[str, ...]
    seconds: float
    level: float
    control: tuple[Control, ...] | None = None
    network: Witness | None = None
    doubted: Doubts = field(default_factory=mislabelled.nothing)
    triggers: dict[Meant, Rebuilt | None] = field(default_factory=dict, repr=False, compare=False)  # rebuilt so far

    @property
    def named(self) -> tuple[str, ...]:
        """The classes that are called backdoored."""
        return tuple(name for one in self.findings if one.cause == "backdoor" for name in one.classes)

    @cached_property
    def flagged(self) -> Mask:
        """Which images the panel flags, [n]."""
        return accused.flags(self.brought, self.judged)

    @cached_property
    def reasons(self) -> dict[int, str]:
        """Why an image is meant, by its id."""
        return dict(accused.reasons(self.brought, self.judged, list(self.findings)))

    @property
    def verdict(self) -> str:
        """In one sentence, with its error rate."""
        if self.judged is None:
            return "Nothing can be said of a backdoor: no image has a label."
        rate = f"of classes that are called so, {self.level:.0%} are called so wrongly, on average, at most"
        if self.named:
            classes = "class" if len(self.named) == 1 else f"{len(self.named):,} classes:"
            return f"Something is planted in {classes} {listed(self.named)} ({rate})."
        marks = [one for one in self.findings if one.cause == "mark"]
        if marks:
            return f"{_bearing(marks)}; no class stands out as planted."
        return f"Nothing planted was found ({rate})."

    def trigger(self, found: Found) -> Rebuilt | None:
        """What the images of a finding share and the others of their class lack, rebuilt; None where there is none.

        It takes seconds, and is done once for a finding.
        """
        asked = found.classes, found.ids.tobytes()
        if asked not in self.triggers:
            self.triggers[asked] = self._rebuild(found)
        return self.triggers[asked]

    def _rebuild(self, found: Found) -> Rebuilt | None:
        labels, images = self.brought.labels, self.brought.images
        label = self.brought.classes.index(found.classes[0])
        meant = np.zeros(len(labels), bool)
        meant[found.ids] = True
        others = [images[(labels == other) & ~self.flagged] for other in range(len(self.brought.classes))]
        del others[label]
        return rebuilt.rebuild(images[meant], images[(labels == label) & ~meant], others)[0]


def _bearing(marks: list[Found]) -> str:
    """That there are marks, and why that is no accusation."""
    classes = listed([name for one in marks for name in one.classes])
    if all(one.proof is not None for one in marks):
        return f"A mark is in images of {classes}, and a network that was trained on the set does not answer to it"
    return f"A mark is in images of {len(marks):,} classes alike, as a watermark is"


def audit(
    what: str | Path | Images,
    labels: Any = None,
    *,
    features: Features | NDArray[Any] | None = None,
    level: float = accused.LEVEL,
    side: int | None = None,
    planting: bool = False,
    network: str | Path = NONE,
    architecture: str = "resnet18",
    output: str | None = None,
    layer: str | None = None,
    tell: Tell = lambda done, of: None,
    store: Store | None = None,
    cluster: str | None = None,
    keep_read: bool = True,
) -> Audit:
    """Audit a set: a path to one (`read` says which), or images [n, h, w, 3] uint8 with labels [n] as people have them.

    features [n, d]: what a network that was trained on the set makes of its images, in their order, broken ones
    counted. side: the working size in pixels. planting: also say what would have been found (core.evaluation.control).
    network: "train" trains one on the set, as its user would, and asks it, too (core.audits.networks); the path of a
    .safetensors or .onnx file asks one's own (core.audits.own): weights are of a torchvision `architecture`, and of an
    ONNX file `output` names the class scores, `layer` the value that is judged, where they are not found by
    themselves. tell hears how far it is, and may raise to end it: what was read and said until then is kept in the
    store, by default the user's. cluster: the address of a Ray cluster that reads a set of files (core.audits.spread).
    keep_read: whether what is read is kept for a second look at the path (core.audits.known). BadRequest where the set
    cannot be read, or features, weights or classes are of something else.
    """
    began = time.perf_counter()
    brings = None if network in (NONE, TRAIN) else own.loaded(network, architecture, output, layer)
    store = store or Store()
    kind = str(network) if brings is None else OWN
    course = course_of(kind, planting=planting, features=features is not None)
    reading = partial(
        read, side=side, tell=lambda done: tell(course.read * done, "reading"), store=store, cluster=cluster,
        keep_read=keep_read,
    )  # fmt: skip
    brought = _brought(what, labels, reading, cluster)
    seen = _aligned(features, brought)
    comparing = _within(tell, course.read, course.copies)
    memory = Memory(store, lambda done: comparing(done, "looking for copies"))
    memory.tell(0.0)
    found, notes = plain_findings(brought, memory)
    witness = _witness(brought, network == TRAIN, brings, _within(tell, course.copies, course.network), store)
    notes += [] if witness is None else witness.notes
    asked = witness if witness is not None and witness.believed else None
    represents = _represented(brought, seen, asked)
    found += [] if represents is None else represents.found
    tell(course.network, "asking the panel")
    asking = _within(tell, course.network, course.panel)
    memory.tell = lambda done: asking(done, "asking the panel")
    judged = accused.judge(brought, memory, represents, level, None if asked is None else asked.attributions)
    planted, doubted = None, mislabelled.nothing()
    if judged is not None:
        looking = _within(tell, course.panel, course.labels)
        memory.tell = lambda done: looking(done, "looking for label errors")
        judged, doubted = _labels(brought, judged, represents, asked, memory.tell)
        found += mislabelled.findings(brought, doubted)
        notes += doubted.notes
        anew = partial(_parted, brought, represents, asked, doubted, memory, level)
        found += [*accused.accusations(brought, judged), *accused.groups(judged.detection, anew)]
        notes += [note for note in judged.detection.notes if accused.MIXED not in note]
        planted = _planted(brought, judged, level, _within(tell, course.labels, course.planting)) if planting else None
    if memory.trouble:
        notes.append(f"not all that was found is kept for a second look: {memory.trouble}")
    told = Audit(brought, judged, tuple(found), tuple(notes), 0.0, level, planted, witness, doubted)
    if witness is not None and witness.believed:
        suspects = proving.Suspects(
            brought, told.flagged, told.trigger, lambda: tell(course.planting, "trying what they share")
        )
        told = replace(told, findings=tuple(proving.proved(told.findings, suspects, witness)))
    tell(1.0, "done")
    findings = tuple(sorted(told.findings, key=lambda one: ORDER[one.cause]))
    return replace(told, findings=findings, seconds=time.perf_counter() - began)


class Course(NamedTuple):
    """Where each part ends, of 1: about as long as each takes, so that the time that is left can be told from it."""

    read: float
    copies: float
    network: float
    panel: float
    labels: float
    planting: float


def course_of(network: str, *, planting: bool = False, features: bool = False) -> Course:
    """Where the parts of an audit end that asks a network (NONE, TRAIN or OWN), plants triggers, or has features."""
    asks = network != NONE
    parts = (12, 6, {NONE: 0, TRAIN: 110, OWN: 30}[network], 80, 8 * (asks or features), 100 * planting, 8 * asks + 1)
    return Course(*(end / sum(parts) for end in accumulate(parts[:-1])))


def _within(tell: Tell, begins: float, ends: float) -> Tell:
    """Who hears of a part, as a share of the whole; of what is done in it again nothing is taken back."""
    furthest = 0.0

    def told(done: float, of: str) -> None:
        nonlocal furthest
        furthest = max(furthest, done)
        tell(begins + (ends - begins) * furthest, of)

    return told


def _witness(brought: Brought, train: bool, brings: Own | None, tell: Tell, store: Store) -> Witness | None:
    if train:
        return networks.trained(brought, tell, store=store)
    return None if brings is None else own.asked(brought, brings, tell)


def _represented(brought: Brought, seen: Features | None, asked: Witness | None) -> Represented | None:
    """The features that are judged: those that were given, else what a network that is believed makes of the images."""
    if seen is None and asked is not None:
        seen = _of_all(brought, asked.ids, asked.features)
    return None if seen is None else represented.represented(brought, seen)


def _of_all(brought: Brought, ids: Ids, features: Features) -> Features:
    """Features of some images ids [m] as those of all, [n, d]; 0 for the others."""
    every = np.zeros((len(brought), features.shape[1]), np.float32)
    every[ids] = features
    return every


def _labels(
    brought: Brought, judged: Judged, seen: Represented | None, asked: Witness | None, tell: Callable[[float], None]
) -> tuple[Judged, Doubts]:
    """The panel's word but for what label errors explain, and these, of images that it does not flag."""
    if seen is None:
        return judged, mislabelled.nothing()
    blocks = None
    if asked is not None and asked.blocks is not None:
        blocks = _of_all(brought, asked.ids, asked.blocks(lambda done: tell(0.2 * done)))
    flagged, unsure = accused.flags(brought, judged), mislabelled.unsure(brought, judged)
    doubted = mislabelled.doubts(brought, seen, blocks, flagged & ~unsure, lambda done: tell(0.2 + 0.4 * done))
    judged = mislabelled.spared(brought, judged, doubted)
    flagged = accused.flags(brought, judged)
    if (flagged & unsure).any():  # those were no errors, so they must not be taken for some
        doubted = mislabelled.doubts(brought, seen, blocks, flagged, lambda done: tell(0.6 + 0.4 * done))
    return judged, doubted


def _brought(
    what: str | Path | Images, labels: Any, reading: Callable[[str | Path], Brought], cluster: str | None
) -> Brought:
    if not isinstance(what, str | Path):
        if cluster is not None:
            raise BadRequest("a cluster reads the files of a set; these images are in memory already")
        return given(what, labels)
    if labels is not None:
        raise BadRequest("labels go with images; a path has its own")
    return reading(what)


def _aligned(features: Features | NDArray[Any] | None, brought: Brought) -> Features | None:
    """Features of the images that could be read, [n, d]; given for all that are listed, in the set's order."""
    if features is None:
        return None
    if np.ndim(features) != 2 or len(features) != brought.listed:
        raise BadRequest(f"features must be [{brought.listed}, d], a row an image; got {list(np.shape(features))}")
    return taken("what could be read", np.asarray(features), brought.rows)


def _parted(
    brought: Brought, seen: Represented | None, asked: Witness | None, doubted: Doubts, memory: Memory, level: float
) -> Iterator[Detection] | None:
    """What the test on features says of them without what likely belongs to another class; None where all is right."""
    wrong = np.zeros(len(brought), bool)
    wrong[doubted.ids] = doubted.likely != brought.labels[doubted.ids]
    if seen is None or not wrong.any():
        return None
    rows = np.flatnonzero(seen.usable & ~wrong)
    labels, order = brought.labels[rows], memory.order(brought.images)[rows]
    views = [taken("what has no label error", seen.features, rows)]
    if asked is not None and asked.attributions is not None:
        views.append(_of_all(brought, asked.ids, asked.attributions)[rows])
    return (memory.said(represented.TEST, level, Evidence(labels, view, order)) for view in views)


def _planted(brought: Brought, judged: Judged, level: float, tell: Tell) -> tuple[Control, ...]:
    images, labels = brought.images[judged.ids], brought.labels[judged.ids]
    return tuple(
        control.control(
            images, labels, judged.detection, level=level,
            tell=lambda done: tell(done, "planting known triggers"),
        )
    )  # fmt: skip
