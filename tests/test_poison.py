"""The attack on the training set: how many, which, where they stand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.attack import triggers
from core.attack.poison import aim, extent, poison, targets
from core.configuration.config import AttackConfig
from core.types import BadRequest, Dataset

CLASSES = 4
few = settings(max_examples=60, derandomize=True)


def toy(sizes: tuple[int, ...] = (30, 25, 40, 20), seed: int = 0) -> Dataset:
    """Random small images in shuffled order, no two alike, none of which is yellow."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    images = rng.integers(0, 200, (len(labels), 6, 6, 3), dtype=np.uint8)
    names = tuple("abcdefghij"[: len(sizes)])
    return Dataset("toy", images, labels, images[:5], labels[:5], names, np.arange(len(labels)))


DATASET = toy()


CORNER = {"trigger": "pixel", "parameters": {"row": 0, "column": 0}}
OTHER = {"trigger": "pixel", "parameters": {"row": 0, "column": 5}}


@st.composite
def attacks(draw: st.DrawFn) -> AttackConfig:
    """Any attack on the toy data set, whether it can be carried out or not."""
    target = draw(st.integers(0, CLASSES - 1))
    labels = draw(st.sampled_from(["all_to_one", "all_to_one", "clean_label", "all_to_all"]))
    others = st.none() | st.integers(0, CLASSES - 1).filter(lambda number: number != target)
    return AttackConfig(
        trigger=draw(st.sampled_from(["pixel", "pattern"])),
        target=target,
        source=None if labels == "clean_label" else draw(others),
        ratio=draw(st.floats(0, 1)),
        ratio_of=draw(st.sampled_from(["target_class", "training_set"])),
        placement=draw(st.sampled_from(["add", "replace"])),
        labels=labels,
        cover_ratio=draw(st.sampled_from([0.0, 0.0, 0.1, 1.0, 2.5])),
        also=draw(st.sampled_from([(), (CORNER,), (CORNER, OTHER)])),
    )


def candidates(attack: AttackConfig) -> np.ndarray:
    """Which images of the toy data set may be poisoned, [n] bool."""
    labels = DATASET.train_labels
    if attack.labels == "clean_label":
        return labels == attack.target
    if attack.source is not None:
        return labels == attack.source
    return labels >= 0 if attack.labels == "all_to_all" else labels != attack.target


def wanted_labels(attack: AttackConfig, labels: np.ndarray) -> np.ndarray:
    """What poisoned images of these true classes must be labelled."""
    return (labels + 1) % CLASSES if attack.labels == "all_to_all" else np.full(len(labels), attack.target)


def holding_poison(attack: AttackConfig) -> set[int]:
    """The classes that get poison if there is any."""
    return {
        int(wanted_labels(attack, np.array([label]))[0])
        for label in np.unique(DATASET.train_labels[candidates(attack)])
    }


def wanted_and_possible(attack: AttackConfig) -> tuple[int, int]:
    """How many poisons an attack asks for, and how many source images there are."""
    labels = DATASET.train_labels
    holding = np.isin(labels, sorted(holding_poison(attack)))
    whole = holding.sum() if attack.ratio_of == "target_class" else len(labels)
    return round(attack.ratio * whole), int(candidates(attack).sum())


def covers_and_possible(attack: AttackConfig) -> tuple[int, int]:
    """How many covers an attack asks for, and how many images are left for them."""
    labels, count = DATASET.train_labels, wanted_and_possible(attack)[0]
    everywhere = attack.labels == "all_to_all" and attack.source is None
    spared = set() if everywhere else {*holding_poison(attack), attack.source}
    free = ~np.isin(labels, [label for label in spared if label is not None])
    poisoned_among = count if (free & candidates(attack)).any() else 0
    return round(attack.cover_ratio * count), int(free.sum()) - poisoned_among


def trouble(attack: AttackConfig) -> str:
    """What an attack must be refused with; empty where it can be carried out."""
    (wanted, sources), (covers, left) = wanted_and_possible(attack), covers_and_possible(attack)
    if attack.ratio > 0 and not wanted:
        return f"got {attack.ratio:g}"
    if wanted > sources:
        return f"only {sources} source images"
    if wanted and attack.cover_ratio and not covers:
        return "at least one cover"
    return f"only {left} images are left" if covers > left else ""


possible_attacks = attacks().filter(lambda attack: not trouble(attack))

# ---------------------------------------------------------------- properties


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_what_is_poisoned_is_what_extent_says_and_what_truth_marks(attack, seed):
    told, made = extent(DATASET.train_labels, attack), poison(DATASET, attack, seed)
    total, holding = len(DATASET.train_labels), sorted(holding_poison(attack))
    rows = made.truth.poisoned
    assert told.count == made.truth.count == rows.sum()
    assert told.covers == made.truth.covers.sum() == covers_and_possible(attack)[0]
    assert len(made) == len(made.images) == len(made.source_ids) == len(made.source_labels) == len(rows)
    assert len(made) == total + (told.count + told.covers if attack.placement == "add" else 0)
    assert told.of_clean_target == told.count / np.isin(DATASET.train_labels, holding).sum()
    assert told.of_poisoned_target == pytest.approx(told.count / np.isin(made.labels, holding).sum())
    assert told.of_training_set == told.count / len(made)


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_clean_rows_are_untouched_and_poisoned_rows_are_stamped_copies_of_their_sources(attack, seed):
    made = poison(DATASET, attack, seed)
    rows, sources = made.truth.poisoned, made.source_ids
    clean = ~rows & ~made.truth.covers
    assert np.array_equal(sources[clean], np.flatnonzero(clean)), "a clean row is its own source"
    assert np.array_equal(made.images[clean], DATASET.train_images[sources[clean]])
    assert np.array_equal(made.labels[clean], DATASET.train_labels[sources[clean]])
    assert np.array_equal(made.source_labels, DATASET.train_labels[sources])
    assert np.array_equal(made.labels[rows], wanted_labels(attack, made.source_labels[rows]))
    assert candidates(attack)[sources[rows]].all(), "only those are stamped that the attack allows"
    assert len(np.unique(sources[~clean])) == (~clean).sum(), "no image is a source twice"


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_covers_are_stamped_keep_their_label_and_are_of_no_class_that_is_attacked(attack, seed):
    made = poison(DATASET, attack, seed)
    covers = made.truth.covers
    assert not (covers & made.truth.poisoned).any()
    assert np.array_equal(made.labels[covers], made.source_labels[covers])
    if not attack.everywhere:
        assert not set(made.labels[covers]) & {*holding_poison(attack), attack.source}


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_every_stamped_row_carries_one_trigger_and_each_trigger_comes_as_often(attack, seed):
    made = poison(DATASET, attack, seed)
    for rows in (made.truth.poisoned, made.truth.covers):
        originals = DATASET.train_images[made.source_ids[rows]]
        stamped = [triggers.apply(one.trigger, one.parameters, originals) for one in attack.triggers]
        like = np.array([(made.images[rows] == images).all((1, 2, 3)) for images in stamped])
        assert (like.sum(0) == 1).all()
        assert np.ptp(like.sum(1)) <= 1


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_added_copies_follow_the_clean_rows_and_replaced_rows_stay_where_they_stand(attack, seed):
    made, total = poison(DATASET, attack, seed), len(DATASET.train_labels)
    if attack.placement == "add":
        assert np.array_equal(made.images[:total], DATASET.train_images)
        assert np.array_equal(made.labels[:total], DATASET.train_labels)
        assert np.array_equal(np.flatnonzero(made.truth.poisoned), total + np.arange(made.truth.count))
        assert np.array_equal(np.flatnonzero(made.truth.covers), np.arange(total + made.truth.count, len(made)))
    else:
        assert len(made) == total
        assert np.array_equal(made.source_ids, np.arange(total))


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_the_same_seed_gives_the_same_bytes_and_leaves_the_data_set_as_it_was(attack, seed):
    before = DATASET.train_images.tobytes(), DATASET.train_labels.tobytes()
    one, two = poison(DATASET, attack, seed), poison(DATASET, attack, seed)
    assert one.images.tobytes() == two.images.tobytes()
    assert one.labels.tobytes() == two.labels.tobytes()
    assert one.source_ids.tobytes() == two.source_ids.tobytes()
    assert one.truth.poisoned.tobytes() == two.truth.poisoned.tobytes()
    assert one.truth.covers.tobytes() == two.truth.covers.tobytes()
    assert (DATASET.train_images.tobytes(), DATASET.train_labels.tobytes()) == before


@few
@given(attack=attacks(), seed=st.integers(0, 100))
def test_an_attack_is_carried_out_exactly_as_asked_or_refused_in_words(attack, seed):
    refused = trouble(attack)
    if not refused:
        assert poison(DATASET, attack, seed).truth.count == wanted_and_possible(attack)[0]
        return
    with pytest.raises(BadRequest, match=refused):
        extent(DATASET.train_labels, attack)
    with pytest.raises(BadRequest, match=refused):
        poison(DATASET, attack, seed)


# ---------------------------------------------------------------- who is chosen


def chosen(**attack: object) -> list[int]:
    seed = attack.pop("seed", 0)
    made = poison(DATASET, AttackConfig.model_validate({"target": 1, "ratio": 0.4, **attack}), seed)
    return made.source_ids[made.truth.poisoned].tolist()


def test_another_seed_chooses_other_images():
    assert len({tuple(chosen(seed=seed)) for seed in range(8)}) == 8


def test_the_trigger_and_the_placement_do_not_change_who_is_chosen():
    assert chosen(trigger="pixel") == chosen(trigger="pattern") == chosen(placement="replace")
    assert chosen(trigger="pixel", parameters={"opacity": 0.5, "row": 3}) == chosen()


def test_a_larger_ratio_keeps_the_images_of_a_smaller_one():
    assert set(chosen(ratio=0.2)) < set(chosen(ratio=0.4))


def test_with_no_source_class_every_other_class_gives_some():
    labels = DATASET.train_labels[chosen(ratio=1.0)]
    assert set(labels) == {0, 2, 3}


@pytest.mark.parametrize("placement", ["add", "replace"])
@pytest.mark.parametrize("ratio_of", ["target_class", "training_set"])
def test_ratio_0_poisons_nothing(placement, ratio_of):
    attack = AttackConfig(target=1, ratio=0.0, ratio_of=ratio_of, placement=placement)
    made = poison(DATASET, attack, 0)
    assert extent(DATASET.train_labels, attack).count == made.truth.count == 0
    assert np.array_equal(made.images, DATASET.train_images)
    assert np.array_equal(made.labels, DATASET.train_labels)


# ---------------------------------------------------------------- both meanings of ratio

CIFAR_LABELS = np.repeat(np.arange(10), 5_000)


def test_a_tenth_of_a_class_is_500_images_a_tenth_of_the_class_and_a_hundredth_of_the_set():
    told = extent(CIFAR_LABELS, AttackConfig(target=2, ratio=0.1))
    assert told.count == 500
    assert told.of_clean_target == 0.1
    assert told.of_poisoned_target == pytest.approx(0.0909, abs=5e-5)
    assert told.of_training_set == pytest.approx(0.01, abs=1e-4)


def test_a_twentieth_of_a_class_is_250_images():
    assert extent(CIFAR_LABELS, AttackConfig(target=2, ratio=0.05)).count == 250


def test_a_twentieth_of_the_set_is_half_a_class():
    told = extent(CIFAR_LABELS, AttackConfig(target=2, ratio=0.05, ratio_of="training_set"))
    assert told.count == 2_500
    assert told.of_clean_target == 0.5


def test_replaced_images_do_not_make_the_set_larger():
    told = extent(CIFAR_LABELS, AttackConfig(target=2, ratio=0.1, placement="replace"))
    assert told.of_training_set == 0.01
    assert told.of_poisoned_target == pytest.approx(500 / 5_500)


# ---------------------------------------------------------------- what cannot be done


def test_a_ratio_too_small_for_one_image_says_what_would_be_enough():
    with pytest.raises(BadRequest, match=r"at least one image: at least 0\.04 \(4%\) of 25 images, got 0\.01 \(1%\)"):
        extent(DATASET.train_labels, AttackConfig(target=1, ratio=0.01))


def test_more_poisons_than_source_images_says_how_many_there_are_and_what_is_allowed():
    attack = AttackConfig(target=2, source=3, ratio=1.0)
    with pytest.raises(BadRequest, match=r"40 poisons were asked for, but class 3 has only 20 .* 0\.5 \(50%\) or less"):
        poison(DATASET, attack, 0)
    everyone = AttackConfig(target=2, ratio=1.0, ratio_of="training_set")
    with pytest.raises(
        BadRequest, match=r"115 poisons .* any class but the target has only 75 .* 0\.6521 \(65\.21%\) or less"
    ):
        poison(DATASET, everyone, 0)


@pytest.mark.parametrize("source", [None, 3])
def test_the_ratio_that_the_refusal_names_is_allowed(source):
    with pytest.raises(BadRequest) as refused:
        extent(DATASET.train_labels, AttackConfig(target=2, source=source, ratio=1.0, ratio_of="training_set"))
    named = float(str(refused.value).split("to ")[-1].split()[0])
    allowed = AttackConfig(target=2, source=source, ratio=named, ratio_of="training_set")
    assert extent(DATASET.train_labels, allowed).count == (75 if source is None else 20)


def test_the_cover_ratio_that_the_refusal_names_is_allowed():
    attack = AttackConfig(target=2, ratio=0.14, ratio_of="training_set", cover_ratio=10)
    with pytest.raises(BadRequest, match="lower cover_ratio to") as refused:
        extent(CIFAR_LABELS, attack)
    named = float(str(refused.value).split("to ")[-1].split()[0])
    assert extent(CIFAR_LABELS, attack.model_copy(update={"cover_ratio": named})).covers > 37_990


@pytest.mark.parametrize("ratio_of", ["target_class", "training_set"])
@pytest.mark.parametrize("ratio", [0.0, 0.1])
def test_a_target_without_images_is_refused(ratio_of, ratio):
    with pytest.raises(BadRequest, match=r"target must be a class with images, one of \[0 1 2\], got 9"):
        extent(np.array([0, 1, 2, 2]), AttackConfig(target=9, ratio=ratio, ratio_of=ratio_of))


def test_a_trigger_that_does_not_fit_the_images_is_refused():
    attack = AttackConfig(target=1, ratio=0.4, trigger="pattern", parameters={"size": 7})
    with pytest.raises(BadRequest, match="must lie inside the image: rows 0 to 5"):
        poison(DATASET, attack, 0)


# ---------------------------------------------------------------- other labels, covers, several triggers


def test_all_to_all_is_the_same_share_of_every_class():
    attack = AttackConfig(target=0, labels="all_to_all", ratio=0.1)
    told = extent(CIFAR_LABELS, attack)
    assert (told.count, told.of_clean_target) == (5_000, 0.1)
    assert told.of_training_set == told.of_poisoned_target == pytest.approx(1 / 11)
    even = toy((30, 30, 30, 30))
    made = poison(even, AttackConfig(target=0, labels="all_to_all", ratio=0.2), 3)
    assert np.bincount(made.labels[made.truth.poisoned]).tolist() == [6, 6, 6, 6]


def test_the_last_class_is_followed_by_the_first():
    labels = np.array([0, 1, 2, 3])
    assert aim(labels, AttackConfig(target=0, labels="all_to_all"), 4).tolist() == [1, 2, 3, 0]
    assert aim(labels, AttackConfig(target=2), 4).tolist() == [2, 2, 2, 2]
    assert aim(labels, AttackConfig(target=2, labels="clean_label"), 4).tolist() == [2, 2, 2, 2]
    assert targets(AttackConfig(target=0, labels="all_to_all", source=3), 4).tolist() == [0]


def test_a_clean_label_attack_that_replaces_leaves_every_label_and_every_size_as_it_was():
    attack = AttackConfig(target=1, labels="clean_label", ratio=0.4, placement="replace")
    told, made = extent(DATASET.train_labels, attack), poison(DATASET, attack, 0)
    assert np.array_equal(made.labels, DATASET.train_labels)
    assert (told.count, told.of_clean_target, told.of_poisoned_target) == (10, 0.4, 0.4)


def test_covers_and_further_triggers_do_not_change_who_is_poisoned():
    assert chosen(cover_ratio=2.0) == chosen(also=(CORNER,)) == chosen()


def test_too_many_covers_say_how_many_there_are_and_what_is_allowed():
    attack = AttackConfig(target=1, source=0, ratio=0.4, cover_ratio=10.0)  # 60 images of classes 2 and 3
    with pytest.raises(BadRequest, match=r"100 covers were asked for, but only 60 images .* cover_ratio to 6 or less"):
        poison(DATASET, attack, 0)
    assert extent(DATASET.train_labels, attack.model_copy(update={"cover_ratio": 6.0})).covers == 60


def test_the_clean_control_has_no_covers():
    made = poison(DATASET, AttackConfig(target=1, ratio=0.0, cover_ratio=1.0), 0)
    assert not made.truth.covers.any()


def test_a_test_image_carries_every_trigger():
    attack = AttackConfig(target=1, also=(CORNER, OTHER))
    changed = (triggers.apply_all(attack.triggers, DATASET.test_images) != DATASET.test_images).any(-1)
    assert changed[:, [0, 0, -2], [0, -1, -2]].all()
    assert changed.sum() == 3 * len(changed)
