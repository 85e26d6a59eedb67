"""Reading a set of files on all nodes of a Ray cluster that see it at the same path.

One task a block of files. What nodes have put onto the set's shelf is found there, by whoever asks again, too; what
they could not read is left to the machine that asks, and so is what lies in an archive or a table. Ray gives the blocks
of a node that died to others.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import PIL

from core.audits import blocks
from core.audits.found import Fault, Stamp
from core.audits.known import BLOCK_BYTES, BLOCK_ROWS, PIXELS, VARIABLE, Heads, Rows
from core.clusters import Place, connected, reason, seen_by_all, stop
from core.store import Share, Shelf, Store
from core.types import BadRequest, PoisonscopeError

POLL = 0.5  # seconds between looks at the tasks
HEADS_AT_A_TIME = 8_192
PARTS = 16  # of what there is, at least, so that all nodes have something to do

Tell = Callable[[float], None]
log = logging.getLogger(__name__)


class Spread:
    """A cluster, and the set that is read there: its shelf, and what to tell the nodes of both."""

    def __init__(self, where: Place, source: str, shelf: Shelf, store: Store) -> None:
        self.where, self.source, self.shelf, self.store = where, source, shelf, store
        self.share = None if where.share is None else Share(where.share)
        if self.share is not None:
            self.share.check()

    def heads(self, files: Sequence[str | Fault], marks: Sequence[Stamp], heads: Heads, tell: Tell) -> None:
        """Look at the heads that are not known, and note them."""
        todo = _able(files, [place for place, mark in enumerate(marks) if mark and mark not in heads.sizes])
        parts = list(_parts(todo, HEADS_AT_A_TIME))
        asked = [{"key": str(number), "files": [files[place] for place in part]} for number, part in enumerate(parts)]
        for number, found in self._carried_out(blocks.sizes_of, asked, tell):
            for place, size in zip(parts[number], found, strict=True):
                if size is not None:
                    heads.note(marks[place], (size[0], size[1]))

    def pictures(self, files: Sequence[str | Fault], rows: Rows, tell: Tell) -> None:
        """Read what is missing, and bring it onto the shelf."""
        todo = _able(files, [place for place in rows.missing() if rows.stamps[place]])
        most = min(BLOCK_ROWS, max(1, BLOCK_BYTES // rows.images[0].nbytes))
        needed = len(todo) * rows.images[0].nbytes
        if todo and not self.shelf.room(needed):
            raise BadRequest(
                f"what the cluster reads comes here by way of the store and takes {needed / 1e9:,.1f} GB of it; "
                f"{self.shelf.trouble} ({VARIABLE} says how much)"
            )
        asked = list[dict[str, Any]]()
        for part in _parts(todo, most):
            paths, marks = [str(files[place]) for place in part], [rows.stamps[place] for place in part]
            key = blocks.name_of(self.shelf.folder.name, paths, marks, rows.shape)
            if not self._fetched(key):
                asked.append(
                    {"key": key, "files": paths, "stamps": [mark.hex() for mark in marks], "shape": list(rows.shape)}
                )
        for number, _ in self._carried_out(blocks.read_block, asked, tell):
            self._fetched(asked[number]["key"])

    def _fetched(self, key: str) -> bool:
        """Whether a block is here, or was in the share and is here now."""
        if self.share is None or self.shelf.store.has(PIXELS, key):
            return self.shelf.store.has(PIXELS, key)
        with suppress(PoisonscopeError, OSError):
            return self.share.fetch(PIXELS, key, self.shelf.store) is not None
        return False

    def _carried_out(
        self, work: Callable[[str], str], asked: Sequence[dict[str, Any]], tell: Tell
    ) -> Iterator[tuple[int, Any]]:
        """What tasks come to, with their numbers, in the order in which they end; tell may raise to end them all."""
        if not asked:
            return
        with connected(self.where) as ray, seen_by_all(self.store) as token:
            node = {
                "source": self.source, "share": self.where.share, "token": token, "store": str(self.store.folder),
                "shelf": self.shelf.folder.name, "most": self.shelf.most, "pillow": PIL.__version__,
            }  # fmt: skip
            task = ray.remote(work).options(num_cpus=self.where.cpus, max_retries=self.where.retries)
            running = {task.remote(json.dumps({**node, **one})): number for number, one in enumerate(asked)}
            try:
                while running:
                    ready, _ = ray.wait(list(running), timeout=POLL)
                    for one in ready:
                        yield running.pop(one), _outcome(ray, one)
                    tell(1 - len(running) / len(asked))
            finally:
                stop(ray, list(running))


def _outcome(ray: Any, task: Any) -> Any:
    try:
        said = json.loads(ray.get(task))
    except ray.exceptions.RayError as error:  # its nodes died, once too often, or its process did
        raise PoisonscopeError(f"the cluster could not read it: {reason(ray, error)}; what was read is kept") from None
    if "error" in said:
        raise BadRequest(said["error"])
    return said["found"]


def _able(files: Sequence[str | Fault], places: Sequence[int]) -> list[int]:
    return [place for place in places if not isinstance(files[place], Fault)]


def _parts(places: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    """Places in parts of at most so many, and in several parts even where there are few."""
    step = max(1, min(most, -(-len(places) // PARTS)))
    for begins in range(0, len(places), step):
        yield places[begins : begins + step]
