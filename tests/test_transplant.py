"""A rebuilt trigger laid on other images: proved where a network answers to it, and to nothing like it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from core.evaluation.rebuilt import Rebuilt, rebuild
from core.evaluation.transplant import Answered, Transplant, rearranged, transplant
from core.types import BadRequest, Images, Logits
from tests.test_rebuilt import FRESH, OTHERS, OWN, SOURCES, stamped

LABEL, CLASSES = 2, 4
TRIGGERS = ("pixel", "patch", "blended", "sinusoid")


@cache
def rebuilt(trigger: str) -> Rebuilt:
    found, why = rebuild(stamped(trigger), OWN, OTHERS)
    assert found is not None, why
    return found


def network(fires: Callable[[Images], np.ndarray]) -> Callable[[Images], Logits]:
    """A stand-in that says LABEL where it fires, else class 0."""

    def ask(images: Images) -> Logits:
        logits = np.zeros((len(images), CLASSES), np.float32)
        logits[:, 0] = 1
        logits[fires(images), LABEL] = 2
        return logits

    return ask


def like(trigger: str) -> Callable[[Images], np.ndarray]:
    """Fires where the images' mean change lies along the trigger's: what a fooled network has learned."""
    way = (stamped(trigger, FRESH).astype(float) - FRESH).mean(0)
    way -= way.mean()
    bare, full = (float((one.astype(float) * way).sum((1, 2, 3)).mean()) for one in (FRESH, stamped(trigger, FRESH)))
    return lambda images: (images.astype(float) * way).sum((1, 2, 3)) > (bare + full) / 2


def fooled(trigger: str) -> Callable[[Images], Logits]:
    """Answers to the trigger in the very images that are asked about, but for a few levels."""
    known = stamped(trigger, FRESH).astype(float)
    reach = np.abs(known - FRESH).sum((1, 2, 3)) / 2
    return network(lambda images: np.abs(images - known).sum((1, 2, 3)) < reach)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_trigger_that_a_network_answers_to_is_proved(trigger: str) -> None:
    found = transplant(
        rebuilt(trigger), FRESH, LABEL, fooled(trigger), true=lambda images: stamped(trigger, images)
    )  # fmt: skip
    assert found.true is not None
    assert found.true.share == 1
    assert found.found.share > 0.9
    assert found.without.share == 0
    assert found.p == 1 / 20
    assert found.backdoor


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_mark_that_no_network_answers_to_is_a_mark(trigger: str) -> None:
    found = transplant(rebuilt(trigger), FRESH, LABEL, network(lambda images: np.zeros(len(images), bool)))
    assert (found.found.share, found.p, found.true) == (0, 1, None)
    assert not found.backdoor


def test_a_network_that_answers_to_anything_proves_nothing() -> None:
    found = transplant(rebuilt("patch"), FRESH, LABEL, network(lambda images: np.ones(len(images), bool)))
    assert found.found.share == 1
    assert found.p == 1
    assert not found.backdoor


def test_a_network_that_says_the_class_at_random_gives_any_rank() -> None:
    """p is uniform where the trigger means nothing; and it takes more than a rank to call it a backdoor."""
    rng = np.random.default_rng(0)
    asked = network(lambda images: rng.random(len(images)) < 0.3)
    found = [transplant(rebuilt("pixel"), FRESH, LABEL, asked, seed=seed) for seed in range(40)]
    assert 0.3 < np.mean([one.p for one in found]) < 0.7
    assert not any(one.backdoor for one in found if one.found.share - one.without.share < 0.1)


def test_more_patterns_make_it_surer() -> None:
    assert transplant(rebuilt("pixel"), FRESH, LABEL, fooled("pixel"), others=99).p == 1 / 100


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_what_it_is_compared_with_is_as_strong_and_something_else(trigger: str) -> None:
    own = rebuilt(trigger)
    change = own.apply(FRESH).astype(float) - FRESH
    for seed in range(10):
        other = rearranged(own, np.random.default_rng(seed)).apply(FRESH).astype(float) - FRESH
        if own.kind != "opaque":
            assert np.linalg.norm(other) == pytest.approx(np.linalg.norm(change), rel=0.25)
        assert abs(np.corrcoef(change.ravel(), other.ravel())[0, 1]) < 0.5
        assert (np.abs(other).sum((0, 3)) > 0).sum() == pytest.approx((np.abs(change).sum((0, 3)) > 0).sum(), rel=0.1)


def test_stripes_are_compared_with_waves_of_other_directions() -> None:
    """Shuffled phases would leave upright stripes of the same frequency, to which the network answers as well."""
    other = rearranged(rebuilt("sinusoid"), np.random.default_rng(1)).additive
    assert other.std(0).max() > 3  # they vary from row to row


def test_the_same_seed_draws_the_same() -> None:
    first, again = (transplant(rebuilt("patch"), FRESH, LABEL, fooled("patch"), seed=3) for _ in range(2))
    assert first == again


def test_bad_requests_are_refused() -> None:
    with pytest.raises(BadRequest, match="images"):
        transplant(rebuilt("patch"), FRESH[:0], LABEL, fooled("patch"))
    with pytest.raises(BadRequest, match="3 classes"):
        transplant(rebuilt("patch"), FRESH, LABEL, fooled("patch"), classes=np.arange(3))
    with pytest.raises(BadRequest, match="at least 1"):
        transplant(rebuilt("patch"), FRESH, LABEL, fooled("patch"), others=0)


def test_the_rank_counts_ties_against_the_trigger() -> None:
    half, none, few, more = (Answered(share, share, share) for share in (0.5, 0.0, 0.1, 0.6))
    assert Transplant(0, 10, half, none, (half, few, more)).p == 3 / 4


def test_a_backdoor_that_is_open_to_one_class_alone_is_proved() -> None:
    """All-to-all: of the images asked about only those of one class are to be taken for the label."""
    classes = np.arange(len(FRESH)) % 9
    answers = fooled("patch")

    def ask(images: Images) -> Logits:
        logits = answers(images)
        logits[classes > 0, LABEL] = 0
        return logits

    found = transplant(rebuilt("patch"), FRESH, LABEL, ask, classes=classes)
    assert found.found.share < 0.15
    assert found.found.most > 0.9
    assert found.backdoor


def test_a_mark_on_a_part_of_a_class_without_relabelling_is_rebuilt_and_not_called_a_backdoor() -> None:
    """A watermark of, say, one photographer: found in the images, harmless in the network."""
    marked = stamped("patch", OWN[:40])
    found, why = rebuild(marked, OWN[40:], OTHERS)
    assert found is not None, why
    ignorant = network(lambda images: images.mean((1, 2, 3)) > 150)  # looks at the picture as a whole
    told = transplant(found, FRESH, LABEL, ignorant)
    assert not told.backdoor
    assert SOURCES.shape[1:] == found.colour.shape
