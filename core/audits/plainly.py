"""The plain findings: what anybody would like to know of a set of images, and what is no sign of an attack."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.audits.asked import Memory
from core.audits.brought import Brought
from core.audits.copies import MOST, NOISE, Alike, Pairs
from core.audits.finding import Found, listed, nobody, places, plain
from core.types import Ids, Images

BLANK = 2.0  # standard deviation in grey levels, below which nothing is to be seen
TOLD = 3  # names in a sentence
TOGETHER = 2**20  # bytes of images that are looked at at a time


def plain_findings(brought: Brought, memory: Memory) -> tuple[list[Found], list[str]]:
    """Copies, twins, leaks, blank images and unreadable files; and sentences on what was not looked for."""
    found = [*_unreadable(brought), *_blank(brought)]
    if len(brought.images) < 2:
        return found, []
    same = memory.alike(brought.images)
    notes = [] if same.near is not None else [f"near copies are looked for among at most {MOST:,} images"]
    return [*found, *_copies(brought, same), *_twins(brought, same), *_leaks(brought, same)], notes


def _unreadable(brought: Brought) -> Iterator[Found]:
    broken = brought.unreadable
    if not broken:
        return
    first = "; ".join(f"{plain(one.name)}: {one.why}" for one in broken[:TOLD])
    more = f"; and {len(broken) - TOLD:,} more" if len(broken) > TOLD else ""
    files = "1 file cannot be read" if len(broken) == 1 else f"{len(broken):,} files cannot be read"
    yield Found("unreadable", (), nobody(), None, f"{files} ({first}{more}). The others are judged without them.")


def _blank(brought: Brought) -> Iterator[Found]:
    blank = places(_spreads(brought.images) < BLANK)
    if len(blank):
        names = listed([brought.names[row] for row in blank], TOLD)
        yield Found("blank", _classes(brought, blank), blank, None, f"{_images(len(blank))} blank: {names}.")


def _spreads(images: Images) -> NDArray[np.float32]:
    """The standard deviation of each image's most varied channel, [n], in grey levels."""
    found = np.zeros(len(images), np.float32)
    rows = max(1, TOGETHER // max(1, images[0].nbytes)) if len(images) else 1
    for start in range(0, len(images), rows):
        some = images[start : start + rows]
        # Of whole numbers, so that the sums are exact whatever they are taken over.
        count = some.shape[1] * some.shape[2]
        pixels = some.reshape(len(some), count, 3).astype(np.int64)
        squares, sums = np.einsum("npc,npc->nc", pixels, pixels), pixels.sum(1)
        found[start : start + rows] = np.sqrt((count * squares - sums**2).max(1)) / count
    return found


def _copies(brought: Brought, same: Alike) -> Iterator[Found]:
    """Exact and near copies within a class, a finding a class."""
    exact, near = _within(brought, same.exact()), _within(brought, _none(same.near))
    for label in np.unique(brought.labels[np.concatenate([exact, near])[:, 0]]):
        own = [pairs[brought.labels[pairs[:, 0]] == label] for pairs in (exact, near)]
        ids = np.unique(np.concatenate(own))
        largest = np.bincount(np.unique(same.groups[ids], return_inverse=True)[1]).max()
        said = f"{_images(len(ids))} in class {plain(brought.classes[label])} more than once"
        if len(own[0]):
            said += f", the commonest {largest:,} times"
        if len(own[1]):
            said += f"; {len(own[1]):,} pairs differ a little"
        yield Found("copies", (brought.classes[label],), ids, None, f"{said}.")


def _twins(brought: Brought, same: Alike) -> Iterator[Found]:
    """One picture under two labels: by itself a contradiction, and what an attack leaves that adds stamped copies."""
    pairs = np.concatenate([same.exact(), _none(same.near)])
    labels = brought.labels[pairs]
    pairs = pairs[(labels[:, 0] != labels[:, 1]) & (labels >= 0).all(1)]
    if not len(pairs):
        return
    ids = np.unique(pairs)
    place = _where(brought, pairs)
    said = f"{len(pairs):,} {'picture is' if len(pairs) == 1 else 'pictures are'} there under two labels"
    common = _commonest(brought, pairs)
    if common:
        said += f", {common} most often"
    if place is not None:
        top, left, height, width = place
        said += f"; the pairs differ in {height} x {width} pixels at row {top}, column {left}"
    yield Found("twins", _classes(brought, ids), ids, None, f"{said}.", place)


def _leaks(brought: Brought, same: Alike) -> Iterator[Found]:
    pairs = np.concatenate([same.exact(), _none(same.near)])
    splits = brought.splits[pairs]
    pairs = pairs[splits[:, 0] != splits[:, 1]]
    if len(pairs):
        ids = np.unique(pairs)
        between = sorted({plain(brought.split_names[split]) for split in np.unique(brought.splits[ids])})
        said = f"{len(pairs):,} {'picture is' if len(pairs) == 1 else 'pictures are'} in more than one split"
        yield Found("leak", _classes(brought, ids), ids, None, f"{said} ({', '.join(between)}).")


def _none(pairs: Pairs | None) -> Pairs:
    return np.zeros((0, 2), np.int64) if pairs is None else pairs


def _within(brought: Brought, pairs: Pairs) -> Pairs:
    """Those pairs that have one label, and one split."""
    labels, splits = brought.labels[pairs], brought.splits[pairs]
    kept = (labels[:, 0] == labels[:, 1]) & (labels[:, 0] >= 0) & (splits[:, 0] == splits[:, 1])
    return np.asarray(pairs[kept])


FEWEST_PAIRS = 5  # from which on it is told where pairs differ


def _where(brought: Brought, pairs: Pairs) -> tuple[int, int, int, int] | None:
    """The box outside of which pairs hardly differ; None where they are few, or differ everywhere."""
    differing = [pair for pair in pairs if (brought.images[pair[0]] != brought.images[pair[1]]).any()]
    if len(differing) < FEWEST_PAIRS:
        return None
    first, second = (brought.images[[pair[side] for pair in differing]].astype(np.int16) for side in (0, 1))
    often = (np.abs(first - second).max(3) > NOISE).mean(0)
    shown = often > often.max() / 2
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    box = int(rows[0]), int(columns[0]), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    return box if 2 * box[2] * box[3] < shown.size else None


def _commonest(brought: Brought, pairs: Pairs) -> str:
    """The two labels that most pairs have, where there are several pairs."""
    if len(pairs) < FEWEST_PAIRS:
        return ""
    which, counts = np.unique(brought.labels[pairs], return_counts=True)
    return plain(brought.classes[which[counts.argmax()]])


def _classes(brought: Brought, ids: Ids) -> tuple[str, ...]:
    return tuple(brought.classes[label] for label in np.unique(brought.labels[ids]) if label >= 0)


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"
