"""What a detector said, as the store keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.store import Artefact, Store
from core.types import Detection, Finding


def asked(
    store: Store,
    detector: str,
    keys: Mapping[str, str],
    compute: Callable[[Mapping[str, Detection]], Detection | None],
    put: Callable[[Store, str, Detection], None] | None = None,
) -> Detection | None:
    """What a detector says: as the store has it, or computed now and kept there with what its parts say.

    keys: of the detector and of its parts, by their names. compute gets what is kept of the parts, and may have nothing
    to say. put: what keeps a detection, by default `keep`.
    """
    found, put = kept(store, keys[detector]), put or keep
    if found is not None:
        return found
    before = {name: part for name, key in keys.items() if name != detector and (part := kept(store, key))}
    found = compute(before)
    if found is not None:
        put(store, keys[detector], found)
        for name in set(found.parts) - set(before):
            put(store, keys[name], found.parts[name])
    return found


def kept(store: Store, key: str) -> Detection | None:
    """What is kept under a key, without its `parts`; None where nothing is."""
    known = store.read("scores", key)
    return None if known is None else _detection(known)


def keep(store: Store, key: str, found: Detection) -> None:
    """Keep a detection, without its `parts`."""
    arrays = {"scores": found.scores}
    for name in ("class_statistic", "spectrum", "cut", "unjudged", "class_p"):
        if getattr(found, name) is not None:
            arrays[name] = getattr(found, name)
    document: dict[str, Any] = {"class_threshold": found.class_threshold, "arrays": sorted(arrays)}
    if found.notes:
        document["notes"] = list(found.notes)
    if found.findings:
        document["findings"] = [_plain(finding) for finding in found.findings]
        arrays["finding_ids"] = np.concatenate([finding.ids for finding in found.findings])
    store.write("scores", key, arrays=arrays, document=document)


def _detection(artefact: Artefact) -> Detection:
    present = artefact.document["arrays"]
    return Detection(
        scores=artefact.array("scores"),
        class_statistic=artefact.array("class_statistic") if "class_statistic" in present else None,
        class_threshold=artefact.document["class_threshold"],
        spectrum=artefact.array("spectrum") if "spectrum" in present else None,
        cut=artefact.array("cut") if "cut" in present else None,
        unjudged=artefact.array("unjudged") if "unjudged" in present else None,
        notes=tuple(artefact.document.get("notes", ())),
        class_p=artefact.array("class_p") if "class_p" in present else None,
        findings=_findings(artefact),
    )


def _plain(finding: Finding) -> dict[str, Any]:
    """A finding as JSON, with the number of its images in place of their ids."""
    return {**asdict(finding), "ids": len(finding.ids)}


def _findings(artefact: Artefact) -> tuple[Finding, ...]:
    told = artefact.document.get("findings", ())
    if not told:
        return ()
    parts = np.split(artefact.array("finding_ids"), np.cumsum([one["ids"] for one in told])[:-1])
    places = [one["place"] and tuple(one["place"]) for one in told]
    return tuple(
        Finding(**{**one, "ids": ids, "place": place}) for one, ids, place in zip(told, parts, places, strict=True)
    )
