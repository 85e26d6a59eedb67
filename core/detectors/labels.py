"""Labels as people have them: names, ids, one-hot rows, whole floats; and rows that have none.

Everything is read by one rule: what is spelled alike is one class. Where a reading would be a guess (probabilities,
several classes a row, -1 beside nothing but 1) it is refused, with how to write what is meant.
"""

from __future__ import annotations

import numbers
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.types import BadRequest, Labels, Mask

MOST_CLASSES = 10_000  # more are ids of rows, or something measured
NO_LABEL = frozenset(("", "-1", "nan", "NaN", "None", "null", "<NA>"))  # as text; "nan" is what NumPy makes of NaN
SHOWN = 40  # characters of a value that a sentence quotes
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Labelled:
    """Labels [n] int64 dense from 0, -1 where there is none; names [k] of the classes, as they were spelled.

    unlabelled [n] bool. numbers [k] are the classes' own numbers, ascending, where they have such (ids, columns of
    one-hot rows), else None. notes are sentences on what was read: rows set apart, one-hot rows.
    """

    labels: Labels
    names: tuple[str, ...]
    unlabelled: Mask
    numbers: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


def as_labels(given: Any) -> Labelled:
    """Read labels: an array or list [n] or [n, 1] of text, bytes, bool, whole numbers of any size; or one-hot [n, k].

    -1, NaN, None and null say that a row has no label, as text also "", "nan", "NaN", "None", "null" and "<NA>"; so
    do masked values, and a one-hot row of zeros. The classes stand in natural order (2 before 10, "a2" before "a10").
    BadRequest for what can only be guessed at, and where no row has a label or more than 10,000 classes are named.
    """
    column, one_hot = _column(given)
    exact = _exact(column.dtype)
    values, places = _distinct(column)
    if not len(column):
        raise BadRequest(f"labels must have at least one row, got shape {np.shape(given)}")
    classes: list[Any] = [_read(value, exact) for value in values]
    _check_kinds(classes, values)
    present = sorted({one for one in classes if one is not None}, key=natural)
    missing = Counter(_spelled(value) for value, one in zip(values, classes, strict=True) if one is None)
    _check_classes(present, missing, len(column))
    number = {one: place for place, one in enumerate(present)}
    dense = np.array([-1 if one is None else number[one] for one in classes], np.int64)[places]
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in present)
    notes = _told_missing(int((dense < 0).sum()), missing, one_hot is not None)
    if one_hot is not None:
        notes = (f"labels are read as one-hot rows of {one_hot} classes, by column from 0", *notes)
    return Labelled(dense, tuple(map(_name, present)), dense < 0, tuple(present) if whole else None, notes)


# --- from whatever shape to one value a row ---------------------------------------------------------------


def _column(given: Any) -> tuple[NDArray[Any], int | None]:
    """The values [n], and of how many columns they were made where they were one-hot."""
    array = _array(given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return array, None
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
        return _from_one_hot(array), array.shape[1]
    hint = "; labels.reshape(-1) makes them [n]" if array.ndim > 1 and array.size == max(array.shape) else ""
    raise BadRequest(f"labels must be [n], [n, 1] or one-hot [n, k]; got shape {array.shape}{hint}")


def _array(given: Any) -> NDArray[Any]:
    if isinstance(given, np.ma.MaskedArray):
        hidden, given = np.ma.getmaskarray(given), np.ma.getdata(given).astype(object)
        given[hidden] = None  # else what lies under the mask comes
    if isinstance(given, list | tuple):
        flat = all(one is None or isinstance(one, str | bytes | numbers.Number) for one in given)
        # As objects: NumPy would make text of everything beside one text, and one length of all bytes.
        given = np.fromiter(given, object, len(given)) if flat else given
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        raise BadRequest("labels must be [n], one value a row; got rows of different lengths") from None
    if array.dtype.names is not None:
        raise BadRequest(f"labels must be one value a row, got a structured array; take a field: {array.dtype.names}")
    if array.dtype.kind not in "biufUSOT":
        raise BadRequest(f"labels must be whole numbers or text, got dtype {array.dtype}; labels.astype(str) is text")
    if array.dtype.kind in "US" and not array.dtype.itemsize and array.size:
        raise BadRequest("labels must be whole numbers or text, got text of no length")
    return array.astype(object) if array.dtype.kind == "T" else array


def _from_one_hot(array: NDArray[Any]) -> Labels:
    """The column [n] of the one in each row, -1 where all are zero."""
    ones = array == 1
    if not (ones | (array == 0)).all():
        row = int(np.flatnonzero(~(ones | (array == 0)).all(1))[0])
        raise BadRequest(
            f"labels [n, {array.shape[1]}] must be one-hot, 0 and 1 only; row {row} is not. Of probabilities, "
            "labels.argmax(1) takes the likeliest class"
        )
    several = np.flatnonzero(ones.sum(1) > 1)
    if len(several):
        raise BadRequest(
            f"labels [n, {array.shape[1]}] must be one-hot; {len(several):,} rows have several classes, the first is "
            f"row {several[0]}. An image has one: choose it, or score each column as labels of its own"
        )
    return np.where(ones.any(1), ones.argmax(1), -1).astype(np.int64)


def _distinct(column: NDArray[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The different values as Python has them, and the place of each row's among them, [n]."""
    if column.dtype.kind in "biuf":
        found, places = np.unique(column, return_inverse=True)
        return found.tolist(), places.reshape(-1)
    seen: dict[tuple[type, Any], int] = {}
    places = np.empty(len(column), np.int64)
    for row, value in enumerate(column.tolist()):
        value = value.item() if isinstance(value, np.generic) else value
        try:
            value = None if _missing(value) else value
            places[row] = seen.setdefault((type(value), value), len(seen))
        except (TypeError, ValueError):  # a list, a dict, an array: no single value
            raise BadRequest(f"labels must be one value a row, row {row} is a {type(value).__name__}") from None
    return [value for _, value in seen], places


# --- from a value to a class ------------------------------------------------------------------------------


def _missing(value: Any) -> bool:
    """Whether an object is one of the ways to say that nothing is there: None, NaN, pandas' NA and NaT."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _exact(dtype: np.dtype[Any]) -> int:
    """The whole numbers below which a float of this dtype tells all of them apart."""
    return 1 << (np.finfo(dtype).nmant + 1) if dtype.kind == "f" else 1 << 53


def _read(value: Any, exact: int) -> Any:
    """The class of a value: an int, a bool, text or bytes; None where it is no label."""
    if _missing(value):
        return None
    if isinstance(value, str):
        return None if value in NO_LABEL else value
    if isinstance(value, bytes):
        return None if value.decode(errors="replace") in NO_LABEL else value
    if isinstance(value, bool):
        return value
    if not isinstance(value, numbers.Real):
        raise BadRequest(f"labels must be whole numbers or text, got a {type(value).__name__}: {_spelled(value)}")
    if not isinstance(value, numbers.Integral):
        value = float(value)
        if not value.is_integer():
            raise BadRequest(
                f"labels must be whole numbers or text, got {value:g}. Round them, or take the likeliest class of "
                "probabilities [n, k] by argmax(1)"
            )
        if abs(value) >= exact:
            raise BadRequest(
                f"labels as floats must be below {exact:,}, where each whole number has a float of its own, got "
                f"{value:.0f}; save such ids as integers or text"
            )
    if value < -1:
        raise BadRequest(
            f"labels must be whole numbers of at least 0, -1 for no label, or text; got {int(value)}. Write -1 where "
            "there is no label; where it is a class, labels.astype(str) makes a name of it"
        )
    return None if value == -1 else int(value)


def _check_kinds(classes: Iterable[Any], values: Iterable[Any]) -> None:
    """BadRequest where text and numbers stand side by side: is 3 the class "3"?"""
    first: dict[str, Any] = {}
    for one, value in zip(classes, values, strict=True):
        if one is not None:
            first.setdefault(_KINDS[type(one)], value)
    if len(first) > 1:
        said = " and ".join(f"{kind} ({_spelled(value)})" for kind, value in first.items())
        raise BadRequest(f"labels must be of one kind, got {said}; write all of them as text")


_KINDS = {int: "numbers", bool: "True and False", str: "text", bytes: "bytes"}


def _check_classes(present: list[Any], missing: Counter[str], rows: int) -> None:
    if not present:
        raise BadRequest(f"no row has a label; all are {_listed(missing)}")
    if "-1" in missing and len(present) == 1 and _name(present[0]) == "1":
        raise BadRequest(
            "labels are 1 and -1 only, and -1 is read as no label; where both are classes, write 0 and 1, or names"
        )
    if len(present) > MOST_CLASSES:
        raise BadRequest(
            f"labels must name at most {MOST_CLASSES:,} classes, got {len(present):,} in {rows:,} rows; are these the "
            "rows' own ids, or something measured?"
        )


def natural(one: Any) -> tuple[Any, ...]:
    """What to sort classes by: numbers by size, text with the numbers in it by size."""
    if isinstance(one, int):
        return (one,)
    parts = _DIGITS.split(_name(one))
    # By length first, not as int: a thousand digits are no number that Python reads at once.
    keys = [
        (len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part.casefold())
        for place, part in enumerate(parts)
    ]
    return (keys, _name(one), repr(one))


def _name(one: Any) -> str:
    return one.decode(errors="backslashreplace") if isinstance(one, bytes) else str(one)


def _spelled(value: Any) -> str:
    """A value as a sentence quotes it: a float that is whole as the number, text in quotes where it is not -1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        value = _name(value)
    text = repr(value) if isinstance(value, str) and value != "-1" else str(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _listed(missing: Iterable[str]) -> str:
    return ", ".join(sorted(missing))


def _told_missing(count: int, missing: Counter[str], one_hot: bool) -> tuple[str, ...]:
    if not count:
        return ()
    spelled = "all zero" if one_hot else _listed(missing)
    return (f"{count:,} {'row has' if count == 1 else 'rows have'} no label ({spelled}) and no score",)
