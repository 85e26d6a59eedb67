"""What a person or an address wrote, read with care: numbers in their range, names, and values as messages repeat them.

What is refused is told shortened, so that no message is as long as what it refuses. core.configuration.files reads
YAML and JSON.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from core.types import BadRequest

MOST_SHOWN = 100  # characters of a refused value that a message repeats
MOST_DIGITS = 400  # of a number; Python refuses to read or write 4,300
_WHOLE = re.compile(r"[+-]?[0-9]+")  # ASCII only: str.isdecimal and int take the digits of every script
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of the direction of what follows
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a pair, ends of lines and paragraphs


def whole(written: str, low: int, high: int, *, held: bool = False) -> int | None:
    """The whole number that ASCII digits write, if it lies in [low, high]; None for anything else.

    held: a larger one is `high` instead.
    """
    if len(written) > MOST_DIGITS or not _WHOLE.fullmatch(written):
        return None
    number = min(int(written), high) if held else int(written)
    return number if low <= number <= high else None


def real(written: str, low: float, high: float) -> float | None:
    """The finite number that is written in ASCII, if it lies in [low, high]; None for anything else."""
    if len(written) > MOST_DIGITS or not _REAL.fullmatch(written):
        return None
    number = float(written)
    return number if math.isfinite(number) and low <= number <= high else None


def shown(value: Any) -> str:
    """A value as a message repeats it: as Python writes it, shortened."""
    try:
        written = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return shortened(written)


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """The text, or its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def check_name(what: str, name: str) -> None:
    """BadRequest for characters that cannot be seen, break a line or turn the writing direction."""
    wrong = next((one for one in name if unicodedata.category(one) in _UNPRINTABLE or one in _TURNING), None)
    if wrong is not None:
        raise BadRequest(f"{what} must be printable text in one line, got the character U+{ord(wrong):04X} in it")


def texts(value: Any) -> Iterator[str]:
    """Every text in lists and mappings, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts(name)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
