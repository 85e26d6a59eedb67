"""The pictures that the Story and its slides tell with, and which images of a run tell it best."""

from __future__ import annotations

import numpy as np

import core
from core import Result
from core.results import triggered_images
from pages.parts.around import pixels, words
from pages.parts.around.pixels import Pixels
from pages.parts.around.templates import Markup, render

SHOWN_CLASSES = 2  # answers
TIMES = 8  # larger than they are, so that a browser does not blur them


def image(shown: Pixels, alt: str) -> Markup:
    return render("story/image.html.jinja", address=address(shown), alt=alt)


def address(image: Pixels) -> str:
    """A picture as a data address, each of its pixels a square."""
    return pixels.png(image.repeat(TIMES, 0).repeat(TIMES, 1))


def answers(result: Result, which: str, test: int | None, captions: bool = False) -> Markup | str:
    """What a network says to one test image, without and with the trigger; captions say which of the two is which."""
    predictions = None if test is None else result.predictions(which)
    if predictions is None or test is None:
        return "The network's answers are not stored."
    clean = result.dataset.test_images[test : test + 1]
    truth, target = int(result.dataset.test_labels[test]), int(result.aims[test])
    both = clean[0], triggered_images(result.config, clean)[0]
    asked = []
    for seen, logits, how in zip(both, predictions, ("without the trigger", "with the trigger"), strict=True):
        shares = core.insight.softmax(logits[test : test + 1])[0]
        said = [answer(result, int(at), shares[at], truth, target) for at in np.argsort(-shares)[:SHOWN_CLASSES]]
        alt = f"A test image of the class {name(result, truth)}, {how}"
        asked.append({"address": address(seen), "alt": alt, "how": how, "answers": said})
    return render("story/answers.html.jinja", asked=asked, captions=captions)


def answer(result: Result, label: int, share: float, truth: int, target: int) -> dict[str, str | float]:
    """One class of an answer: right, what the attacker wants, or neither; by sign as well as by colour."""
    kind, mark = ("right", "● ") if label == truth else ("fooled", "✕ ") if label == target else ("other", "")
    said = {"kind": f"ps-{kind}", "mark": mark, "name": name(result, label), "share": words.share(share, 0)}
    return {**said, "width": 100 * float(share)}


def stamped(result: Result) -> int | None:
    """The poisoned image that is shown: of those whose picture is here, the one made from the most typical image.

    Typical is what the network was surest of before it was stamped.
    """
    ids = np.flatnonzero(result.poisoned.truth.poisoned & result.pictured)
    if not len(ids):
        return None
    logits = result.logits
    if logits is None:
        return int(ids[0])
    sure = core.insight.softmax(logits[result.poisoned.source_ids[ids]])[
        np.arange(len(ids)), result.poisoned.source_labels[ids]
    ]
    return int(ids[np.argmax(sure)])


def test_image(result: Result, wanted: int | None) -> int | None:
    """The test image that tells it best: right without the trigger, fooled with it, right again when cleaned."""
    before, after = result.predictions("poisoned"), result.predictions("clean")
    if before is None or after is None:
        return None
    labels = result.dataset.test_labels
    rows = np.flatnonzero(result.test_pictured & (labels != result.aims))
    truth, target = labels[rows], result.aims[rows]
    sure = [core.insight.softmax(one[rows]) for one in (before[0], before[1], after[1])]
    at = np.arange(len(rows))
    least = np.minimum(np.minimum(sure[0][at, truth], sure[1][at, target]), sure[2][at, truth])
    return int(rows[np.argmax(least + (0.2 if wanted is None else 0.2 * (truth == wanted)))])


def name(result: Result, label: int) -> str:
    return words.class_name(result.config, label)
