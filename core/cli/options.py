"""What options of a command line mean: name=value pairs, files, triggers with their settings."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from core.configuration import pictures, reading
from core.types import BadRequest


def settings(given: list[str] | None) -> dict[str, Any]:
    """name=value pairs; a value is JSON where it reads as JSON, and a word otherwise; @file: the file, in base64.

    Of a name that stands twice the last one counts, as with any option.
    """
    settings: dict[str, Any] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadRequest(f"a setting must be name=value, got {reading.shown(pair)}")
        if value.startswith("@"):
            settings[name] = file(Path(value[1:]))
            continue
        try:
            settings[name] = json.loads(value)
        except (ValueError, RecursionError):  # the latter from brackets without end
            settings[name] = value
    return settings


def trigger(given: str) -> dict[str, Any]:
    """A trigger with its settings: name,setting=value,..."""
    name, *pairs = given.split(",")
    return {"trigger": name, "parameters": settings(pairs)}


def files(given: list[str] | None) -> dict[str, str]:
    """name=path pairs."""
    pairs = [pair.partition("=") for pair in given or []]
    if wrong := ["".join(pair) for pair in pairs if not pair[1] or not pair[2]]:
        raise BadRequest(f"evidence must be name=file.npy, got {reading.shown(wrong[0])}")
    return {name: path for name, _, path in pairs}


def file(path: Path) -> str:
    """A small file's content in base64: a picture, say."""
    try:
        if path.stat().st_size > pictures.MAX_BYTES:
            raise BadRequest(f"{path} must have at most {pictures.MAX_BYTES:,} bytes, got {path.stat().st_size:,}")
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {error.strerror}") from None
