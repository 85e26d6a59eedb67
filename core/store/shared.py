"""Artefacts in a place that several machines reach, by fsspec: object storage, or any file system that it knows.

    <url>/<stage>/<key>/<seal>/   an artefact's files; the seal is the one of its DONE marker
    <url>/<stage>/<key>/DONE      the marker, put there last

So a half-sent artefact is none, two machines that send the same one do not mix their files, and whoever fetches one
checks it by the digests in its marker.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.store.artefacts import DONE, Array, Artefact, read_marker
from core.store.stores import Store
from core.types import BadRequest, DamagedArtefact

log = logging.getLogger(__name__)


def checked_url(url: str) -> str:
    """The same text, if it can be a share's; without a protocol each process would take it for a folder of its own."""
    protocol, there, rest = url.partition("://")
    if not (protocol and there and rest):
        raise BadRequest(f"a share is a URL, such as s3://bucket/folder or file:///folder, got {url!r}")
    return url


class Share:
    """The artefacts below a URL, such as s3://bucket/folder; BadRequest where fsspec cannot use it."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = checked_url(url)
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except Exception as error:  # an unknown protocol, a missing package or option, a host that does not answer
            raise BadRequest(f"{url!r} cannot be used as a share: {error}") from None

    def check(self) -> None:
        """Look there; BadRequest where it cannot be reached."""
        try:
            self._files.exists(self._root)
        except Exception as error:  # each file system has its own
            raise BadRequest(f"{self.url!r} cannot be reached: {type(error).__name__}: {error}") from None

    def holds(self, stage: str, key: str) -> bool:
        """Whether a whole artefact is there; its files are not read."""
        return self._marker(stage, key) is not None

    def send(self, artefact: Artefact, stage: str, key: str) -> None:
        """Put an artefact there, its marker last; one that is there already is replaced."""
        marker = (artefact.folder / DONE).read_bytes()
        done = json.loads(marker)
        place = f"{self._place(stage, key)}/{done['seal']}"
        self._files.makedirs(place, exist_ok=True)
        for name in done["files"]:
            self._files.put_file(str(artefact.folder / name), f"{place}/{name}")
        self._files.pipe_file(f"{self._place(stage, key)}/{DONE}", marker)

    def fetch(self, stage: str, key: str, store: Store) -> Artefact | None:
        """An artefact, checked and put into a store; None where there is none, or a damaged one (forgotten then)."""
        marker = self._marker(stage, key)
        if marker is None:
            return None
        done = json.loads(marker)

        def fill(folder: Path) -> None:
            for name in done["files"]:
                if Path(name).name != name:
                    raise DamagedArtefact(f"it names a file {name!r}")
                self._files.get_file(f"{self._place(stage, key)}/{done['seal']}/{name}", str(folder / name))
            (folder / DONE).write_bytes(marker)

        try:
            return store.take(stage, key, fill)
        except (DamagedArtefact, FileNotFoundError) as damage:
            log.warning("%s %s at %s is damaged and is not used: %s", stage, key, self.url, damage)
            self.forget(stage, key)
            return None

    def forget(self, stage: str, key: str) -> None:
        """Take an artefact's marker away, if it is there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._place(stage, key)}/{DONE}")

    def _place(self, stage: str, key: str) -> str:
        return f"{self._root.rstrip('/')}/{stage}/{key}"

    def _marker(self, stage: str, key: str) -> bytes | None:
        """The marker of an artefact; None where there is none, or half of one (it may just be under way)."""
        try:
            content: bytes = self._files.cat_file(f"{self._place(stage, key)}/{DONE}")
            read_marker(content, stage, key)
        except (FileNotFoundError, DamagedArtefact):
            return None
        return content


class SharedStore(Store):
    """A machine's own store that fetches from a share what it lacks, and sends there what it makes.

    Stages in `own` stay here. touched: the artefacts (stage, key) that were read or written through this object.
    """

    def __init__(self, share: Share, folder: Path | None = None, own: Collection[str] = ()) -> None:
        super().__init__(folder)
        self.share, self._own = share, own
        self.touched: set[tuple[str, str]] = set()

    def read(self, stage: str, key: str) -> Artefact | None:
        """A checked artefact from here or from the share; one that only was here is sent there."""
        found = super().read(stage, key)
        if stage in self._own:
            return found
        if found is None:
            found = self.share.fetch(stage, key, self)
        elif (stage, key) not in self.touched and not self.share.holds(stage, key):
            self.share.send(found, stage, key)
        if found is not None:
            self.touched.add((stage, key))
        return found

    def write(
        self,
        stage: str,
        key: str,
        *,
        arrays: Mapping[str, Array] | None = None,
        weights: Mapping[str, Array] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> Artefact:
        """Store a result here and in the share."""
        written = super().write(stage, key, arrays=arrays, weights=weights, document=document)
        if stage not in self._own:
            self.share.send(written, stage, key)
            self.touched.add((stage, key))
        return written
