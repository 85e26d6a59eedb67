"""Where a device cannot do as wished the training goes on, keeps its figures, and says so once; or ends in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import datasets
from core.cli import doctor
from core.configuration.config import DatasetConfig, TrainingConfig
from core.evidence.representations import predict
from core.store.stores import Store
from core.training import devices, memory, models, optim, ways
from core.training import loop as training_module
from core.training.loop import Trained, train, weights
from core.training.start import Start
from core.training.step import Batches, Course, Step
from core.training.ways import Way
from core.types import NOTES, BadRequest, Cancelled, Dataset, DeviceLost, Event, PoisonscopeError, ignore
from tests.trainings import trainings_made_lean
from tests.unable import RECORDING, REFUSES, SYNCHRONISES, Allocator, Tape, tape, without_bf16

__all__ = ["tape"]

CPU = torch.device("cpu")
SIZE = 64  # of a batch


@pytest.fixture(autouse=True)
def checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture(scope="module", autouse=True)
def lean_throughout() -> Iterator[None]:
    """Before the training that all others are compared with."""
    with trainings_made_lean():
        yield


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load(DatasetConfig(name="digits", per_class=20))


def numbers(**changes: Any) -> TrainingConfig:
    """Three epochs of six steps each, by both optimisers."""
    settings: dict[str, Any] = dict(
        model="whitened_cnn", optimizer="muon", lr=0.3, muon_lr=0.2, schedule="one_cycle", epochs=3, batch_size=32,
        flip=True, crop=2, precision="fp32",
    )  # fmt: skip
    return TrainingConfig(**(settings | changes))


def trained(dataset: Dataset, training: TrainingConfig | None = None, **options: Any) -> Trained:
    images, labels = dataset.train_images, dataset.train_labels
    return train(images, labels, 10, training or numbers(), 0, device=CPU, **options)


def same(one: Trained, other: Trained) -> bool:
    """Whether two trainings came to the same weights, figures and losses, to the byte."""
    mine, theirs = weights(one.network), weights(other.network)
    assert one.losses is not None
    assert other.losses is not None
    return (
        all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)
        and [(epoch["loss"], epoch["accuracy"]) for epoch in one.history]
        == [(epoch["loss"], epoch["accuracy"]) for epoch in other.history]
        and one.losses.tobytes() == other.losses.tobytes()
    )


@pytest.fixture(scope="module")
def eager(digits: Dataset) -> Trained:
    return trained(digits)


def raising(error: Exception) -> Callable[..., None]:
    def fail(*given: Any) -> None:
        raise error

    return fail


def noted(heard: list[Event]) -> list[str]:
    return [note for event in heard for note in event.data.get(NOTES, ())]


# --- graphs -----------------------------------------------------------------------------------------------


def test_what_is_recorded_once_computes_what_eager_steps_do(digits: Dataset, eager: Trained, tape: Tape) -> None:
    found = trained(digits)
    assert (tape.aside_of, tape.recordings, tape.replays) == (3, 1, 3 * 6 - 3)
    assert same(found, eager)
    assert found.notes == eager.notes == ()


def test_a_step_that_cannot_be_recorded_is_launched_by_itself(digits: Dataset, eager: Trained, tape: Tape) -> None:
    tape.on_record = raising(RuntimeError(SYNCHRONISES))
    heard: list[Event] = []
    found = trained(digits, watch=heard.append)
    assert same(found, eager)
    assert tape.recordings == 1  # and is not tried again
    assert found.notes == (RECORDING,)
    assert noted(heard) == [RECORDING]  # once


def test_a_recording_that_breaks_off_after_it_changed_the_weights(digits: Dataset, eager: Trained, tape: Tape) -> None:
    def half_way(work: Callable[[], None]) -> None:
        work()  # the stand-in computes what CUDA would only note
        raise RuntimeError(SYNCHRONISES)

    tape.on_record = half_way
    assert same(trained(digits), eager)


@pytest.mark.parametrize("failing", [1, 5, 10])  # the first of all, within an epoch, in the next one
def test_a_replay_that_fails_half_way(failing: int, digits: Dataset, eager: Trained, tape: Tape) -> None:
    """It may have come anywhere: here it left weights that are no numbers."""
    steps: list[Step] = []

    def fail(number: int) -> None:
        if number == failing:
            for weight in steps[-1].network.parameters():
                weight.data.fill_(torch.nan)
            raise RuntimeError("CUDA error: an illegal instruction was encountered")

    tape.on_replay = fail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Step, "begin", lambda step, course, real=Step.begin: (steps.append(step), real(step, course)))
        heard: list[Event] = []
        found = trained(digits, watch=heard.append)
    assert same(found, eager)
    assert (tape.recordings, tape.replays) == (1, failing)
    (note,) = found.notes
    assert "(replaying it failed: CUDA error: an illegal instruction was encountered)" in note
    assert noted(heard) == [note]


def test_a_resumed_training_does_not_try_again_what_failed(
    tmp_path: Path, digits: Dataset, eager: Trained, tape: Tape
) -> None:
    tape.on_record = raising(RuntimeError(SYNCHRONISES))
    checkpoint = Store(tmp_path).checkpoint("model", "ab" * 32)

    def stop(event: Event) -> None:
        if event.data.get("epoch") == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        trained(digits, watch=stop, checkpoint=checkpoint)
    found = trained(digits, checkpoint=checkpoint)
    assert same(found, eager)
    assert found.notes == (RECORDING,)
    assert tape.recordings == 1


def test_a_training_that_goes_on_elsewhere_tries_what_failed_where_it_began(
    tmp_path: Path, digits: Dataset, eager: Trained, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one device to a second and a third one, an epoch each; the first records nothing."""
    checkpoint = Store(tmp_path).checkpoint("model", "ab" * 32)

    def stop(event: Event) -> None:
        if "accuracy" in event.data:
            raise Cancelled("enough")

    def on(device: str, record: Callable[..., None]) -> Trained:
        monkeypatch.setattr(devices, "describe", lambda _: device)
        tape.on_record = record
        return trained(digits, watch=stop if device != "a third" else ignore, checkpoint=checkpoint)

    with pytest.raises(Cancelled):
        on("a first", raising(RuntimeError(SYNCHRONISES)))
    with pytest.raises(Cancelled):
        on("a second", lambda work: None)
    found = on("a third", lambda work: None)
    assert same(found, eager)
    assert found.notes == (f"Up to epoch 1, on a first: {RECORDING}",)
    assert (tape.recordings, tape.replays) == (3, 2 * (6 - 3))


def test_what_the_driver_cannot_take_back_is_the_end_of_it(
    digits: Dataset, tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape.on_replay = raising(RuntimeError("CUDA error: an illegal memory access was encountered\nmore"))
    monkeypatch.setattr(Start, "restore", raising(RuntimeError("CUDA error: device-side assert triggered\nmore")))
    told = r"the .* gave up in the middle of the training \(CUDA error: device-side assert triggered\)\. Start the run"
    with pytest.raises(DeviceLost, match=told):
        trained(digits)
    assert tape.replays == 1


def test_an_error_of_the_device_in_an_eager_step_is_said_in_words(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "_look_at", raising(torch.AcceleratorError("CUDA error: unspecified launch failure")))
    with pytest.raises(
        DeviceLost, match=r"launch failure\)\. Start the run again: it goes on from its last checkpoint"
    ):
        trained(digits)


def test_an_error_of_the_program_goes_through(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def wrong(*given: Any) -> None:
        tried.append(1)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Step, "_look_at", wrong)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trained(digits)
    assert tried == [1]


# --- memory -----------------------------------------------------------------------------------------------


def largest(size: int) -> float:
    """Bytes of the largest tensor in a step of so many images of whitened_cnn."""
    with Allocator(float("inf")) as seen:
        models.build("whitened_cnn", 10, 0).train()(torch.zeros(size, 3, 32, 32)).sum().backward()
    return seen.largest


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> Allocator:
    """What the steps of a training get their memory from: at first as much as they want."""
    found, real = Allocator(float("inf")), Step._look_at

    def look(step: Step, ids: Tensor, share: float) -> None:
        with found:
            real(step, ids, share)

    monkeypatch.setattr(Step, "_look_at", look)
    return found


def in_words(parts: int) -> str:
    return (
        f"{SIZE} images at once do not fit into this machine's memory. Each step takes them in {parts} parts and adds "
        f"up the gradients. Batch norm sees one part at a time, {SIZE // parts} images: so the figures are not quite "
        "those of a device with more memory."
    )


def test_without_memory_for_the_batch_its_parts_add_up_their_gradients(
    digits: Dataset, allocator: Allocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "whitened_cnn", models.Whitened)  # as wide as ever: it must learn
    training = numbers(batch_size=SIZE, epochs=6)
    allocator.most = largest(20)
    heard: list[Event] = []
    found = trained(digits, training, watch=heard.append)
    assert allocator.refused == 2  # of 64, of 32; 16 fit
    assert found.notes == (in_words(4),)
    assert noted(heard) == [in_words(4)]  # what did not fit either is not told
    monkeypatch.setattr(training_module, "_restore", lambda *given: ([], Way(parts=4), ()))
    assert same(found, trained(digits, training))  # as if it had been known from the beginning
    assert allocator.refused == 2
    answers = predict(found.network, digits.test_images).argmax(1)
    assert (answers == digits.test_labels).mean() > 0.5


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 17.50 GB, other allocations: 384.00 KB, max allowed: 18.13 GB).",
        "Invalid buffer size: 20.00 GB",
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to ...",
    ],
)
def test_every_allocator_says_no_in_its_own_words(message: str) -> None:
    assert memory.refused(RuntimeError(message))
    assert memory.refused(torch.OutOfMemoryError(REFUSES))
    assert memory.refused(MemoryError())
    assert not memory.refused(ValueError(message))
    assert not memory.refused(RuntimeError("expected scalar type Float but found Half"))


def test_memory_that_others_take_in_the_middle_of_an_epoch(
    digits: Dataset, allocator: Allocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch is done again from its beginning, in parts: every image has its turn once, and no weight is spoiled."""
    limit, real, steps = largest(40), Step.__call__, list[int]()

    def step(self: Step) -> None:
        steps.append(1)
        if len(steps) == 3 + 2:  # the second of three in the second epoch
            allocator.most = limit
        real(self)

    monkeypatch.setattr(Step, "__call__", step)
    heard: list[Event] = []
    found = trained(digits, numbers(batch_size=SIZE), watch=heard.append)
    assert len(steps) == 3 + 2 + 3 + 3
    assert found.notes == (in_words(2),)
    assert noted(heard) == [in_words(2)]
    assert found.losses is not None
    assert [int(np.isfinite(epoch).sum()) for epoch in found.losses] == [3 * SIZE] * 3
    assert all(np.isfinite(array).all() for array in weights(found.network).values())


def test_no_memory_at_all_is_said_after_the_smallest_step(digits: Dataset, allocator: Allocator) -> None:
    allocator.most = largest(2)
    heard: list[Event] = []
    with pytest.raises(PoisonscopeError) as told:
        trained(digits, numbers(batch_size=SIZE), watch=heard.append)
    assert allocator.refused == 3  # of 64, 32, 16
    assert str(told.value) == (
        "a training step of whitened_cnn does not fit into this machine's memory, not even with 16 of its 64 images at "
        "a time; smaller images or a smaller network would fit"
    )
    assert heard == []


def test_a_gpu_s_words_name_what_is_free_and_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA T4")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**29, 15 * 2**30))
    cuda = torch.device("cuda")
    error = torch.OutOfMemoryError(REFUSES)
    assert ways.gentler(Way(), error, 128, "resnet18", cuda) == Way(parts=2)
    with pytest.raises(PoisonscopeError) as told:
        ways.gentler(Way(parts=8), error, 128, "resnet18", cuda)
    assert str(told.value) == (
        "a training step of resnet18 does not fit into the memory of the NVIDIA T4 (0.5 of 15.0 GiB are free), not "
        "even with 16 of its 128 images at a time; a smaller network would fit, or the CPU: `core run --here --device "
        "cpu`, or POISONSCOPE_DEVICE=cpu in the app's environment"
    )
    (note,) = Way(parts=2).notes(128, cuda)
    assert note.startswith("128 images at once do not fit into the memory of the NVIDIA T4. Each step takes them in 2")


@pytest.mark.parametrize("size", [2, 31, 32, 500, 8192])
def test_the_ways_come_to_an_end(size: int) -> None:
    way, seen = Way(), []
    error = torch.OutOfMemoryError(REFUSES)
    for _ in range(int(np.log2(max(1, size // ways.SMALLEST)))):
        seen.append(way.parts)
        found = ways.gentler(way, error, size, "resnet18", CPU)
        assert found is not None
        way = found
    assert seen == [2**place for place in range(len(seen))]
    assert size // way.parts >= min(size, ways.SMALLEST)
    with pytest.raises(PoisonscopeError, match=f"not even with {size // way.parts} of its {size} images"):
        ways.gentler(way, error, size, "resnet18", CPU)


def test_a_set_that_does_not_fit_is_said_before_anything_is_trained(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_module, "_batches", raising(torch.OutOfMemoryError(REFUSES)))
    with pytest.raises(PoisonscopeError) as told:
        trained(digits)
    assert str(told.value) == (
        "a training set of 200 images, with whitened_cnn beside it, does not fit into this machine's memory; smaller "
        "images or a smaller network would fit"
    )


# --- the arithmetic of parts ------------------------------------------------------------------------------


class Plain(models.Network):
    """A network without batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 10)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        return {"penultimate": self.normalise(images).flatten(1)}

    def classify(self, penultimate: Tensor) -> Tensor:
        found: Tensor = self.head(penultimate)
        return found


def one_step(network: models.Network, way: Way, images: Tensor, labels: Tensor) -> Step:
    """The first step on a batch of all images."""
    count = len(images)
    training = numbers(optimizer="sgd", batch_size=count, crop=0, label_smoothing=0.1)
    batches = Batches(images, labels, torch.arange(count), count)
    step = Step(network.train(), optim.optimisers(network, training), batches, training, way=way)
    still, upright = torch.zeros(2, count, dtype=torch.int64), torch.zeros(count, dtype=torch.bool)
    step.begin(Course(torch.arange(count), still, upright, torch.ones(1)))
    step()
    return step


@pytest.mark.parametrize("parts", [2, 3, 4])  # 50 images: parts may differ by one
def test_without_batch_norm_parts_are_the_whole_but_for_rounding(parts: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 8, 8, 3), dtype=torch.uint8, generator=generator)
    labels = torch.arange(50) % 10

    def stepped(way: Way) -> Step:
        torch.manual_seed(1)
        return one_step(Plain(), way, images, labels)

    whole, split = stepped(Way()), stepped(Way(parts=parts))
    assert float(split.loss) == pytest.approx(float(whole.loss), rel=1e-6)
    assert float(split.right) == pytest.approx(float(whole.right), rel=1e-6)
    mine, theirs = weights(whole.network), weights(split.network)
    for name in mine:
        np.testing.assert_allclose(theirs[name], mine[name], rtol=1e-5, atol=1e-7)
    assert whole.losses is not None
    assert split.losses is not None
    np.testing.assert_allclose(split.losses.numpy(), whole.losses.numpy(), rtol=1e-5)


def test_running_statistics_forget_as_fast_in_parts() -> None:
    """Four parts that are alike leave what their whole leaves."""
    generator = torch.Generator().manual_seed(0)
    quarter = torch.randint(0, 256, (16, 32, 32, 3), dtype=torch.uint8, generator=generator)
    images, labels = quarter.repeat(4, 1, 1, 1), (torch.arange(16) % 10).repeat(4)
    whole = one_step(models.build("whitened_cnn", 10, 0), Way(), images, labels)
    split = one_step(models.build("whitened_cnn", 10, 0), Way(parts=4), images, labels)
    mine, theirs = weights(whole.network), weights(split.network)
    means = [name for name in mine if name.endswith("running_mean")]
    assert len(means) == 6
    for name in means:
        np.testing.assert_allclose(theirs[name], mine[name], rtol=1e-3, atol=1e-4)
    assert [norm.momentum for norm, _ in split.momenta] == [pytest.approx(1 - 0.6 ** (1 / 4))] * 6
    split.go(Way())
    assert {norm.momentum for norm, _ in split.momenta} == {0.4}


# --- precision, and which device --------------------------------------------------------------------------


def test_without_bfloat16_the_training_is_that_in_float32(digits: Dataset, eager: Trained) -> None:
    heard: list[Event] = []
    with without_bf16():
        wished = trained(digits, numbers(precision="bf16"), watch=heard.append)
        left = trained(digits, numbers(precision="auto"))
        assert devices.arithmetic("bf16", CPU) == devices.arithmetic("auto", CPU) == "float32"
    assert same(wished, eager)
    assert same(left, eager)
    (note,) = wished.notes
    assert re.fullmatch(r"There is no bfloat16 on this device \(.+\)\. The training runs in float32\.", note)
    assert noted(heard) == [note]
    assert left.notes == ()


def test_bfloat16_that_is_emulated_is_done_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "fast_bf16", lambda device: False)
    assert devices.arithmetic("bf16", CPU) == "bfloat16"
    assert devices.arithmetic("auto", CPU) == "float32"
    (note,) = devices.notes("bf16", CPU)
    assert note.startswith("bfloat16 is emulated on this device (")
    assert note.endswith("), which takes longer than float32: that is what precision auto takes here.")
    monkeypatch.setattr(devices, "fast_bf16", lambda device: True)
    assert devices.notes("bf16", CPU) == ()


def test_apple_s_gpu_has_neither_graphs_nor_bfloat16_by_itself() -> None:
    from core.training import graphs

    metal = torch.device("mps")
    assert graphs.recorder(metal) is None
    assert graphs.recorder(CPU) is None
    assert devices.arithmetic("auto", metal) == "float32"
    assert memory.elsewhere(metal) == (
        "a smaller network would fit, or the CPU: `core run --here --device cpu`, or POISONSCOPE_DEVICE=cpu in the "
        "app's environment"
    )


def test_an_operation_that_apple_s_gpu_lacks_is_said_with_the_way_out() -> None:
    error = NotImplementedError("The operator 'aten::index_copy' is not currently implemented for the MPS device. If")
    with pytest.raises(PoisonscopeError, match=r"the Apple GPU lacks an operation .*index_copy.*use the CPU: `"):
        ways.gentler(Way(), error, 128, "resnet18", torch.device("mps"))
    assert ways.gentler(Way(), error, 128, "resnet18", CPU) is None  # which is no device's fault


@pytest.fixture
def broken_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is there and computes nothing."""
    real = torch.ones

    def ones(*size: Any, **options: Any) -> Tensor:
        if str(options.get("device")) == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with ...")
        return real(*size, **options)

    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(devices, "_passed_over", {})


@pytest.mark.usefixtures("broken_gpu")
def test_a_gpu_that_computes_nothing_is_passed_over_and_named(digits: Dataset, eager: Trained) -> None:
    assert devices.choose() == CPU
    found = train(digits.train_images, digits.train_labels, 10, numbers(), 0)
    assert same(found, eager)
    assert found.notes == (
        "CUDA does not work here (CUDA error: no kernel image is available for execution on the device). The training "
        "runs on the CPU.",
    )
    assert [finding.found for finding in doctor._machine() if not finding.good] == [*found.notes]
    with pytest.raises(
        BadRequest, match=r"'cuda' does not work here \(CUDA error: no kernel image .*\); use 'auto' or"
    ):
        devices.choose("cuda")


@pytest.mark.usefixtures("broken_gpu")
def test_the_environment_says_what_auto_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.VARIABLE, "cpu")
    assert devices.choose() == CPU
    assert devices.notes("auto", CPU) == ()  # nothing was tried, so nothing is wrong
    monkeypatch.setenv(devices.VARIABLE, "tpu")
    with pytest.raises(BadRequest, match="device must be one of auto, cuda, mps, cpu, got 'tpu'"):
        devices.choose()
    assert devices.choose("cpu") == CPU
