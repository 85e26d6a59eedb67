"""How much an archive may hold and unpack to; BadRequest in a sentence, before any of it is unpacked."""

from __future__ import annotations

from pathlib import Path

from core.audits.found import MOST_ENTRIES
from core.configuration import pictures, reading
from core.detectors import free_memory
from core.types import BadRequest

MOST_MEMBER = pictures.MOST_BYTES  # of one file, unpacked
MOST_TOTAL = 64e9  # bytes of all files, unpacked
TIMES_FREE = 4  # as much as the free memory: pictures are read one at a time and held smaller
MOST_RATIO, SMALL = 200, 2**20  # unpacked to packed, of files larger than that; a picture is packed in itself


def check_count(path: Path, entries: int) -> None:
    """Not more entries than 2,000,000."""
    if entries > MOST_ENTRIES:
        raise BadRequest(f"{path} must have at most {MOST_ENTRIES:,} entries, got {entries:,} or more")


def check_member(path: Path, name: str, unpacked: int, packed: int) -> None:
    """No file larger than 64 MiB, none that unpacks to more than 200 times its size."""
    where = f"{path} must hold files"
    if unpacked > MOST_MEMBER:
        raise BadRequest(
            f"{where} of at most {MOST_MEMBER >> 20} MiB each, got {unpacked / 2**20:,.0f} MiB in "
            f"{reading.shortened(name)}"
        )
    if unpacked > SMALL and unpacked > MOST_RATIO * packed:
        raise BadRequest(
            f"{where} that unpack to at most {MOST_RATIO} times their size, got {unpacked / max(1, packed):,.0f} times "
            f"in {reading.shortened(name)}; archives are made so to overwhelm"
        )


def check_total(path: Path, unpacked: int) -> None:
    """No more bytes in all than 64 GB, or four times the memory that is free."""
    free = free_memory()
    most = MOST_TOTAL if free is None else min(MOST_TOTAL, TIMES_FREE * free)
    if unpacked > most:
        raise BadRequest(f"{path} must unpack to at most {most / 1e9:,.0f} GB here, got {unpacked / 1e9:,.0f} GB")


def check_ratio(path: Path, unpacked: int, packed: int) -> None:
    """What was unpacked so far of a compressed archive is not more than 200 times what that took."""
    if unpacked > 16 * SMALL and unpacked > MOST_RATIO * packed:
        raise BadRequest(
            f"{path} must unpack to at most {MOST_RATIO} times its size, got {unpacked / max(1, packed):,.0f} times; "
            "archives are made so to overwhelm"
        )
