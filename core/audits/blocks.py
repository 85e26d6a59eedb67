"""A block of a set's files, read on a node of a cluster: what a task does there, and what it says.

Paths and sizes travel by Ray, as JSON; pixels go onto the set's shelf, in the folder that all nodes share, or through a
share. A block is called by its files, so that whoever comes after a node that died finds what that has put there.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import PIL

from core.audits import decoding, known
from core.audits.folders import opened
from core.audits.found import Fault, Stamp
from core.audits.known import PIXELS, Rows, Shape
from core.configuration import stages
from core.store import Share, Shelf, Store
from core.types import BadRequest, PoisonscopeError

log = logging.getLogger(__name__)


def name_of(shelf: str, files: Sequence[str], marks: Sequence[Stamp], shape: Shape) -> str:
    """The name of a block of files, of a set's shelf."""
    return stages.stage_key(
        PIXELS, shelf=shelf, files=list(files), stamps=[mark.hex() for mark in marks], shape=list(shape)
    )


def sizes_of(asked: str) -> str:
    """A task: [height, width] of each of some files, null where there is no head, as JSON `{"found": [...]}`.

    asked: JSON of source, pillow, key and files. Whatever goes wrong is told as `{"error": a sentence}`.
    """
    return _told(json.loads(asked), "heads", _sizes)


def read_block(asked: str) -> str:
    """A task: a block of files, decoded and put on its shelf; how many, as JSON `{"found": 12}`, 0 if it was there.

    asked: JSON of source, pillow, key, files, their stamps (hex), shape, shelf, store, most, token and share (null
    where nodes share the store's folder). Whatever goes wrong is told as `{"error": a sentence}`.
    """
    return _told(json.loads(asked), "block", _block)


def _told(here: dict[str, Any], what: str, work: Any) -> str:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    node = _here_is()
    log.info("begins %s %s on %s", what, here["key"], node)
    try:
        if not Path(here["source"]).exists():
            raise BadRequest(f"does not see {here['source']}; put the set where all nodes have it at the same path")
        if PIL.__version__ != here["pillow"]:
            raise BadRequest(
                f"has Pillow {PIL.__version__}, which may read other pixels than {here['pillow']} of the machine that "
                "asks; both need the same, as constraints.txt has it"
            )
        return json.dumps({"found": work(here)})
    except PoisonscopeError as error:
        return json.dumps({"error": f"the node {node} {error}"})
    except Exception as error:  # a full disk, no memory, a share that is away: it is told in words, whatever it is
        log.exception("%s %s failed", what, here["key"])
        return json.dumps({"error": f"the node {node} could not read it: {type(error).__name__}: {error}"})


def _here_is() -> str:
    """This node's address."""
    return str(importlib.import_module("ray.util").get_node_ip_address())


def _sizes(here: dict[str, Any]) -> list[Shape | None]:
    return [_size(path) for path in here["files"]]


def _size(path: str) -> Shape | None:
    try:
        return decoding.head(opened(path))
    except BadRequest:
        return None


def _block(here: dict[str, Any]) -> int:
    shape: Shape = (here["shape"][0], here["shape"][1])
    if here["share"] is None:
        return _put(here, shape, _here(here))
    share = Share(here["share"])
    if share.holds(PIXELS, here["key"]):
        return 0
    with tempfile.TemporaryDirectory() as own:
        shelf = Shelf(Store(Path(own)), here["shelf"], float("inf"))
        count = _put(here, shape, shelf)
        made = shelf.store.read(PIXELS, here["key"])
        if made is not None:
            share.send(made, PIXELS, here["key"])
    return count


def _here(here: dict[str, Any]) -> Shelf:
    """The set's shelf in the folder that all share."""
    if not Path(here["token"]).exists():
        raise BadRequest(
            f"does not see the folder {here['store']} of the machine that asks; give the cluster a share=URL, or put "
            "the home of both on a file system that they share"
        )
    return Shelf(Store(Path(here["store"])), here["shelf"], here["most"])


def _put(here: dict[str, Any], shape: Shape, shelf: Shelf) -> int:
    """Read the files of a block and put them onto a shelf, unless they are there; how many were decoded."""
    if shelf.store.has(PIXELS, here["key"]):
        return 0
    marks = [bytes.fromhex(mark) for mark in here["stamps"]]
    rows = Rows(marks, len(marks), shape)
    for place, path in enumerate(here["files"]):
        file = opened(path)
        if not isinstance(file, Fault):
            decoding.into(rows, place, file)
    able = [place for place, mode in enumerate(rows.modes) if mode is not None]
    if able:
        known.put(shelf, rows, able, here["key"])
        if shelf.trouble:
            raise PoisonscopeError(f"could not keep what it read: {shelf.trouble}")
        log.info("stored %s %s", PIXELS, here["key"])
    return len(able)
