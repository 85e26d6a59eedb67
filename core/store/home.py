"""Where everything lives: one folder a user, POISONSCOPE_HOME overriding the platform's default."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import user_data_path

from core.types import BadRequest

VARIABLE = "POISONSCOPE_HOME"


def home() -> Path:
    """The folder of data, runs and ledger, made if missing."""
    chosen = os.environ.get(VARIABLE)
    try:
        folder = Path(chosen).expanduser() if chosen else user_data_path("poisonscope", appauthor=False)
    except RuntimeError as error:  # ~somebody who is unknown here
        raise BadRequest(f"{VARIABLE} cannot be {chosen!r}: {error}") from None
    try:
        if not folder.is_dir():  # to look is quicker than to try, and every question to the ledger begins here
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"{folder} cannot be the folder of data and results: {error.strerror or error}; "
                         f"set {VARIABLE} to one that can be written") from None  # fmt: skip
    return folder.resolve()


def data_folder() -> Path:
    """Data sets, one folder each."""
    return home() / "data"


def store_folder() -> Path:
    """Artefacts by stage and key."""
    return home() / "store"


def ledger_file() -> Path:
    """The SQLite ledger of runs."""
    return home() / "ledger.sqlite"


def log_folder() -> Path:
    """Logs of the worker processes."""
    return home() / "logs"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut; Windows does so by itself."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
