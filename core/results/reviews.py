"""Verdicts of people on images, kept in the ledger: by run, reviewer and image, with a note and the time.

They outlive the screen and the server. A verdict is one row, written in one transaction, so two tabs or two
reviewers never lose each other's. How far verdicts agree with the truth, or with each other, is counted here.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.configuration import RunConfig, stages
from core.jobs import open_table
from core.types import BadRequest, Mask

VERDICTS = ("poisoned", "clean", "unsure")
NAME_LIMIT, NOTE_LIMIT = 40, 1_000  # characters

_COLUMNS = """
    run TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    image INTEGER NOT NULL,
    verdict TEXT CHECK (verdict IN ('poisoned', 'clean', 'unsure')),
    note TEXT NOT NULL DEFAULT '',
    time REAL NOT NULL,
    PRIMARY KEY (run, reviewer, image)"""


@dataclass(frozen=True)
class Review:
    """What a reviewer said of an image (its id in the poisoned set); verdict None where there is only a note."""

    image: int
    reviewer: str
    verdict: str | None
    note: str
    time: float


@dataclass(frozen=True)
class Agreement:
    """How often verdicts "poisoned" and "clean" agree with a second opinion, over the images that have both.

    counts[verdict][opinion]; share is None where nothing can be compared, kappa (Cohen 1960, agreement beyond
    chance, 1 = full) also where both sides only ever say one and the same thing.
    """

    counts: Mapping[str, Mapping[str, int]]
    compared: int
    share: float | None
    kappa: float | None


def judge(
    run: str, images: Iterable[int], verdict: str | None, reviewer: str, *, overwrite: bool = True
) -> dict[int, str | None]:
    """Give images of a run (by its key) one verdict, or take it back with None; notes stay.

    overwrite: False leaves images alone that have another verdict of this reviewer. Returns what the images that have
    changed had before, for `restore`. BadRequest for a verdict or a name that is none.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise BadRequest(f"a verdict is one of {', '.join(VERDICTS)}, got {verdict!r}")
    name = reviewer_name(reviewer)
    with _table(write=True) as table:
        given = _given(table, run, name)
        before = {int(image): given.get(int(image)) for image in images}
        before = {id: had for id, had in before.items() if had != verdict and (overwrite or had is None)}
        _write(table, run, name, dict.fromkeys(before, verdict))
    return before


def restore(run: str, before: Mapping[int, str | None], verdict: str | None, reviewer: str) -> list[int]:
    """Take back a `judge` that gave images this verdict: each gets what it had. Returns which images did.

    One that has been judged otherwise since, in another window, say, stays as it is.
    """
    name = reviewer_name(reviewer)
    with _table(write=True) as table:
        given = _given(table, run, name)
        back = {id: had for id, had in before.items() if given.get(id) == verdict}
        _write(table, run, name, back)
    return list(back)


def _given(table: sqlite3.Connection, run: str, reviewer: str) -> dict[int, str]:
    rows = table.execute(
        "SELECT image, verdict FROM reviews WHERE run = ? AND reviewer = ? AND verdict IS NOT NULL", (run, reviewer)
    )
    return {row["image"]: row["verdict"] for row in rows}


def _write(table: sqlite3.Connection, run: str, reviewer: str, verdicts: Mapping[int, str | None]) -> None:
    now = time.time()
    table.executemany(
        "INSERT INTO reviews (run, reviewer, image, verdict, time) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET verdict = excluded.verdict, time = excluded.time",
        [(run, reviewer, image, verdict, now) for image, verdict in verdicts.items()],
    )
    _strike_empty(table, run, reviewer)


def annotate(run: str, image: int, note: str, reviewer: str) -> None:
    """Put a note to an image, or take it away with an empty one; the verdict stays. BadRequest where too long."""
    name, text = reviewer_name(reviewer), note.strip()
    if len(text) > NOTE_LIMIT:
        raise BadRequest(f"a note has at most {NOTE_LIMIT:,} characters, got {len(text):,}")
    with _table(write=True) as table:
        table.execute(
            "INSERT INTO reviews (run, reviewer, image, note, time) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET note = excluded.note, time = excluded.time",
            (run, name, int(image), text, time.time()),
        )
        _strike_empty(table, run, name)


def _strike_empty(table: sqlite3.Connection, run: str, reviewer: str) -> None:
    table.execute(
        "DELETE FROM reviews WHERE run = ? AND reviewer = ? AND verdict IS NULL AND note = ''", (run, reviewer)
    )


def of(run: str, reviewer: str | None = None) -> list[Review]:
    """A run's reviews by one reviewer, or by all, in the order of reviewer and image."""
    with _table() as table:
        rows = table.execute(
            "SELECT image, reviewer, verdict, note, time FROM reviews WHERE run = ?1 AND (?2 IS NULL OR reviewer = ?2)"
            " ORDER BY reviewer, image",
            (run, reviewer),
        ).fetchall()
    return [Review(**row) for row in rows]


def desk(config: RunConfig) -> str:
    """What a run's reviews are kept under: its key, or that of the run whose cut a keep-list of its stands in for.

    So verdicts stand beside the run that was trained with them, too, and further ones go on from there.
    """
    return stages.run_key(config.base)


def verdicts(run: str, reviewer: str) -> dict[int, str]:
    """A reviewer's verdicts on a run's images, by id; none for a name that nobody has."""
    return {one.image: one.verdict for one in of(run, reviewer_name(reviewer)) if one.verdict is not None}


def reviewer_name(name: str) -> str:
    """A reviewer's name without needless spaces; BadRequest where it is none."""
    neat = " ".join(name.split())
    if not neat or len(neat) > NAME_LIMIT or not neat.isprintable():
        raise BadRequest(f"a reviewer's name has 1 to {NAME_LIMIT} printable characters, got {name[:60]!r}")
    return neat


def with_truth(reviews: Iterable[Review], poisoned: Mask) -> Agreement:
    """Verdicts against the truth [n] bool: the second opinion is "poisoned" or "benign"."""
    pairs = [
        (review.verdict, "poisoned" if poisoned[review.image] else "benign")
        for review in reviews
        if review.verdict is not None and 0 <= review.image < len(poisoned)
    ]
    return _agreement(pairs, ("poisoned", "benign"))


def between(first: Iterable[Review], second: Iterable[Review]) -> Agreement:
    """One reviewer's verdicts against another's, over the images that both judged."""
    others = {review.image: review.verdict for review in second}
    pairs = [(review.verdict, others.get(review.image)) for review in first]
    return _agreement([(one, other) for one, other in pairs if one and other], VERDICTS)


def _agreement(pairs: list[tuple[str, str]], opinions: tuple[str, ...]) -> Agreement:
    counts = {verdict: {opinion: pairs.count((verdict, opinion)) for opinion in opinions} for verdict in VERDICTS}
    decided = [(v == "poisoned", o == "poisoned") for v, o in pairs if "unsure" not in (v, o)]
    if not decided:
        return Agreement(counts, 0, None, None)
    said, other = np.array(decided).T
    share = float((said == other).mean())
    return Agreement(counts, len(decided), share, _kappa(said, other, share))


def _kappa(said: NDArray[np.bool_], other: NDArray[np.bool_], share: float) -> float | None:
    chance = float(said.mean() * other.mean() + (1 - said.mean()) * (1 - other.mean()))
    return None if chance == 1 else (share - chance) / (1 - chance)


def _table(write: bool = False) -> AbstractContextManager[sqlite3.Connection]:
    """The ledger, with the table in it. LedgerUnavailable as with every use of the ledger."""
    return open_table("reviews", _COLUMNS, write=write)
