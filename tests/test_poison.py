"""The attack on the training set: how many, which, where they stand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import triggers
from core.config import AttackConfig
from core.poison import extent, poison
from core.types import BadRequest, Dataset

CLASSES = 4
few = settings(max_examples=40, deadline=None, derandomize=True)


def toy(sizes: tuple[int, ...] = (30, 25, 40, 20), seed: int = 0) -> Dataset:
    """Random small images in shuffled order, no two alike, none of which is yellow."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    images = rng.integers(0, 200, (len(labels), 6, 6, 3), dtype=np.uint8)
    names = tuple("abcdefghij"[: len(sizes)])
    return Dataset("toy", images, labels, images[:5], labels[:5], names, np.arange(len(labels)))


DATASET = toy()


@st.composite
def attacks(draw: st.DrawFn) -> AttackConfig:
    """Any attack on the toy data set, whether it can be carried out or not."""
    target = draw(st.integers(0, CLASSES - 1))
    source = draw(st.none() | st.integers(0, CLASSES - 1).filter(lambda number: number != target))
    return AttackConfig(
        trigger=draw(st.sampled_from(["pixel", "pattern"])),
        target=target,
        source=source,
        ratio=draw(st.floats(0, 1)),
        ratio_of=draw(st.sampled_from(["target_class", "training_set"])),
        placement=draw(st.sampled_from(["add", "replace"])),
    )


def wanted_and_possible(attack: AttackConfig) -> tuple[int, int]:
    """How many poisons an attack asks for, and how many source images there are."""
    labels = DATASET.train_labels
    whole = (labels == attack.target).sum() if attack.ratio_of == "target_class" else len(labels)
    sources = labels != attack.target if attack.source is None else labels == attack.source
    return round(attack.ratio * whole), int(sources.sum())


def is_possible(attack: AttackConfig) -> bool:
    wanted, sources = wanted_and_possible(attack)
    return wanted <= sources and (wanted > 0 or attack.ratio == 0)


possible_attacks = attacks().filter(is_possible)

# ---------------------------------------------------------------- properties


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_what_is_poisoned_is_what_extent_says_and_what_truth_marks(attack, seed):
    told, made = extent(DATASET.train_labels, attack), poison(DATASET, attack, seed)
    total, target = len(DATASET.train_labels), attack.target
    rows = made.truth.poisoned
    assert told.count == made.truth.count == rows.sum()
    assert len(made) == len(made.images) == len(made.source_ids) == len(made.source_labels) == len(rows)
    assert len(made) == total + (told.count if attack.placement == "add" else 0)
    clean_target = (DATASET.train_labels == target).sum()
    assert told.of_clean_target == told.count / clean_target
    assert told.of_poisoned_target == pytest.approx(told.count / (made.labels == target).sum())
    assert told.of_training_set == told.count / len(made)


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_clean_rows_are_untouched_and_poisoned_rows_are_stamped_copies_of_their_sources(attack, seed):
    made = poison(DATASET, attack, seed)
    rows, sources = made.truth.poisoned, made.source_ids
    assert np.array_equal(sources[~rows], np.flatnonzero(~rows)), "a clean row is its own source"
    assert np.array_equal(made.images[~rows], DATASET.train_images[sources[~rows]])
    assert np.array_equal(made.labels[~rows], DATASET.train_labels[sources[~rows]])
    assert np.array_equal(made.source_labels, DATASET.train_labels[sources])
    stamped = triggers.apply(attack.trigger, attack.parameters, DATASET.train_images[sources[rows]])
    assert np.array_equal(made.images[rows], stamped)
    assert (made.labels[rows] == attack.target).all()
    assert (made.source_labels[rows] != attack.target).all(), "no source is of the target class"
    if attack.source is not None:
        assert (made.source_labels[rows] == attack.source).all()
    assert len(np.unique(sources[rows])) == rows.sum(), "no image is a source twice"


@few
@given(attack=possible_attacks, seed=st.integers(0, 2**31 - 1))
def test_added_copies_follow_the_clean_rows_and_replaced_rows_stay_where_they_stand(attack, seed):
    made, total = poison(DATASET, attack, seed), len(DATASET.train_labels)
    if attack.placement == "add":
        assert np.array_equal(made.images[:total], DATASET.train_images)
        assert np.array_equal(made.labels[:total], DATASET.train_labels)
        assert np.array_equal(np.flatnonzero(made.truth.poisoned), np.arange(total, len(made)))
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
    assert (DATASET.train_images.tobytes(), DATASET.train_labels.tobytes()) == before


@few
@given(attack=attacks(), seed=st.integers(0, 100))
def test_an_attack_is_carried_out_exactly_as_asked_or_refused_in_words(attack, seed):
    wanted, sources = wanted_and_possible(attack)
    if is_possible(attack):
        assert poison(DATASET, attack, seed).truth.count == wanted
    else:
        got = f"only {sources} source images" if wanted > sources else f"got {attack.ratio:g}"
        with pytest.raises(BadRequest, match=got):
            extent(DATASET.train_labels, attack)
        with pytest.raises(BadRequest, match=got):
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
    with pytest.raises(BadRequest, match=r"at least one image: at least 0\.04 of 25 images, got 0\.01"):
        extent(DATASET.train_labels, AttackConfig(target=1, ratio=0.01))


def test_more_poisons_than_source_images_says_how_many_there_are_and_what_is_allowed():
    attack = AttackConfig(target=2, source=3, ratio=1.0)
    with pytest.raises(BadRequest, match=r"40 poisons were asked for, but class 3 has only 20 .* 0\.5 or less"):
        poison(DATASET, attack, 0)
    everyone = AttackConfig(target=2, ratio=1.0, ratio_of="training_set")
    with pytest.raises(BadRequest, match=r"115 poisons .* any class but the target has only 75 .* 0\.6522 or less"):
        poison(DATASET, everyone, 0)


@pytest.mark.parametrize("source", [None, 3])
def test_the_ratio_that_the_refusal_names_is_allowed(source):
    with pytest.raises(BadRequest) as refused:
        extent(DATASET.train_labels, AttackConfig(target=2, source=source, ratio=1.0, ratio_of="training_set"))
    named = float(str(refused.value).split("to ")[-1].split()[0])
    allowed = AttackConfig(target=2, source=source, ratio=named, ratio_of="training_set")
    assert extent(DATASET.train_labels, allowed).count == (75 if source is None else 20)


def test_a_trigger_that_does_not_fit_the_images_is_refused():
    attack = AttackConfig(target=1, ratio=0.4, trigger="pattern", parameters={"size": 7})
    with pytest.raises(BadRequest, match="must lie inside the image: rows 0 to 5"):
        poison(DATASET, attack, 0)
