"""An uploaded file as a file on the disk, for as long as it is looked at or read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import core
from core import BadRequest, PoisonscopeError, audits
from core.store import writing
from pages.parts.audit.kept import Tell, Wish

KINDS = ("zip", "npz", "parquet")
LARGEST = 50  # MB: Streamlit holds an upload in memory until the tab is closed


def recognise(file: Any) -> audits.Listing:
    """What `core.audits.recognise` says of it."""
    with _spooled(file) as place:
        return replace(audits.recognise(place), source=place.name)


def audit(file: Any, wish: Wish, tell: Tell) -> audits.Audit:
    """What `core.audit` says of it, under the file's own name."""
    with _spooled(file) as place:
        told = core.audit(place, tell=tell, keep_read=False, **wish.settings)  # the folder is another one each time
    return replace(told, brought=replace(told.brought, source=place.name))


@contextmanager
def _spooled(file: Any) -> Iterator[Path]:
    """The upload on the disk; errors name the file and no folder of ours."""
    if file.size > LARGEST << 20:
        raise BadRequest(
            f"an upload must have at most {LARGEST} MB, got {file.size / 2**20:,.0f} MB; name its path instead"
        )
    with tempfile.TemporaryDirectory(prefix="poisonscope-") as folder:
        place = Path(folder) / _named(file.name)
        with writing(place), place.open("wb") as to:
            file.seek(0)
            shutil.copyfileobj(file, to)
        try:
            yield place
        except PoisonscopeError as error:
            raise BadRequest(str(error).replace(f"{folder}/", "").replace(folder, "the upload")) from None


def _named(name: str) -> str:
    """The file's own name without what a disk could make of it, its ending kept."""
    ending = next((kind for kind in KINDS if name.lower().endswith(f".{kind}")), "zip")
    stem = Path(name.replace("\\", "/")).name[: -len(ending) - 1]
    clean = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in stem)[:60].strip(" .")
    return f"{clean or 'upload'}.{ending}"
