"""Which columns of a table are meant, by their names; refused with all names where that would be a guess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.audits.found import some
from core.types import BadRequest

PATHS = ("path", "image", "img", "file", "filename", "file_name", "filepath", "file_path", "image_path")
LABELS = ("label", "labels", "class", "target", "category", "fine_label")
SPLIT = ("split", "subset", "partition")


class Columns(NamedTuple):
    """The names of the columns of images, labels and splits, as the table spells them; None where there is none."""

    image: str
    label: str | None
    split: str | None

    def told(self) -> str:
        """In a sentence, which were taken."""
        label = f"labels from {self.label!r}" if self.label is not None else "no column names a label"
        split = f", splits from {self.split!r}" if self.split is not None else ""
        return f"Images are taken from the column {self.image!r}, {label}{split}."


def chosen(names: Sequence[str], where: Path) -> Columns:
    """The one column of each kind; BadRequest where there is none of images, or several of one kind."""
    image = _one(names, PATHS, "image's path", where)
    if image is None:
        raise BadRequest(
            f"{where} must have a column for the image, called {', '.join(PATHS[:-1])} or {PATHS[-1]}; it has "
            f"{some(names) or 'none'}"
        )
    return Columns(image, _one(names, LABELS, "label", where), _one(names, SPLIT, "split", where))


def _one(names: Sequence[str], wanted: Sequence[str], what: str, where: Path) -> str | None:
    several = [name for name in names if name.strip().lower() in wanted]
    if len(several) > 1:
        raise BadRequest(
            f"{where} must have one column for the {what}, got {some(several)}; rename or remove all but one of them "
            f"(its columns: {some(names)})"
        )
    return several[0] if several else None
