"""What an audit found, as one object and as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from core.audits.auditing import Audit
from core.audits.finding import Found, plain
from core.audits.networks import Witness
from core.evaluation import Transplant, control


def document(told: Audit) -> dict[str, Any]:
    """An audit as plain values: images, classes with sizes, splits, what could not be read, findings, what is named."""
    brought = told.brought
    sizes = np.bincount(brought.labels[brought.labels >= 0], minlength=len(brought.classes))
    splits = np.bincount(brought.splits, minlength=len(brought.split_names))
    height, width = brought.images.shape[1:3] if brought.images.ndim == 4 else (0, 0)
    return {
        "source": brought.source,
        "kind": brought.kind,
        "images": len(brought.labels),
        "unlabelled": int((brought.labels < 0).sum()),
        "classes": dict(zip(brought.classes, sizes.tolist(), strict=True)),
        "splits": {name: int(size) for name, size in zip(brought.split_names, splits, strict=True) if name},
        "side": [int(height), int(width)],
        "unreadable": len(brought.unreadable),
        "skipped": dict(brought.skipped),
        "doubtful": [{"name": one.name, "why": one.why} for one in brought.doubtful],
        "verdict": told.verdict,
        "level": told.level,
        "named": list(told.named),
        "flagged": int(told.flagged.sum()),
        "findings": [_finding(told, one) for one in told.findings],
        "control": None if told.control is None else [_planted(told, row) for row in told.control],
        "network": None if told.network is None else _network(told.network),
        "notes": list(told.notes),
        "seconds": round(told.seconds, 2),
    }


def _finding(told: Audit, one: Found) -> dict[str, Any]:
    place = None if one.place is None else dict(zip(("top", "left", "height", "width"), one.place, strict=True))
    return {
        "cause": one.cause,
        "classes": list(one.classes),
        "images": [told.brought.names[row] for row in one.ids],
        "p": one.p,
        "sentence": one.sentence,
        "place": place,
        "proof": None if one.proof is None else _proof(one.proof),
        "looks_like": list(one.looks_like),
    }


def _proof(proof: Transplant) -> dict[str, Any]:
    """Shares of other classes' images that are answered with the class: with what was rebuilt, and without it."""
    return {
        "images": proof.images,
        "answered": proof.found.share,
        "without": proof.without.share,
        "p": proof.p,
        "backdoor": proof.backdoor,
    }


def _network(network: Witness) -> dict[str, Any]:
    return {
        "what": network.what,
        "accuracy": network.accuracy,
        "chance": network.chance,
        "believed": network.believed,
        "side": list(network.side),
        "seconds": round(network.seconds, 2),
    }


def _planted(told: Audit, row: control.Control) -> dict[str, Any]:
    return {**asdict(row), "label": told.brought.classes[row.label]}


# --- sentences --------------------------------------------------------------------------------------------


def sentences(told: Audit) -> Iterator[str]:
    """What a person reads in a terminal: what was brought, the verdict, the findings, what would have been found."""
    yield from (plain(said, 400) for said in brought_sentences(told))
    yield told.verdict
    for one in told.findings:
        p = "" if one.p is None else f" (p = {one.p:.1g})"
        yield f"{one.cause}{p}: {one.sentence}"
    if told.control is not None:
        yield from control.sentences(told.control)
    yield from (f"note: {note}" for note in told.notes)
    yield f"{int(told.flagged.sum()):,} of {len(told.brought.labels):,} images flagged, in {told.seconds:.1f} seconds"


def brought_sentences(told: Audit) -> list[str]:
    """What was read, and what was left out."""
    brought = told.brought
    height, width = brought.images.shape[1:3] if brought.images.ndim == 4 else (0, 0)
    said = [
        f"{brought.kind}: {len(brought.labels):,} images in {len(brought.classes):,} classes, looked at as "
        f"{height} x {width} pixels"
    ]
    said += [f"{count:,} skipped: {why}" for why, count in brought.skipped.items()]
    said += [f"{one.name}: {one.why}" for one in brought.doubtful[:5]]
    if len(brought.doubtful) > 5:
        said.append(f"{len(brought.doubtful) - 5:,} more doubtful images; --json has all")
    said += [] if told.network is None else [told.network.sentence]
    return [*said, *brought.sentences]
