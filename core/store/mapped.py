"""Arrays that stay on the disk: what of a mapped file was looked at is let go, and rows go into a nameless file.

Pages of a mapped file are the system's cache and can be taken back at any time, but they count as memory of the process
that looked at them until they are.
"""

from __future__ import annotations

import math
import mmap
import shutil
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.store import home
from core.types import BadRequest


def lies_in(array: NDArray[Any]) -> mmap.mmap | None:
    """The map of the file that an array is read from, if it is one that nothing can be written through."""
    base: Any = array
    readable = False
    while isinstance(base, np.ndarray):
        readable |= isinstance(base, np.memmap) and base.mode == "r"
        base = base.base
    return base if readable and isinstance(base, mmap.mmap) else None


def let_go(array: NDArray[Any]) -> None:
    """Give back the pages of an array that is read from a file; they come again where it is looked at again."""
    found = lies_in(array)
    if found is not None and hasattr(mmap, "MADV_DONTNEED"):
        found.madvise(mmap.MADV_DONTNEED)


def on_disk(what: Any, blocks: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Blocks of rows of this dtype, or of their bytes, as one array that is read from the disk: no memory is held.

    The file lies in the folder of data and results; it has no name, and is gone when nothing refers to the array any
    more. BadRequest where there is no room for it, before anything is written. what: a name for the sentence.
    """
    dtype = np.dtype(dtype)
    size, folder = math.prod(shape) * dtype.itemsize, home.home()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise BadRequest(
            f"{what} holds {size / 1e9:,.1f} GB of numbers, which are read from the disk, and {free / 1e9:,.1f} GB are "
            f"free in {folder}; free some space, or set {home.VARIABLE} to a folder on a larger disk"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        for block in blocks:
            try:
                file.write(np.ascontiguousarray(block).data)
            except OSError as error:
                raise BadRequest(f"cannot write {size / 1e9:,.1f} GB to {folder}: {error.strerror or error}") from None
        file.flush()
        return np.asarray(np.memmap(file, dtype, "r", shape=shape))
