"""`python -m core prove`: the trigger of a run's flagged images rebuilt, and what the run's network answers to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.terminal import out
from core.configuration import RunConfig, class_names, class_number
from core.evaluation.figures import share

if TYPE_CHECKING:
    from core.doors import Proof

LabelName = Annotated[str | None, typer.Option("--label", help="The class; the most suspected one if left out.")]
Others = Annotated[int, typer.Option(min=1, max=999, help="So many rearranged patterns to compare with.")]


def prove(config: RunConfig, label: str | None, others: int, as_json: bool) -> None:
    """Print what is proved of a run, by `core.prove`; label by name or number."""
    from core import doors

    number = None if label is None else class_number(config.dataset.name, label)
    proof = doors.prove(config, number, others=others)
    name = None if proof.label < 0 else class_names(config.dataset.name)[proof.label]
    if as_json:
        print(json.dumps(document(proof, name)))
    else:
        out.print("\n".join(told(proof, name)), markup=False, highlight=False, soft_wrap=True)


def document(proof: Proof, name: str | None) -> dict[str, Any]:
    """A proof as one flat object; shares in [0, 1], None where there is nothing to say."""
    rebuilt, answered = proof.rebuilt, proof.transplant
    seen = {part: None if rebuilt is None else getattr(rebuilt, part) for part in ("kind", "place", "strength")}
    if answered is None:
        return {"class": name, **seen, "reason": proof.reason, "backdoor": None}
    return {
        "class": name,
        **seen,
        "reason": None,
        "backdoor": answered.backdoor,
        "p": answered.p,
        "images": answered.images,
        "answered": answered.found.share,
        "answered_bare": answered.without.share,
        "answered_others": [other.share for other in answered.others],
        "answered_true_trigger": None if answered.true is None else answered.true.share,
    }


def told(proof: Proof, name: str | None) -> list[str]:
    """A proof in a few lines."""
    rebuilt, answered = proof.rebuilt, proof.transplant
    if rebuilt is None or answered is None:
        return [f"nothing was rebuilt{f' of class {name}' if name else ''}: {proof.reason}"]
    top, left, height, width = rebuilt.place
    said = "a backdoor" if answered.backdoor else "a mark, and no backdoor as far as this network shows"
    highest = max(other.share for other in answered.others)
    return [
        f"class {name}: {rebuilt.kind}, {height} x {width} pixels from row {top}, column {left}",
        f"laid on {answered.images:,} images of other classes: {share(answered.found.share)} are answered {name}, "
        f"{share(answered.without.share)} without it, "
        f"at most {share(highest)} with {len(answered.others)} others like it",
        f"{said} (p = {answered.p:.2g})",
    ]
