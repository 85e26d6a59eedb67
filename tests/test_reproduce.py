"""The report's tables made again: what is run and how often, what is read of it, and what is said about it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import doors, jobs, pipeline, worker
from core.attack import poison
from core.configuration import settings, stages
from core.configuration.config import class_names
from core.datasets import cifar10
from core.evaluation import filter, metrics
from core.reproduction import differences, outcomes, reproduce, tables
from core.reproduction.outcomes import Entry, Outcome, document, outcome, table
from core.reproduction.reproduce import RunsFailed, cost, plan
from core.results import reference
from core.store.stores import Store
from core.types import BadRequest, Dataset, DataUnavailable, Event

DEADLINE = 60.0
pytestmark = pytest.mark.usefixtures("lean")
PER_CLASS, TESTED = 20, 6
TRAINING = {"per_class": PER_CLASS, "epochs": 1, "batch_size": 20}
NAMES = class_names("cifar10")


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the committed record, whose runs would stand in for those that a test makes up."""
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setattr(outcomes, "RECORDS", folder)
    return folder


def few(**settings: Any) -> list[Entry]:
    """One row, one seed, two detectors: a plan that is over in a second."""
    usual = dict(seeds=1, triggers=["pattern"], targets=["dog"], ratios=[0.1], training=TRAINING)
    return plan(**(usual | settings))


def finish(entry: Entry, named: list[int] | None = None, **figures: float) -> None:
    """A finished run in the store, made up: its summary alone."""
    usual = dict(
        nat1=0.78,
        asr1=0.99,
        poisons=200,
        poisons_left=0,
        clean_removed=100,
        auroc=1.0,
        nat2=0.77,
        asr2=0.03,
        seconds=60.0,
    )
    target = entry.config.attack.target
    summary = {
        **usual,
        **figures,
        "suspicious_classes": [target] if named is None else named,
        "references": {"random": {"poisons_left": 173}, "perfect": {"poisons_left": 0}},
        "device": "no device",
        "torch": "9.9",
    }
    Store().write("run", entry.key, arrays={"flagged": np.zeros(3, bool)}, document=summary)


# --- what to run -----------------------------------------------------------------------------------------


def test_the_plan_has_every_row_seed_reading_and_detector_once() -> None:
    entries = plan("fast", 2, outcomes.READINGS, reproduce.DETECTORS)
    assert len(entries) == 12 * 2 * 2 * len(reproduce.DETECTORS)
    told = {(entry.row, entry.reading, entry.detector, entry.seed) for entry in entries}
    assert len(told) == len({entry.key for entry in entries}) == len(entries)
    for entry in entries:
        attack = entry.config.attack
        assert (attack.trigger, NAMES[attack.target], attack.ratio) == entry.row[:3]
        assert (attack.ratio_of, entry.config.defence.title) == (entry.reading, entry.detector)
        assert (entry.config.seed, entry.config.training.recipe) == (entry.seed, "fast")


def test_runs_that_share_a_poisoned_network_stand_together() -> None:
    models = [stages.model_key(entry.config) for entry in plan(detectors=reproduce.DETECTORS)]
    assert models == [model for model in dict.fromkeys(models) for _ in reproduce.DETECTORS]


def test_rows_can_be_left_out() -> None:
    entries = plan("quick", 1, detectors=["spectral"], triggers=["pixel"], targets=["dog", "bird"], ratios=[0.05])
    assert [entry.row[:3] for entry in entries] == [("pixel", "bird", 0.05), ("pixel", "dog", 0.05)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": 0}, r"seeds must lie in \[1, 1,000\], got 0"),
        ({"seeds": 10**30}, r"seeds must lie in \[1, 1,000\], got 10{30}$"),
        ({"targets": ["cat"]}, r"target must be among \['bird', 'dog', 'horse'\], the report's, got \['cat'\]"),
        ({"ratios": [0.2]}, r"ratio must be among \[0.05, 0.1\]"),
        ({"triggers": []}, "trigger must be among .* got none"),
        ({"readings": ["class"]}, r"reading must be among \['target_class', 'training_set'\]"),
        ({"detectors": ["psychic"]}, "unknown detector 'psychic'"),
        ({"detectors": ["spectral at the gap"]}, "finds no gap to cut at"),
        ({"recipe": "slow"}, "unknown recipe 'slow'"),
        ({"training": {"epochs": 0}}, "epochs"),
    ],
)
def test_what_the_report_does_not_have_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        plan(**settings)


@pytest.mark.parametrize("recipe", ["quick", "paper"])
@pytest.mark.parametrize("reading", outcomes.READINGS)
def test_the_defender_assumes_the_true_number(recipe: str, reading: str) -> None:
    for entry in plan(recipe, 1, [reading], ["spectral"]):
        config = entry.config
        size = config.dataset.per_class or 5_000
        clean = np.repeat(np.arange(10), size)
        count = poison.extent(clean, config.attack).count
        labels = np.concatenate([clean, np.full(count, config.attack.target)])
        assert count == round(entry.row.ratio * (size if reading == "target_class" else 10 * size))
        assert filter.epsilon(labels, config.defence.assumed_ratio) == count


# --- what came of it -------------------------------------------------------------------------------------


def test_an_outcome_is_the_stored_summary() -> None:
    entry, other = plan(triggers=["pixel"], targets=["bird"], ratios=[0.1], seeds=1)
    assert outcome(entry) is None
    finish(entry, [2], nat1=0.75)
    finish(other, [0, 1, 2])
    found, without = outcome(entry), outcome(other)
    assert found is not None
    assert without is not None
    assert (found.stored, found.device, found.named, without.named) == (True, "no device", (2,), None)
    assert (found.figures["nat1"], found.figures["random_left"], found.figures["perfect_left"]) == (0.75, 173, 0)
    assert found.versions["torch"] == "9.9"
    assert set(found.versions) == {"python", "numpy", "torch"}
    assert not set(found.figures) & set(outcomes.MEASURED)
    Store().write("reference", stages.reference_key(entry.config, "perfect"), document={"nat": 0.7, "asr": 0.05})
    found = outcome(entry)
    assert found is not None
    assert (found.figures["perfect_nat2"], found.figures["perfect_asr2"]) == (0.7, 0.05)
    assert "random_nat2" not in found.figures


def test_a_run_without_a_ranking_has_no_auroc() -> None:
    (entry,) = few(detectors=["spectral"])
    finish(entry, auroc=None)  # type: ignore[arg-type]
    (row,) = table([entry])
    assert row.mean("auroc") is None
    assert row.mean("nat1") == 0.78


def test_mean_and_spread_are_over_the_finished_seeds() -> None:
    entries = plan(seeds=3, triggers=["pixel"], targets=["bird"], ratios=[0.1], detectors=["spectral"])
    for entry, nat1 in zip(entries[1:], (0.7, 0.8), strict=True):
        finish(entry, nat1=nat1)
    (row,) = table(entries[::-1])
    assert row.entries == tuple(entries)
    assert row.outcomes[0] is None
    assert row.mean("nat1") == pytest.approx(0.75)
    assert row.spread("nat1") == pytest.approx(0.05)
    assert row.mean("benign_asr") is None
    assert row.spread("benign_asr") is None


def test_the_table_keeps_the_report_s_order() -> None:
    entries = plan(readings=outcomes.READINGS, detectors=reproduce.DETECTORS, seeds=2)
    rows = table(entries)
    assert [(row.reading, row.row, row.detector) for row in rows] == [
        (reading, row, detector)
        for reading in outcomes.READINGS
        for row in reference.TABLES
        for detector in reproduce.DETECTORS
    ]
    assert all([entry.seed for entry in row.entries] == [0, 1] for row in rows)


def test_the_benign_rate_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = few(detectors=["spectral"])
    finish(entry)
    key = stages.benign_key(entry.config)
    rates = [0.01 * number for number in range(10)]
    arrays = {name: np.zeros((4, 10), np.float32) for name in ("clean", "triggered")}
    Store().write("predictions", key, arrays=arrays, document={"nat": 0.8, "asr": rates})
    monkeypatch.setattr("core.datasets.loading.load", lambda *_: pytest.fail("data were loaded"))
    found = outcome(entry)
    assert found is not None
    assert found.figures["benign_asr"] == rates[NAMES.index("dog")]


def test_the_benign_rate_of_an_older_version_is_worked_out_where_the_labels_are(small_cifar10: Dataset) -> None:
    (entry,) = few(detectors=["spectral"])
    finish(entry)
    labels = small_cifar10.test_labels
    triggered = np.where(np.arange(len(labels)) % 4 == 0, NAMES.index("dog"), labels)
    arrays = {"clean": np.eye(10, dtype=np.float32)[labels], "triggered": np.eye(10, dtype=np.float32)[triggered]}
    Store().write("predictions", stages.benign_key(entry.config), arrays=arrays)
    found = outcome(entry)
    assert found is not None
    wanted = metrics.quality(labels, triggered, labels, NAMES.index("dog"), None).asr
    assert found.figures["benign_asr"] == wanted > 0.1


# --- the committed record --------------------------------------------------------------------------------


def test_without_a_record_there_is_nothing(records: Path) -> None:
    assert outcomes.recorded_recipes() == []
    assert all(row.finished == () for row in table(plan()))
    records.rmdir()
    assert outcomes.recorded_recipes() == []
    assert outcome(plan()[0]) is None


def test_a_record_stands_in_for_the_store(records: Path) -> None:
    entries = plan(seeds=2, targets=["bird"])
    for number, entry in enumerate(entries):
        finish(entry, nat1=round(0.7 + number / 100, 6))
    made = document(table(entries))
    made["runs"][0]["figures"]["benign_asr"] = 0.04
    (records / "quick.json").write_text(json.dumps(made))
    assert outcomes.recorded_recipes() == ["quick"]
    here = {entry.key: outcome(entry) for entry in entries}
    for entry in entries[1:]:
        Store().delete("run", entry.key)
    first, *others = entries
    both = outcome(first)
    assert both is not None
    assert both.stored
    known = next(run for run in made["runs"] if run["key"] == first.key)
    assert both.figures.get("benign_asr") == known["figures"].get("benign_asr")
    for entry in others:
        found, before = outcome(entry), here[entry.key]
        assert found is not None
        assert before is not None
        assert not found.stored
        assert found.named == before.named
        assert (found.device, found.versions, found.when) == (before.device, before.versions, before.when)
        assert {**found.figures, "benign_asr": 0} == {**before.figures, "benign_asr": 0}
        assert outcome(entry, recorded=False) is None
    assert all(outcome(entry) is None for entry in plan(seeds=2, targets=["bird"], training={"epochs": 3}))


def test_the_measurement_beside_a_run_is_the_record_s_where_there_is_one(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = plan(seeds=2, readings=outcomes.READINGS, targets=["bird"], detectors=["spectral"], ratios=[0.05])
    for entry in entries:
        finish(entry, poisons=100 if entry.reading == "target_class" else 1000)
    made = document(table(entries))
    for run in made["runs"]:
        run["figures"]["benign_asr"] = 0.04
    (records / "quick.json").write_text(json.dumps(made))
    monkeypatch.setattr(reference, "RECORDS", records)
    reference._quick_table.cache_clear()
    try:
        found = reference.measured(settings.configure(trigger="pixel", target="bird", ratio=0.05))
        assert found is not None
        assert (found.runs, found.poisons, found.machine, found.mean["benign_asr"]) == (2, 100, "no device", 0.04)
        assert reference.measured(settings.configure(trigger="pixel", target="bird", ratio=0.1)) is None
    finally:
        reference._quick_table.cache_clear()


# --- why it differs --------------------------------------------------------------------------------------


def row_of(recipe: str = "quick", detector: str = "spectral", **figures: float) -> outcomes.TableRow:
    """The row pixel to bird at 5%, whose ASR2 is 0.00% and of which no poison is left, with figures of our own."""
    entries = plan(recipe, 1, detectors=[detector], triggers=["pixel"], targets=["bird"], ratios=[0.05])
    usual = {"nat1": 0.9231, "asr1": 0.7912, "poisons": 100, "poisons_left": 0, "clean_removed": 0, "nat2": 0.9254,
             "asr2": 0.0, "seconds": 1.0}  # fmt: skip
    named = (2,) if detector == "whitened-spectral" else None
    found = Outcome({**usual, **figures}, named, True, "no device")
    return outcomes.TableRow(entries[0].row, "target_class", detector, tuple(entries), (found,))


def test_what_agrees_needs_no_reason() -> None:
    assert row_of().differs() == {}
    assert row_of(nat1=0.92312).differs() == {}  # the report prints hundredths of a percent
    entries = row_of().entries * 2
    near = [Outcome({**row_of().finished[0].figures, "nat1": nat1}, None, True, "") for nat1 in (0.91, 0.93)]
    assert outcomes.TableRow(row_of().row, "target_class", "spectral", entries, tuple(near)).differs() == {}
    assert outcomes.TableRow(row_of().row, "target_class", "spectral", entries, (None, None)).differs() == {}


def test_a_smaller_network_on_fewer_images() -> None:
    said = row_of(nat1=0.78, nat2=0.77, clean_removed=2800).differs()
    assert set(said) == {"nat1", "nat2"}
    assert said["nat1"] == (
        "Recipe quick trains whitened_cnn on 20,000 of the 50,000 images for 2 epochs; "
        "the report trains ResNet-18 on all."
    )
    assert said["nat2"] == said["nat1"] + " The filter also removes 2,800 benign images."


def test_resnet18_on_all_images() -> None:
    fast = row_of("fast", nat1=0.94).differs()["nat1"]
    assert "batch 512 (128)" in fast
    assert "schedule one_cycle (step)" in fast
    assert "for 10 epochs, with flips and shifts up to 2" in fast
    paper = row_of("paper", nat1=0.94).differs()["nat1"]
    assert paper.startswith("Recipe paper trains ResNet-18 with the report's settings for 30 epochs")


def test_the_trigger() -> None:
    higher, lower = row_of(asr1=0.99).differs()["asr1"], row_of("fast", asr1=0.5).differs()["asr1"]
    assert "bright yellow at full opacity" in higher
    assert "seen" not in higher
    assert lower.endswith("Each poisoned image is seen 10 times, mirrored half of the time, shifted by up to 2 pixels.")


def test_poison_that_is_left() -> None:
    said = row_of(poisons_left=40, auroc=0.9).differs()["poisons_left"]
    assert "The 150 highest scores of bird hold 60 of its 100 poisoned images (AUROC within the class 0.900)." in said
    whitened = row_of(detector="whitened-spectral", poisons_left=40)._facts()
    defence = whitened.config.defence.model_copy(update={"cut": "gap"})
    gap = dataclasses.replace(whitened, config=whitened.config.model_copy(update={"defence": defence}))
    assert "The scores of bird beyond its gap hold 60 of its 100 poisoned images." in differences.why(
        "poisons_left", row_of().row, gap
    )
    assert "not centred" in row_of(detector="spectral-released", poisons_left=40).differs()["poisons_left"]
    unseen = row_of(detector="whitened-spectral", poisons_left=100)
    unseen = outcomes.TableRow(
        unseen.row,
        unseen.reading,
        unseen.detector,
        unseen.entries,
        (Outcome(unseen.finished[0].figures, (), True, ""),),
    )
    assert (
        unseen.differs()["poisons_left"] == "In 1 of 1 run the detector did not name bird: nothing of it was removed."
    )


def test_no_poison_left_by_a_detector_that_names_the_class() -> None:
    better = row_of(detector="whitened-spectral")
    better = outcomes.TableRow(reference.TABLES[2], "target_class", better.detector, better.entries, better.outcomes)
    named = differences.why("poisons_left", reference.TABLES[2], better._facts())
    assert named == "In 1 run the detector named dog and no other class, and the cut holds all its poison."


def test_asr_below_what_a_benign_network_shows() -> None:
    said = row_of(asr2=0.035, benign_asr=0.038).differs()["asr2"]
    assert "The report's 0.00% is below the 3.8% at which our benign network gives bird" in said
    assert "No poisoned image is left." in said
    assert "On average 12.0 of 100 poisoned images are left." in row_of(asr2=0.5, poisons_left=12).differs()["asr2"]


# --- the table as text -----------------------------------------------------------------------------------


def test_markdown_has_a_table_for_each_trigger_and_reading() -> None:
    entries = plan(seeds=1, readings=outcomes.READINGS, detectors=["spectral"])
    finish(entries[1], asr1=0.5)
    lines = tables.markdown(table(entries), {entries[3].key: "out of memory"}).splitlines()
    heads = [line for line in lines if line.startswith("### ")]
    assert heads == [
        f"### {trigger}, ratio of {of}"
        for of in ("the target class", "the whole training set")
        for trigger in ("pixel", "pattern")
    ]
    bodies = [line for line in lines if line.startswith("| ") and not line.startswith("| target")]
    assert len(bodies) == 24
    assert {line.count("|") for line in lines if line.startswith("|")} == {len(tables.COLUMNS) + 1}
    assert bodies[1].startswith(
        "| bird | 10% | spectral | 92.19%<br>78.0 ± 0.0% | 90.10%<br>50.0 ± 0.0% "
        "| 1<br>0.0 ± 0.0 of 200 | 173 ± 0 | 0 ± 0 |"
    )
    assert bodies[0].count("not run") == 5
    assert "- dog 10%, spectral, seed 0, failed: out of memory" in lines
    assert any(line.startswith("- **ASR1**, bird 10% spectral: Our trigger is") for line in lines)
    assert "The defender assumes the true number of poisoned images" in lines[-1]


def test_the_document_is_json_and_has_every_finished_run() -> None:
    entries = plan(seeds=2, targets=["bird"], detectors=["whitened-spectral"])
    for entry in entries[:3]:
        finish(entry)
    made = json.loads(json.dumps(document(table(entries), {"key": "why"}), allow_nan=False))
    assert (made["recipe"], made["dataset"]["per_class"], made["training"]["epochs"]) == ("quick", 2000, 2)
    assert made["failed"] == {"key": "why"}
    assert {run["key"] for run in made["runs"]} == {entry.key for entry in entries[:3]}
    for run in made["runs"]:
        assert set(run) == {
            *("trigger", "target", "ratio", "reading", "detector", "seed", "figures"),
            *("named", "device", "key", "versions", "when"),
        }
        assert run["named"] == [2]
        assert run["when"] > 0


# --- carrying it out -------------------------------------------------------------------------------------


@pytest.fixture
def small_cifar10(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A CIFAR-10 of 20 + 6 images a class, each class a colour under noise."""
    generator = np.random.default_rng(0)
    colours = generator.integers(40, 216, (10, 1, 1, 3))

    def images(labels: np.ndarray) -> np.ndarray:
        noise = generator.normal(0, 25, (len(labels), 32, 32, 3))
        return (colours[labels] + noise).clip(0, 255).astype(np.uint8)

    train, test = (np.repeat(np.arange(10), count).astype(np.int64) for count in (PER_CLASS, TESTED))
    made = Dataset("cifar10", images(train), train, images(test), test, NAMES, np.arange(len(train)))
    monkeypatch.setattr(cifar10, "load", lambda: made)
    monkeypatch.setattr(cifar10, "available", lambda: True)
    return made


def test_here_every_run_once_and_then_never_again(small_cifar10: Dataset, trainings: Counter[str]) -> None:
    entries = few()
    told: list[tuple[Entry, Outcome | None]] = []
    heard: list[Event] = []
    assert (cost(entries).runs, cost(entries).trainings) == (2, 4)
    reproduce.reproduce(entries, here=True, device="cpu", watch=heard.append, each=lambda *one: told.append(one))
    # Benign, poisoned, and a retraining for each detector; the poisoned network is shared.
    removed = [found.figures["clean_removed"] + found.figures["poisons"] - found.figures["poisons_left"]
               for _, found in told if found is not None]  # fmt: skip
    assert trainings["done"] == 2 + sum(count > 0 for count in removed)
    assert [entry for entry, _ in told] == entries
    for _, found in told:
        assert found is not None
        assert found.figures.keys() >= {*outcomes.FIGURES, "random_left", "perfect_left", "benign_asr"}
    shares = [event.data["overall"] for event in heard]
    assert shares == sorted(shares)
    assert shares[-1] <= 1
    assert jobs.listing(start=False) == []
    done = trainings["begun"]
    reproduce.reproduce(entries, here=True, each=lambda *one: pytest.fail("it was told again"))
    assert trainings["begun"] == done
    assert cost(entries) == reproduce.Cost(0, 0, 0.0, True)


def test_the_references_are_what_guessing_and_knowing_leave(small_cifar10: Dataset, trainings: Counter[str]) -> None:
    entries = few(detectors=["spectral"])
    reproduce.reproduce(entries, here=True, device="cpu", benign=False)
    assert trainings["done"] == 2
    assert cost(entries, references=True, benign=False).trainings == 2
    reproduce.reproduce(entries, here=True, device="cpu", benign=False, references=True)
    assert trainings["done"] == 4
    (row,) = table(entries)
    for figure in ("random_nat2", "random_asr2", "perfect_nat2", "perfect_asr2"):
        assert 0 <= (row.mean(figure) or 0.0) <= 1
        assert len(row.values(figure)) == 1
    assert row.mean("perfect_left") == 0
    assert row.mean("benign_asr") is None
    # The perfect filter's network is the one trained on the clean images alone: recompute its figures.
    config, store = entries[0].config, Store()
    poisoned = poison.poison(doors_dataset(config), config.attack, config.seed)
    key = stages.predictions_key(stages.model_key(config, ~poisoned.truth.poisoned), config.attack)
    stored = store.read("predictions", key)
    assert stored is not None
    clean = stored.array("clean").argmax(1)
    assert row.mean("perfect_nat2") == float((clean == small_cifar10.test_labels).mean())
    assert stored.document["asr"][config.attack.target] == row.mean("perfect_asr2")


def doors_dataset(config: Any) -> Dataset:
    from core import datasets

    return datasets.load(config.dataset)


def test_a_failed_run_does_not_end_the_others(
    small_cifar10: Dataset, trainings: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doors.run

    def run(config: Any, **options: Any) -> Any:
        if config.attack.target == NAMES.index("bird"):
            raise RuntimeError("too large")
        return real(config, **options)

    monkeypatch.setattr(doors, "run", run)
    entries = few(targets=["bird", "dog"], detectors=["spectral"])
    said: list[tuple[Entry, str]] = []
    told: list[tuple[Entry, bool]] = []
    with pytest.raises(RunsFailed, match="1 of the runs failed") as caught:
        reproduce.reproduce(
            entries, here=True, benign=False, references=True, failed=lambda *one: said.append(one),
            each=lambda entry, found: told.append((entry, found is not None)),
        )  # fmt: skip
    assert caught.value.failures == {entries[0].key: "RuntimeError: too large"}
    assert said == [(entries[0], "RuntimeError: too large")]
    assert told == [(entries[0], False), (entries[1], True)]
    assert trainings["done"] == 4  # of the second: poisoned, cleaned, random, perfect


def test_a_benign_reference_that_fails_costs_no_filter(small_cifar10: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def benign(*_: Any, **__: Any) -> None:
        raise RuntimeError("too large")

    monkeypatch.setattr(doors, "run_benign", benign)
    (entry,) = few(targets=["dog"], detectors=["spectral"])
    with pytest.raises(RunsFailed) as caught:
        reproduce.reproduce([entry], here=True, references=True)
    assert caught.value.failures == {entry.key: "its benign reference: RuntimeError: too large"}
    for which in ("random", "perfect"):
        assert Store().has("reference", stages.reference_key(entry.config, which))


def test_classes_of_which_nothing_is_left(small_cifar10: Dataset) -> None:
    (entry,) = few(readings=["training_set"], detectors=["spectral"])
    assert entry.config.defence.assumed_ratio == 1.0
    reproduce.reproduce([entry], here=True, benign=False)
    (row,) = table([entry])
    assert (row.mean("poisons"), row.mean("nat2"), row.mean("asr2")) == (20, 0.1, 1.0)
    assert row.emptied() == [name for name in NAMES if name != "dog"]
    assert "dog 10%, spectral: the filter leaves nothing of 9 classes" in tables.markdown([row])
    assert row.differs()["nat2"].startswith("The filter leaves nothing of 9 classes")
    (other,) = few(detectors=["spectral"])
    finish(other, poisons=2)
    assert table([other])[0].emptied() == []


def test_without_the_data_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*_: Any) -> None:
        raise DataUnavailable("no network")

    monkeypatch.setattr(cifar10, "available", lambda: False)
    monkeypatch.setattr(cifar10, "prepare", prepare)
    with pytest.raises(DataUnavailable, match="no network"):
        reproduce.reproduce(few())
    assert jobs.listing(start=False) == []


# --- by the worker, and interrupted ----------------------------------------------------------------------


@pytest.fixture
def working(small_cifar10: Dataset) -> Iterator[None]:
    """The worker, in a thread of this process, so that its trainings can be counted."""
    thread = threading.Thread(target=worker.work, args=(DEADLINE,))
    thread.start()
    while not jobs.worker_lock().path.exists():
        assert thread.is_alive()
    yield
    jobs.worker_lock().path.unlink(missing_ok=True)
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_the_worker_never_lacks_a_next_one(working: None, trainings: Counter[str]) -> None:
    entries = few(targets=["bird", "dog", "horse"], detectors=["spectral"])
    waiting: list[int] = []

    def each(entry: Entry, found: Outcome | None) -> None:
        assert found is not None
        waiting.append(sum(job.active for job in jobs.listing(start=False)))

    reproduce.reproduce(entries, benign=False, each=each)
    assert trainings["done"] == 6
    assert [job.status for job in jobs.listing(start=False)] == ["done"] * 3
    assert len(waiting) == 3
    assert waiting[-1] == 0


def test_an_interrupted_command_goes_on_where_it_ended(working: None, trainings: Counter[str]) -> None:
    entries = few(targets=["bird", "dog"], ratios=[0.05, 0.1], detectors=["spectral"])
    somebody_s = jobs.submit(entries[2].config, start=False)
    seen: list[Entry] = []

    def each(entry: Entry, found: Outcome | None) -> None:
        seen.append(entry)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce.reproduce(entries, benign=False, each=each)
    for job in jobs.listing(start=False):
        job = jobs.wait(job.id, start=False)
        assert job.status in ("done", "cancelled")
    assert jobs.get(somebody_s.id).status == "done"  # who asked for it apart still gets it
    assert all(outcome(entry) is not None for entry in seen)
    finished = sum(outcome(entry) is not None for entry in entries)
    assert finished < len(entries)
    reproduce.reproduce(entries, benign=False, each=lambda entry, _: seen.append(entry))
    assert all(outcome(entry) is not None for entry in entries)
    assert trainings["done"] == 2 * len(entries)  # not one more than an undisturbed command
    done = trainings["begun"]
    reproduce.reproduce(entries, benign=False)
    assert trainings["begun"] == done


def test_interrupted_in_a_training_here_only_that_one_is_begun_again(
    small_cifar10: Dataset, trainings: Counter[str]
) -> None:
    entries = few(targets=["bird", "dog"], detectors=["spectral"])

    def watch(event: Event) -> None:
        if event.message.startswith("2 of 2") and event.stage == "retrain":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce.reproduce(entries, here=True, benign=False, watch=watch)
    assert trainings["done"] == 3
    reproduce.reproduce(entries, here=True, benign=False)
    assert trainings["done"] == 4


def test_a_job_that_fails_in_the_worker_is_told(
    working: None, trainings: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.run

    def run(config: Any, *arguments: Any, **options: Any) -> Mapping[str, Any]:
        if config.attack.target == NAMES.index("bird"):
            raise BadRequest("no birds today")
        return real(config, *arguments, **options)

    monkeypatch.setattr(pipeline, "run", run)
    entries = few(targets=["bird", "dog"], detectors=["spectral"])
    with pytest.raises(RunsFailed) as caught:
        reproduce.reproduce(entries, benign=False, references=True)
    assert caught.value.failures == {entries[0].key: "no birds today"}
    assert outcome(entries[1]) is not None
    states = {(job.kind, job.config.attack.target): job.status for job in jobs.listing(start=False)}
    assert states["run", NAMES.index("bird")] == "failed"
    assert [states[kind, NAMES.index("dog")] for kind in ("run", "random", "perfect")] == ["done"] * 3
