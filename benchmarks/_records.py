"""Records that grow with every measurement, so that a program can be stopped and started at will."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def opened(path: Path, setting: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the file holds, or an empty record with its setting and nothing of its kind; exits on another setting."""
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"setting": setting, kind: {}}
    if record["setting"] != setting:
        raise SystemExit(f"{path} is of {record['setting']}, and this would be {setting}: name another file --to")
    return record


def keep(path: Path, record: dict[str, Any]) -> None:
    """Write a record down; what was there stays until it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n")
    partial.replace(path)
