"""The training loop: repeatable to the byte, resumable, blind to removed rows, and it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core import datasets
from core.configuration.config import DatasetConfig, TrainingConfig
from core.evidence.representations import predict
from core.store.stores import Checkpoint, Store
from core.training import devices, optim, threads
from core.training import loop as training_module
from core.training import step as step_module
from core.training.loop import Trained, train, weights
from core.types import BadRequest, Cancelled, Dataset, Event, Images, Labels, Mask, PoisonscopeError

CPU = torch.device("cpu")
KEY = "ab" * 32

NUMBERS: dict[str, dict[str, Any]] = {
    "sgd": dict(model="resnet_small", optimizer="sgd", lr=0.05, schedule="step"),
    "muon": dict(
        model="whitened_cnn",
        optimizer="muon",
        lr=0.3,
        muon_lr=0.2,
        nesterov=True,
        norm_bias_lr_factor=8.0,
        head_lr_factor=4.0,
        schedule="one_cycle",
        label_smoothing=0.1,
    ),
}


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 0.0)


def numbers(optimizer: str = "muon", **changes: Any) -> TrainingConfig:
    settings = dict(epochs=3, batch_size=16, flip=True, crop=2, precision="fp32", **NUMBERS[optimizer])
    return TrainingConfig(**(settings | changes))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load(DatasetConfig(name="digits", per_class=8))


def trained(dataset: Dataset, training: TrainingConfig, seed: int = 0, **options: Any) -> Trained:
    return train(dataset.train_images, dataset.train_labels, 10, training, seed, device=CPU, **options)


def same(one: Trained, other: Trained) -> bool:
    """Whether two trainings ended with the same weights and buffers, to the byte."""
    mine, theirs = weights(one.network), weights(other.network)
    assert mine.keys() == theirs.keys()
    return all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)


def figures(found: Trained) -> list[dict[str, float]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in found.history]


def size_of_weights(network: torch.nn.Module) -> dict[str, float]:
    """A probe whose figure depends on the weights."""
    return {"weight": sum(float(weight.detach().abs().sum()) for weight in network.parameters())}


# --- the same again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_the_same_training_twice(digits: Dataset, optimizer: str) -> None:
    torch.manual_seed(1)
    one = trained(digits, numbers(optimizer), probe=size_of_weights)
    torch.manual_seed(2)  # nothing depends on torch's global generator
    two = trained(digits, numbers(optimizer), probe=size_of_weights)
    assert same(one, two)
    assert figures(one) == figures(two)
    assert not same(one, trained(digits, numbers(optimizer), seed=1))


def test_what_diverges_ends_at_once_with_what_may_help(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    real, epochs = training_module._epoch, []

    def epoch(step: Any, training: Any, seed: int, number: int, *rest: Any) -> dict[str, Any]:
        epochs.append(number)
        return real(step, training, seed, number, *rest) | ({"loss": float("nan")} if number == 1 else {})

    monkeypatch.setattr(training_module, "_epoch", epoch)
    with pytest.raises(PoisonscopeError, match=r"diverged in epoch 2: its loss is nan; try smaller .* than lr 0\."):
        trained(digits, numbers(epochs=3))
    assert epochs == [0, 1]


def test_the_global_generator_is_left_alone(digits: Dataset) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    trained(digits, numbers(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_record_an_epoch(digits: Dataset) -> None:
    heard: list[Event] = []
    found = trained(digits, numbers(), probe=size_of_weights, watch=heard.append, stage="retrain")
    told_of = {"epoch", "loss", "accuracy", "seconds", "weight", "within"}
    assert [set(record) for record in found.history] == [told_of] * 3
    assert [record["epoch"] for record in found.history] == [1, 2, 3]
    assert all(record["seconds"] > 0 and 0 <= record["accuracy"] <= 1 for record in found.history)
    assert not found.network.training
    told = [event for event in heard if event.data]
    ends = [event for event in told if "seconds" in event.data]
    assert [dict(event.data) for event in ends] == found.history
    assert [event.fraction for event in ends] == [1 / 3, 2 / 3, 1.0]
    within = [event.data for event in told if event not in ends]
    assert within == [look for record in found.history for look in record["within"]]
    assert [set(look) for look in within] == [{"epoch", "loss", "weight"}] * 3
    assert [0 < look["epoch"] - at < 1 for at, look in enumerate(within)] == [True] * 3
    assert {event.stage for event in heard} == {"retrain"}


def test_about_eight_looks_a_training(digits: Dataset) -> None:
    for epochs, looks in ((1, 8), (2, 8), (4, 8), (9, 9)):
        heard: list[Event] = []
        trained(digits, numbers(epochs=epochs, batch_size=8), probe=size_of_weights, watch=heard.append)
        assert len([event for event in heard if event.data]) == looks


def test_a_probe_does_not_change_the_training(digits: Dataset) -> None:
    def nosy(network: torch.nn.Module) -> dict[str, float]:
        predict(network, digits.test_images[:20])
        torch.rand(5)
        return {}

    assert same(trained(digits, numbers()), trained(digits, numbers(), probe=nosy))


# --- every image's losses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_recording_losses_changes_no_bit_of_the_training(digits: Dataset, optimizer: str) -> None:
    plain = trained(digits, numbers(optimizer), record=False)
    recorded = trained(digits, numbers(optimizer))
    assert same(plain, recorded)
    assert figures(plain) == figures(recorded)
    assert plain.losses is None


def test_an_epoch_s_losses_make_up_its_mean(digits: Dataset) -> None:
    found = trained(digits, numbers("sgd", batch_size=10))  # 80 images: every one has its turn
    assert found.losses is not None
    assert found.losses.shape == (3, 80)
    assert found.losses.dtype == np.float32
    assert (found.losses >= 0).all()
    np.testing.assert_allclose(found.losses.mean(1), [record["loss"] for record in found.history], rtol=1e-5)


def test_losses_know_nothing_of_label_smoothing(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the first step are the network's own, before it has learned anything."""
    started: list[dict[str, NDArray[Any]]] = []
    monkeypatch.setattr(step_module.Step, "begin", noting_weights(step_module.Step.begin, started))
    training = numbers("muon", epochs=1, batch_size=80, flip=False, crop=0, label_smoothing=0.3)
    found = trained(digits, training)
    network = training_module.load_weights(found.network, started[0]).train()
    with torch.no_grad():
        logits = network(step_module.to_float(torch.tensor(digits.train_images)))
        wanted = torch.nn.functional.cross_entropy(logits, torch.tensor(digits.train_labels), reduction="none")
    assert found.losses is not None
    np.testing.assert_allclose(found.losses[0], wanted.numpy(), rtol=1e-3, atol=1e-5)
    assert abs(found.history[0]["loss"] - found.losses.mean()) > 1e-3  # the training's is smoothed


def noting_weights(begin: Callable[..., None], noted: list[dict[str, NDArray[Any]]]) -> Callable[..., None]:
    def noting(step: step_module.Step, course: step_module.Course) -> None:
        noted.append({name: array.copy() for name, array in weights(step.network).items()})
        begin(step, course)

    return noting


def test_what_an_epoch_passes_over_has_no_loss(digits: Dataset, spy: Spy) -> None:
    keep = half(digits)
    found = trained(digits, numbers(), keep=keep)  # 53 images in batches of 16: the last five wait
    assert found.losses is not None
    for epoch in range(3):
        seen = spy.ids[48 * epoch : 48 * (epoch + 1)]
        assert np.flatnonzero(~np.isnan(found.losses[epoch])).tolist() == sorted(seen)
    assert np.isnan(found.losses[:, ~keep]).all()


def test_losses_outlast_an_interruption(tmp_path: Path, digits: Dataset) -> None:
    undisturbed = trained(digits, numbers())
    checkpoint = Store(tmp_path).checkpoint("model", KEY)

    def run(watch: Callable[[Event], None]) -> Trained:
        return trained(digits, numbers(), watch=watch, checkpoint=checkpoint)

    found, interruptions = interrupted(run, lambda event: "seconds" in event.data)
    assert interruptions == 3
    assert found.losses is not None
    np.testing.assert_array_equal(found.losses, undisturbed.losses)


def test_a_checkpoint_without_losses_is_gone_on_from(tmp_path: Path, digits: Dataset) -> None:
    """As an earlier version left them: the losses of its epochs are not known."""
    undisturbed = trained(digits, numbers())
    checkpoint = Store(tmp_path).checkpoint("model", KEY)

    def watch(event: Event) -> None:
        if event.data.get("epoch") == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        trained(digits, numbers(), watch=watch, checkpoint=checkpoint, record=False)
    saved = checkpoint.load()
    assert saved is not None
    assert training_module.LOSSES not in saved[0]
    found = trained(digits, numbers(), checkpoint=checkpoint)
    assert same(found, undisturbed)
    assert found.losses is not None
    assert undisturbed.losses is not None
    assert np.isnan(found.losses[:2]).all()
    np.testing.assert_array_equal(found.losses[2], undisturbed.losses[2])


# --- interrupted and resumed ------------------------------------------------------------------------------


def interrupted(
    run: Callable[[Callable[[Event], None]], Trained], when: Callable[[Event], bool]
) -> tuple[Trained, int]:
    """Run until it is not interrupted any more; returns what came out, and how often it was interrupted."""
    for attempt in range(50):

        def watch(event: Event) -> None:
            if when(event):
                raise Cancelled("enough")

        try:
            return run(watch), attempt
        except Cancelled:
            continue
    raise AssertionError("it never ended")


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_interrupted_after_every_epoch(tmp_path: Path, digits: Dataset, optimizer: str) -> None:
    training = numbers(optimizer, epochs=4)
    undisturbed = trained(digits, training, probe=size_of_weights)
    checkpoint = Store(tmp_path).checkpoint("model", KEY)
    seen: list[float] = []

    def run(watch: Callable[[Event], None]) -> Trained:
        return trained(digits, training, probe=size_of_weights, watch=watch, checkpoint=checkpoint)

    def after_each_epoch(event: Event) -> bool:
        seen.extend([event.data["epoch"]] if "seconds" in event.data else [])
        return "seconds" in event.data

    found, interruptions = interrupted(run, after_each_epoch)
    assert interruptions == 4
    assert seen == [1, 2, 3, 4]  # no epoch ran twice
    assert same(found, undisturbed)
    assert figures(found) == figures(undisturbed)


def test_interrupted_in_the_middle_of_an_epoch(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "REPORT_SECONDS", -1.0)  # a word after every step
    undisturbed = trained(digits, numbers())
    checkpoint = Store(tmp_path).checkpoint("model", KEY)
    words = iter(range(10**6))

    def run(watch: Callable[[Event], None]) -> Trained:
        return trained(digits, numbers(), watch=watch, checkpoint=checkpoint)

    # 5 steps and the epoch's own word: the 9th and the 20th word fall inside epochs.
    found, interruptions = interrupted(run, lambda event: next(words) in (8, 19))
    assert interruptions == 2
    assert same(found, undisturbed)
    assert figures(found) == figures(undisturbed)


def test_short_epochs_share_a_checkpoint(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 3600.0)
    checkpoint = Store(tmp_path).checkpoint("model", KEY)
    trained(digits, numbers(), checkpoint=checkpoint)
    assert checkpoint.load() is None


def test_a_checkpoint_of_the_end_trains_no_more(tmp_path: Path, digits: Dataset) -> None:
    checkpoint = Store(tmp_path).checkpoint("model", KEY)
    found = trained(digits, numbers(), checkpoint=checkpoint)
    heard: list[Event] = []
    again = trained(digits, numbers(), checkpoint=checkpoint, watch=heard.append)
    assert heard == []
    assert same(found, again)
    assert again.history == found.history


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, digits: Dataset) -> None:
    undisturbed = trained(digits, numbers())
    checkpoint = Store(tmp_path).checkpoint("model", KEY)
    trained(digits, numbers(), checkpoint=checkpoint)
    for path in checkpoint.folder.glob("*/weights.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    assert same(trained(digits, numbers(), checkpoint=checkpoint), undisturbed)


def test_the_checkpoint_is_saved_before_it_is_told(tmp_path: Path, digits: Dataset) -> None:
    """Who hears of an epoch may kill the process: the epoch must not be lost."""
    checkpoint = Store(tmp_path).checkpoint("model", KEY)

    def watch(event: Event) -> None:
        if "seconds" in event.data:
            saved = checkpoint.load()
            assert saved is not None
            assert saved[1]["history"][-1] == event.data

    trained(digits, numbers(epochs=2), checkpoint=checkpoint, watch=watch)
    assert isinstance(checkpoint, Checkpoint)


# --- the keep-mask ----------------------------------------------------------------------------------------


def half(dataset: Dataset) -> Mask:
    return np.arange(len(dataset.train_labels)) % 3 != 1


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_removed_rows_are_never_looked_at(digits: Dataset, optimizer: str) -> None:
    keep = half(digits)
    images, labels = digits.train_images.copy(), digits.train_labels.copy()
    images[~keep] = 255 - images[~keep] // 2
    labels[~keep] = 10**6  # no network has such a class: looking at it would raise
    clean = trained(digits, numbers(optimizer), keep=keep)
    spoiled = train(images, labels, 10, numbers(optimizer), 0, keep=keep, device=CPU)
    assert same(clean, spoiled)
    assert figures(clean) == figures(spoiled)
    assert not same(clean, trained(digits, numbers(optimizer)))


def test_a_mask_that_keeps_everything_changes_nothing(digits: Dataset) -> None:
    everything = np.ones(len(digits.train_labels), bool)
    assert same(trained(digits, numbers(), keep=everything), trained(digits, numbers()))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_mask_that_keeps_too_little_is_refused(digits: Dataset, kept: int) -> None:
    keep = np.arange(len(digits.train_labels)) < kept
    with pytest.raises(BadRequest, match=f"at least 2 images, got {kept} after the filter"):
        trained(digits, numbers(), keep=keep)


# --- batches and augmentation -----------------------------------------------------------------------------


class Spy:
    """What the network was shown: (id, augmented image) in order."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, NDArray[np.uint8]]] = []
        self.sizes: list[int] = []
        self._augment = step_module.augment

    def __call__(self, images: torch.Tensor, ids: torch.Tensor, *moves: torch.Tensor) -> torch.Tensor:
        found = self._augment(images, ids, *moves)
        self.sizes.append(len(ids))
        self.shown += zip(ids.tolist(), found.numpy(), strict=True)
        return found

    @property
    def ids(self) -> list[int]:
        return [number for number, _ in self.shown]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    found = Spy()
    monkeypatch.setattr(step_module, "augment", found)
    return found


def pictures(count: int) -> tuple[Images, Labels]:
    """Images of noise, in which every shift and mirroring is a different image."""
    images = np.random.default_rng(5).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return images, np.arange(count, dtype=np.int64) % 2


def variants(image: NDArray[np.uint8], crop: int, flip: bool) -> dict[bytes, tuple[int, int, bool]]:
    """All that augmentation may make of an image: shifts with reflected edges, mirrored or not."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((crop, crop), (crop, crop), (0, 0)), mode="reflect")
    found = {}
    for down in range(2 * crop + 1):
        for right in range(2 * crop + 1):
            part = padded[down : down + height, right : right + width]
            found[part.tobytes()] = (down, right, False)
            if flip:
                found[part[:, ::-1].tobytes()] = (down, right, True)
    return found


@pytest.mark.parametrize(("crop", "flip"), [(0, False), (0, True), (1, False), (2, True)])
def test_augmentation_shifts_and_mirrors(spy: Spy, crop: int, flip: bool) -> None:
    images, labels = pictures(60)
    training = numbers(epochs=6, batch_size=20, crop=crop, flip=flip)
    train(images, labels, 2, training, 0, device=CPU)
    seen = [variants(images[number], crop, flip)[found.tobytes()] for number, found in spy.shown]
    assert set(seen) == set(variants(images[0], crop, flip).values())  # every one of them occurs
    if flip:
        assert 0.35 < np.mean([mirrored for *_, mirrored in seen]) < 0.65


def test_every_epoch_has_an_order_and_shifts_of_its_own(spy: Spy) -> None:
    images, labels = pictures(40)
    train(images, labels, 2, numbers(epochs=2, batch_size=20), 0, device=CPU)
    first, second = spy.shown[:40], spy.shown[40:]
    assert sorted(spy.ids[:40]) == sorted(spy.ids[40:]) == list(range(40))
    assert spy.ids[:40] != spy.ids[40:]
    before, after = dict(first), dict(second)
    assert any((before[number] != after[number]).any() for number in range(40))


def test_what_a_kept_image_gets_does_not_depend_on_the_mask(spy: Spy) -> None:
    images, labels = pictures(40)
    keep = np.arange(40) % 4 != 0
    training = numbers(epochs=2, batch_size=10)
    train(images, labels, 2, training, 3, device=CPU)
    whole, spy.shown = spy.shown, []
    train(images, labels, 2, training, 3, keep=keep, device=CPU)
    assert len(spy.shown) == 2 * 30
    for epoch in range(2):
        every = whole[40 * epoch : 40 * (epoch + 1)]
        kept = spy.shown[30 * epoch : 30 * (epoch + 1)]
        assert [number for number, _ in kept] == [number for number, _ in every if keep[number]]
        shown = dict(every)
        assert all((shown[number] == found).all() for number, found in kept)


def test_the_incomplete_last_batch_is_left_out(spy: Spy) -> None:
    images, labels = pictures(23)
    train(images, labels, 2, numbers(epochs=3, batch_size=10), 0, device=CPU)
    assert spy.sizes == [10] * 6
    for epoch in range(3):
        assert len(set(spy.ids[20 * epoch : 20 * (epoch + 1)])) == 20


def test_a_set_smaller_than_a_batch(spy: Spy) -> None:
    images, labels = pictures(6)
    keep = np.arange(6) != 2
    found = train(images, labels, 2, numbers(epochs=2, batch_size=512), 0, keep=keep, device=CPU)
    assert spy.sizes == [5, 5]
    assert sorted(spy.ids[:5]) == [0, 1, 3, 4, 5]
    assert all(np.isfinite(record["loss"]) for record in found.history)


def test_the_input_is_what_was_given(digits: Dataset) -> None:
    images, labels = digits.train_images.copy(), digits.train_labels.copy()
    train(images, labels, 10, numbers(epochs=1), 0, device=CPU)
    assert (images == digits.train_images).all()
    assert (labels == digits.train_labels).all()


# --- rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 1.0), (0.499, 1.0), (0.5, 0.1), (0.749, 0.1), (0.75, 0.01), (0.999, 0.01)]
)
def test_rates_in_steps(progress: float, expected: float) -> None:
    training = numbers(schedule="step", milestones=(0.5, 0.75))
    assert optim.rate(training, progress) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("peak", "progress", "expected"),
    [
        (0.2, 0.0, 0.2),
        (0.2, 0.1, 0.6),
        (0.2, 0.2, 1.0),
        (0.2, 0.6, 0.5),
        (0.2, 0.9, 0.125),
        (0.0, 0.0, 1.0),
        (0.0, 0.75, 0.25),
        (1.0, 0.5, 0.6),
    ],
)
def test_rates_of_one_cycle(peak: float, progress: float, expected: float) -> None:
    training = numbers(schedule="one_cycle", peak=peak)
    assert optim.rate(training, progress) == pytest.approx(expected)


def test_every_step_takes_its_own_rate(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 steps; each group has its own multiple."""
    taken: list[list[float]] = []
    for kind in (torch.optim.SGD, optim.Muon):

        def step(self: Any, closure: Any = None, real: Any = kind.step) -> Any:
            taken.append([float(group["lr"]) for group in self.param_groups])
            return real(self)

        monkeypatch.setattr(kind, "step", step)
    training = numbers(epochs=4, peak=0.25, lr=0.1, muon_lr=0.5)
    trained(digits, training)
    assert len(taken) == 2 * 20
    for number in range(20):
        share = optim.rate(training, number / 20)
        plain, muon = taken[2 * number], taken[2 * number + 1]
        assert muon == [pytest.approx(0.5 * share)]
        # the batch norms of this network have no scale to learn: shifts, then the head
        assert plain == [pytest.approx(0.1 * 8 * share), pytest.approx(0.1 * 4 * share)]


# --- precision, and does it learn? ------------------------------------------------------------------------


def test_both_precisions(digits: Dataset) -> None:
    full = trained(digits, numbers(precision="fp32"))
    half_as_long = trained(digits, numbers(precision="bf16"))
    assert not same(full, half_as_long)
    for found in (full, half_as_long):
        assert all(np.isfinite(record["loss"]) for record in found.history)
        assert {array.dtype.name for array in weights(found.network).values()} <= {"float32", "int64"}
        assert all(np.isfinite(array).all() for array in weights(found.network).values())
    assert half_as_long.history[-1]["loss"] == pytest.approx(full.history[-1]["loss"], rel=0.25)


def test_it_learns() -> None:
    dataset = datasets.load(DatasetConfig(name="digits", per_class=60))
    training = numbers(epochs=6, batch_size=25, flip=False, crop=1, lr=0.37, norm_bias_lr_factor=64.0)
    found = trained(dataset, training)
    losses = [record["loss"] for record in found.history]
    assert losses[-1] < losses[0]
    answers = predict(found.network, dataset.test_images).argmax(1)
    assert (answers == dataset.test_labels).mean() > 0.9


@pytest.mark.parametrize(("wished", "wanted"), [("1", 1), ("3", 3), ("0", None), ("many", None), ("", None)])
def test_the_environment_says_with_how_many_threads(
    wished: str, wanted: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", wished)
    assert devices.threads() == (wanted or threads.cores())
