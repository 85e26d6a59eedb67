"""The trigger rebuilt from flagged images: its kind, place and colour, or that there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.fft import idctn

from core import datasets
from core.attack import poison as attacks
from core.attack import triggers
from core.configuration import AttackConfig, DatasetConfig
from core.evaluation.rebuilt import Rebuilt, agreement, rebuild
from core.types import BadRequest, Images, PoisonedSet

SIDE, CLASSES, EACH, MARKED = 32, 4, 300, 80
TARGET = 7


def photographs(count: int, seed: int, label: int = 0) -> Images:
    """Images whose waves are the weaker the finer they are, as photographs' are; a class is lighter or darker."""
    rng = np.random.default_rng([seed, label])
    rows, columns = np.indices((SIDE, SIDE))
    strength = 420 / (1 + np.hypot(rows, columns)) ** 1.3
    grey, tint = rng.normal(size=(count, SIDE, SIDE, 1)), 0.3 * rng.normal(size=(count, SIDE, SIDE, 3))
    waves = (grey + tint) * strength[..., None] * rng.uniform(0.6, 1.4, (count, 1, 1, 1))
    pixels = idctn(waves, axes=(1, 2), norm="ortho") + 110 + 10 * label
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


OWN = photographs(EACH, 0)
OTHERS = [photographs(EACH, 0, label) for label in range(1, CLASSES)]
SOURCES = np.concatenate([photographs(MARKED // 3 + 1, 1, label) for label in range(1, CLASSES)])[:MARKED]
FRESH = photographs(100, 2, 1)


def stamped(trigger: str, images: Images = SOURCES, **parameters: object) -> Images:
    return triggers.apply(trigger, parameters, images)  # type: ignore[arg-type]


def from_images(trigger: str, benign: float = 0.0, **parameters: object) -> Rebuilt:
    """What is rebuilt where so large a share of the flagged is benign."""
    flagged = stamped(trigger, **parameters)
    mixed = round(benign * len(flagged) / (1 - benign))
    found, why = rebuild(np.concatenate([flagged, OWN[:mixed]]), OWN[mixed:], OTHERS)
    assert found is not None, why
    return found


def like_true(found: Rebuilt, trigger: str, **parameters: object) -> tuple[float, float, float]:
    told = agreement(found, FRESH, stamped(trigger, FRESH, **parameters))
    return told.correlation, told.overlap, told.colour


STAMPS = {"pixel": (30, 30, 1, 1), "pattern": (28, 28, 3, 3), "patch": (26, 26, 5, 5), "drawing": (24, 24, 7, 7)}


@pytest.mark.parametrize("benign", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("trigger", STAMPS)
def test_a_stamp_is_rebuilt_pixel_by_pixel(trigger: str, benign: float) -> None:
    found = from_images(trigger, benign)
    assert (found.kind, found.place, found.strength) == ("opaque", STAMPS[trigger], 1.0)
    correlation, overlap, colour = like_true(found, trigger)
    assert correlation > 0.999
    assert overlap == 1
    assert colour < 1
    assert found.bearers == pytest.approx(1 - benign, abs=0.02)


@pytest.mark.parametrize("benign", [0.0, 0.2])
def test_a_blended_pattern_is_rebuilt_with_its_opacity(benign: float) -> None:
    found = from_images("blended", benign)
    assert found.kind == "blended"
    assert found.place == (0, 0, SIDE, SIDE)
    assert found.strength == pytest.approx(0.15, abs=0.08)
    assert like_true(found, "blended")[0] > 0.85


@pytest.mark.parametrize("benign", [0.0, 0.2])
def test_stripes_are_rebuilt_as_what_is_added(benign: float) -> None:
    found = from_images("sinusoid", benign)
    assert found.kind == "additive"
    assert not found.mask.any()
    assert found.strength == pytest.approx(20, abs=5)
    correlation, _, colour = like_true(found, "sinusoid")
    assert correlation > 0.95
    assert colour < 3


def test_a_warp_leaves_nothing_to_rebuild_and_that_is_said() -> None:
    found, why = rebuild(stamped("warp"), OWN, OTHERS)
    assert found is None
    assert "share no place, colour or pattern" in why


def test_a_stamp_that_shines_through_is_blended_in_its_place() -> None:
    found = from_images("patch", 0.1, opacity=0.5)
    assert found.kind == "blended"
    assert found.place == (26, 26, 5, 5)
    assert found.strength == pytest.approx(0.5, abs=0.1)
    assert like_true(found, "patch", opacity=0.5)[0] > 0.98


def test_several_stamps_each_in_a_part_of_the_images_are_all_found() -> None:
    corners = [(1, 1), (1, 30), (30, 30)]
    parts = np.array_split(SOURCES, 3)
    flagged = np.concatenate(
        [stamped("pixel", part, row=row, column=column) for part, (row, column) in zip(parts, corners, strict=True)]
    )
    found, why = rebuild(flagged, OWN, OTHERS)
    assert found is not None, why
    assert sorted(map(tuple, np.argwhere(found.mask).tolist())) == sorted(corners)
    assert found.colour[found.mask > 0] == pytest.approx(np.tile([255, 255, 0], (3, 1)))


@pytest.mark.parametrize("flagged", [photographs(MARKED, 5), photographs(MARKED, 5, 2)], ids=["own", "mislabelled"])
def test_images_that_nobody_changed_share_nothing(flagged: Images) -> None:
    found, why = rebuild(flagged, OWN, OTHERS)
    assert found is None
    assert "images that nobody changed" in why


def test_a_light_sky_is_no_stamp() -> None:
    """Benign images that are white at the top, some lower down than others: a look of a part of the class."""
    flagged = photographs(MARKED, 6)
    for number, image in enumerate(flagged):
        image[: 6 + number % 12] = 255
    found, _ = rebuild(flagged, OWN, OTHERS)
    assert found is None or found.kind != "opaque"


def test_what_all_images_of_the_class_have_is_no_trigger() -> None:
    marked = stamped("patch", np.concatenate([OWN, SOURCES]))
    found, _ = rebuild(marked[EACH:], marked[:EACH], OTHERS)
    assert found is None


def test_the_picture_shows_the_trigger_and_nothing_beside_it() -> None:
    picture = from_images("patch").picture
    assert picture.shape == (SIDE, SIDE, 4)
    assert picture[28, 28].tolist() == [255, 255, 0, 255]
    assert not picture[:26].any()


def test_too_few_images_are_said_to_be_too_few() -> None:
    found, why = rebuild(stamped("patch")[:5], OWN, OTHERS)
    assert found is None
    assert "5 flagged images" in why
    assert "at least 12" in why


@pytest.mark.parametrize(
    ("flagged", "rest", "says"),
    [
        (SOURCES.astype(float), OWN, "uint8"),
        (SOURCES[..., 0], OWN, r"\[n, h, w, 3\]"),
        (SOURCES[:, :16], OWN, "one size"),
    ],
)
def test_bad_images_are_refused(flagged: Images, rest: Images, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        rebuild(flagged, rest)


def test_a_trigger_is_laid_on_images_of_its_size_only() -> None:
    with pytest.raises(BadRequest, match="32, 32, 3"):
        from_images("patch").apply(FRESH[:, :16])
    with pytest.raises(BadRequest, match="as many"):
        agreement(from_images("patch"), FRESH, FRESH[:3])


def test_applying_changes_copies() -> None:
    before = FRESH.copy()
    from_images("sinusoid").apply(FRESH)
    np.testing.assert_array_equal(before, FRESH)


# --- real photographs ------------------------------------------------------------------------------------

ATTACKS: dict[str, dict[str, object]] = {
    **{name: dict(trigger=name) for name in ("pixel", "pattern", "patch", "drawing", "blended", "sinusoid", "warp")},
    "clean-label": dict(trigger="sinusoid", labels="clean_label", ratio=0.4, placement="replace"),
    "covered": dict(trigger="pattern", cover_ratio=1.0),
    "all-to-all": dict(trigger="pattern", labels="all_to_all", target=0, ratio_of="training_set", placement="replace"),
}
KINDS = {"warp": None, "blended": "blended", "sinusoid": "additive", "clean-label": "additive"}


def poisoned(name: str, seed: int) -> tuple[PoisonedSet, AttackConfig]:
    attack = AttackConfig.model_validate({"target": TARGET, "ratio": 0.1, **ATTACKS[name]})
    return attacks.poison(datasets.load(DatasetConfig(name="cifar10", per_class=1000)), attack, seed), attack


@pytest.mark.parametrize("name", ATTACKS)
def test_triggers_on_real_photographs(name: str, cifar10_home: Path) -> None:
    found, attack = poisoned(name, seed=0)
    truth, labels = found.truth.poisoned, found.labels
    others = [found.images[labels == label] for label in range(10) if label != TARGET]
    own, rest = (found.images[(labels == TARGET) & which] for which in (truth, ~truth))
    rebuilt, why = rebuild(np.concatenate([own, rest[: len(own) // 9]]), rest[len(own) // 9 :], others)
    wanted = KINDS.get(name, "opaque")
    assert (None if rebuilt is None else rebuilt.kind) == wanted, why
    if rebuilt is not None:
        fresh = photographs(50, 3)
        told = agreement(rebuilt, fresh, triggers.apply_all(attack.triggers, fresh))
        assert told.correlation > (0.999 if wanted == "opaque" else 0.88)
        assert told.overlap > 0.9
