"""The story from data set to comparison: every stage is computed once, and the figures are those of the artefacts."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from core import pipeline
from core.configuration import stages
from core.configuration.config import RunConfig
from core.configuration.settings import configure
from core.evaluation import metrics
from core.results.result import Result
from core.store.stores import Store
from core.types import BadRequest, Cancelled, Event

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 120.0
PER_CLASS, POISONS = 30, 9


def config(seed: int = 0, **settings: Any) -> RunConfig:
    """A run on 300 digits whose backdoor is learned and found within seconds."""
    usual = dict(
        dataset="digits",
        trigger="pattern",
        target=3,
        ratio=0.3,
        training={"per_class": PER_CLASS, "epochs": 3, "batch_size": 20},
        assumed_ratio=0.3,
    )
    return configure(seed=seed, **(usual | settings))


def small(seed: int = 0, **settings: Any) -> RunConfig:
    """A run that is over at once, and of which nothing is expected."""
    return config(seed, **({"training": {"per_class": 10, "epochs": 1, "batch_size": 20}} | settings))


class Calls(Counter[str]):
    """How often the pipeline did its heavy work."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    found = Calls()
    for name in ("train", "represent"):
        real = getattr(pipeline, name)

        def counted(*arguments: Any, name: str = name, real: Any = real, **options: Any) -> Any:
            found[name] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(pipeline, name, counted)
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("pipeline") / "store")


@pytest.fixture(scope="module")
def heard() -> list[Event]:
    """What the finished run said while it ran."""
    return []


@pytest.fixture(scope="module")
def summary(store: Store, heard: list[Event]) -> dict[str, Any]:
    """The summary of a finished run; its artefacts are in the store, which the tests share."""
    return pipeline.run(config(), store, heard.append)


# --- the figures ------------------------------------------------------------------------------------------


def test_a_run_has_its_figures(summary: dict[str, Any]) -> None:
    for name in ("nat1", "asr1", "nat2", "asr2", "tpr", "fpr", "precision", "auroc", "average_precision"):
        assert 0.0 <= summary[name] <= 1.0, name
    assert summary["run"] == stages.run_key(config())
    assert summary["seconds"] > 0
    assert summary["device"]
    assert RunConfig.model_validate(summary["config"]) == config()
    assert (summary["poisons"], summary["count"]) == (POISONS, POISONS)
    assert summary["of_clean_target"] == pytest.approx(0.3)
    assert summary["of_training_set"] == pytest.approx(POISONS / (10 * PER_CLASS + POISONS))
    assert summary["source_asr1"] is None
    assert len(summary["per_class1"]) == len(summary["per_class2"]) == 10


def test_the_attack_works_and_the_defence_finds_it(summary: dict[str, Any]) -> None:
    assert summary["nat1"] > 0.5
    assert summary["asr1"] > 0.9
    assert summary["auroc"] > 0.9
    assert summary["poisons_left"] < POISONS / 3
    assert summary["asr2"] < summary["asr1"] / 2


def test_the_figures_are_those_of_the_artefacts(store: Store, summary: dict[str, Any]) -> None:
    result = Result(config(), store)
    truth, labels = result.poisoned.truth.poisoned, result.poisoned.labels
    test_labels = result.dataset.test_labels
    for which, number in (("poisoned", 1), ("clean", 2)):
        predictions = result.predictions(which)
        assert predictions is not None
        clean, triggered = (logits.argmax(1) for logits in predictions)
        assert summary[f"nat{number}"] == np.mean(clean == test_labels)
        assert summary[f"asr{number}"] == np.mean(triggered[test_labels != 3] == 3)
    flagged, found = result.flagged, result.detection()
    assert flagged is not None
    assert found is not None
    assert summary["epsilon"] == POISONS  # 0.3 of the median class
    assert summary["budget"] == 13
    assert summary["flagged"] == flagged.sum() == 130  # 1.5 * 9, rounded down, from each class
    for label in range(10):
        members = labels == label
        assert flagged[members].sum() == 13
        assert found.scores[members & flagged].min() >= found.scores[members & ~flagged].max()
    hits = int((flagged & truth).sum())
    assert summary["poisons_left"] == POISONS - hits
    assert summary["clean_removed"] == 130 - hits
    assert summary["tpr"] == hits / POISONS
    assert summary["fpr"] == (130 - hits) / (10 * PER_CLASS)
    target = labels == 3
    assert summary["auroc"] == pytest.approx(roc_auc_score(truth[target], found.scores[target]))
    assert summary["average_precision"] == pytest.approx(average_precision_score(truth[target], found.scores[target]))


def test_the_networks_are_those_that_were_evaluated(store: Store, summary: dict[str, Any]) -> None:
    """The stored weights, put into a fresh network, give the stored answers and representations."""
    from core.evidence.representations import predict, represent
    from core.training import models
    from core.training.loop import load_weights

    result = Result(config(), store)
    for which in ("poisoned", "clean"):
        key = result.model_key(which)
        assert key is not None
        artefact = store.read("model", key)
        assert artefact is not None
        network = load_weights(models.build("whitened_cnn", 10, 99), artefact.weights())
        predictions = result.predictions(which)
        assert predictions is not None
        np.testing.assert_array_equal(predict(network, result.dataset.test_images), predictions[0])
        if which == "poisoned":
            features, logits = represent(network, result.poisoned.images, "penultimate")
            np.testing.assert_array_equal(features, result.features)
            np.testing.assert_array_equal(logits, result.logits)


def test_the_history_ends_with_the_probe_of_the_network(store: Store, summary: dict[str, Any]) -> None:
    """Its last figures are the network's own, on the first of the same test images."""
    result = Result(config(), store)
    few = metrics.probed(len(result.dataset.train_labels) * config().training.epochs)
    labels = result.dataset.test_labels[:few]
    for which in ("poisoned", "clean"):
        history, predictions = result.history(which), result.predictions(which)
        assert predictions is not None
        clean, fooled = (logits[:few].argmax(1) for logits in predictions)
        assert [record["epoch"] for record in history] == [1, 2, 3]
        assert history[-1]["nat"] == pytest.approx((clean == labels).mean())
        assert history[-1]["asr"] == pytest.approx((fooled == 3)[labels != 3].mean())


def test_losses_of_the_poisoned_training_are_kept(store: Store, summary: dict[str, Any]) -> None:
    result = Result(config(), store)
    before, after = (store.read("model", result.model_key(which) or "") for which in ("poisoned", "clean"))
    assert before is not None
    assert after is not None
    losses = before.array("losses")
    assert losses.shape == (3, len(result.poisoned))
    assert losses.dtype == np.float32
    assert np.isfinite(losses).mean() > 0.5
    assert not list(after.folder.glob("losses*"))  # no detector asks for those of the retraining


def test_strip_asks_the_network_once(store: Store, summary: dict[str, Any], calls: Calls) -> None:
    asked = config(detector="strip", detector_parameters={"others": 4})
    told: list[Event] = []
    found = pipeline.run(asked, store, told.append)
    assert found["auroc"] > 0.9
    assert any(event.stage == "score" and 0 < event.fraction < 1 and "superimposed" in event.message for event in told)
    assert calls["train"] == 1  # the retraining
    key = stages.entropies_key(stages.model_key(asked), asked.defence)
    artefact = store.read("entropies", key)
    assert artefact is not None
    assert artefact.array("entropies").shape == (10 * PER_CLASS + POISONS, 4)
    assert Result(asked, store).detection() is not None


def test_losses_of_an_earlier_version_s_network_come_of_training_once_more(
    store: Store, summary: dict[str, Any], tmp_path: Path, calls: Calls
) -> None:
    asked = config(detector="loss-isolation")
    key = stages.model_key(asked)
    kept = store.read("model", key)
    assert kept is not None
    old = Store(tmp_path)
    old.write("model", key, weights=kept.weights(), document=kept.document)
    lacks = Result(asked, old).lacks()
    assert lacks is not None
    assert "none were kept with this network" in lacks
    found = pipeline.run(asked, old)
    assert calls["train"] == 2  # for the losses, and the retraining
    assert np.isfinite(found["auroc"])
    assert Result(asked, old).lacks() is None
    again = old.read("losses", stages.losses_key(key))
    assert again is not None
    np.testing.assert_array_equal(again.array("losses"), kept.array("losses"))
    plain = pipeline.run(asked, store)  # where the training kept them, nothing is repeated
    assert not store.has("losses", stages.losses_key(key))
    assert plain["auroc"] == found["auroc"]


@pytest.mark.usefixtures("lean")
def test_a_source_class_has_its_own_rate(tmp_path: Path) -> None:
    asked = small(source=7)
    found = pipeline.run(asked, Store(tmp_path))
    result = Result(asked, Store(tmp_path))
    predictions = result.predictions("poisoned")
    assert predictions is not None
    fooled = predictions[1].argmax(1) == 3
    assert found["source_asr1"] == fooled[result.dataset.test_labels == 7].mean()
    assert set(result.poisoned.source_labels[result.poisoned.truth.poisoned]) == {7}


@pytest.mark.usefixtures("lean")
def test_the_same_run_elsewhere_gives_the_same_figures(tmp_path: Path) -> None:
    one, two = (pipeline.run(small(), Store(tmp_path / name)) for name in ("one", "two"))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


# --- progress ---------------------------------------------------------------------------------------------


def test_progress_only_grows(summary: dict[str, Any], heard: list[Event]) -> None:
    overall = [event.data["overall"] for event in heard]
    assert overall == sorted(overall)
    assert overall[0] == 0.0
    assert overall[-1] == pytest.approx(1.0)
    assert list(dict.fromkeys(event.stage for event in heard)) == [
        *("train", "evaluate", "represent", "score", "retrain", "evaluate again"),
    ]
    assert all(0.0 <= event.fraction <= 1.0 for event in heard)


@pytest.mark.usefixtures("lean")
def test_progress_counts_what_is_still_to_do_and_nothing_else(tmp_path: Path) -> None:
    store, told = Store(tmp_path), dict[str, list[float]]()

    def watch(event: Event) -> None:
        told.setdefault(event.stage, []).append(event.data["overall"])

    pipeline.benign(small(), store, watch)
    assert told["train"][-1] > 0.0
    assert told["evaluate"][-1] == pytest.approx(1.0)
    pipeline.run(small(), store)
    told.clear()
    pipeline.run(small(detector="whitened-spectral", scope="every_class"), store, watch)  # on the same network
    assert told["train"][-1] == told["evaluate"][-1] == told["represent"][-1] == 0.0
    assert told["score"][-1] < 0.1
    assert told["evaluate again"][-1] == pytest.approx(1.0)
    told.clear()
    pipeline.reference("random", small(), store, watch)
    assert told["retrain"][0] == 0.0
    assert told["evaluate again"][-1] == pytest.approx(1.0)


def test_every_epoch_is_told_with_its_figures(summary: dict[str, Any], heard: list[Event], store: Store) -> None:
    for stage, which in (("train", "poisoned"), ("retrain", "clean")):
        told = [dict(event.data) for event in heard if event.stage == stage and "seconds" in event.data]
        for record in told:
            del record["overall"]
        assert told == Result(config(), store).history(which)


# --- nothing twice ----------------------------------------------------------------------------------------


def test_the_same_request_computes_nothing(store: Store, summary: dict[str, Any], calls: Calls) -> None:
    heard: list[Event] = []
    assert pipeline.run(config(), store, heard.append) == summary
    assert heard == []
    assert calls == {}


def test_another_detector_trains_no_poisoned_network(store: Store, summary: dict[str, Any], calls: Calls) -> None:
    other = pipeline.run(config(detector="spectral-released"), store)
    assert calls == {"train": 1}  # on what it left
    assert (other["nat1"], other["asr1"]) == (summary["nat1"], summary["asr1"])
    assert other["run"] != summary["run"]


def test_another_budget_retrains_the_clean_network_only(
    store: Store, summary: dict[str, Any], calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []
    monkeypatch.setattr("core.results.result.detect", lambda *_, **__: scored.append("again"))
    other = pipeline.run(config(multiplier=0.5), store)
    assert calls == {"train": 1}
    assert scored == []
    assert other["auroc"] == summary["auroc"]
    assert other["budget"] == 4


def test_another_representation_is_looked_at_without_training_on_poison(
    store: Store, summary: dict[str, Any], calls: Calls
) -> None:
    other = pipeline.run(config(representation="block2"), store)
    assert calls["represent"] == 1
    assert calls["train"] <= 1
    assert other["nat1"] == summary["nat1"]


def test_another_attack_trains_anew(store: Store, summary: dict[str, Any], calls: Calls) -> None:
    pipeline.run(small(), store)
    assert calls == {"train": 2, "represent": 1}
    pipeline.run(small(trigger_parameters={"colour": "#ff0000"}), store)
    assert calls == {"train": 4, "represent": 2}


@pytest.mark.usefixtures("lean")
def test_a_filter_that_flags_nothing_trains_nothing(tmp_path: Path, calls: Calls) -> None:
    asked = small(assumed_ratio=0.0)
    found = pipeline.run(asked, Store(tmp_path))
    assert calls == {"train": 1, "represent": 1}
    assert (found["flagged"], found["clean_removed"], found["poisons_left"]) == (0, 0, 3)
    assert (found["nat2"], found["asr2"]) == (found["nat1"], found["asr1"])
    assert found["precision"] is None
    result = Result(asked, Store(tmp_path))
    assert result.model_key("clean") == result.model_key("poisoned")


@pytest.mark.usefixtures("lean")
def test_the_clean_control(tmp_path: Path, calls: Calls) -> None:
    asked = small(ratio=0.0)
    found = pipeline.run(asked, Store(tmp_path))
    assert (found["poisons"], found["count"], found["poisons_left"]) == (0, 0, 0)
    assert found["auroc"] is None
    assert found["average_precision"] is None
    assert found["tpr"] is None
    assert found["clean_removed"] == found["flagged"] > 0
    assert 0 <= found["asr1"] <= 1
    # It is the benign reference, too.
    assert calls == {"train": 2, "represent": 1}
    quality = pipeline.benign(small(), Store(tmp_path))
    assert calls == {"train": 2, "represent": 1}
    assert (quality.nat, quality.asr) == (found["nat1"], found["asr1"])


def test_triggers_share_their_benign_reference(tmp_path: Path, calls: Calls) -> None:
    store = Store(tmp_path)
    one, two = small(), small(trigger="pixel")
    pipeline.benign(one, store)
    assert calls == {"train": 1}
    pipeline.benign(two, store)
    assert calls == {"train": 1}
    assert stages.benign_key(one) != stages.benign_key(two)
    for asked in (one, two):
        assert store.has("predictions", stages.benign_key(asked))
        assert Result(asked, store).quality("benign") is not None


def test_a_job_is_a_run_or_a_reference(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"one of \['benign', 'perfect', 'random', 'run'\], got 'sweep'"):
        pipeline.execute("sweep", small(), Store(tmp_path))
    pipeline.execute("benign", small(), Store(tmp_path))
    assert Store(tmp_path).has("predictions", stages.benign_key(small()))
    assert not Store(tmp_path).has("run", stages.run_key(small()))


def test_an_impossible_attack_is_refused_before_anything_starts(tmp_path: Path, calls: Calls) -> None:
    with pytest.raises(BadRequest, match="has only 10 source images"):
        pipeline.run(small(source=7, ratio=1.0, ratio_of="training_set"), Store(tmp_path))
    with pytest.raises(BadRequest, match="must lie inside the image"):
        pipeline.run(small(trigger_parameters={"row": 40}), Store(tmp_path))
    assert calls == {}
    assert Store(tmp_path).listing() == []


# --- two at once ------------------------------------------------------------------------------------------

RUNNER = """
    import sys
    from pathlib import Path
    from core import pipeline
    from core.configuration.config import RunConfig
    from core.store.stores import Store
    from tests.trainings import trainings_made_lean

    train = pipeline.train

    def noted(*arguments, **options):
        print("trains", options["stage"], flush=True)
        return train(*arguments, **options)

    pipeline.train = noted
    asked = RunConfig.model_validate_json(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    with trainings_made_lean():
        found = pipeline.run(asked, Store(Path(sys.argv[2])))
    print("nat", found["nat1"], found["nat2"])
"""


def test_two_processes_train_once(tmp_path: Path) -> None:
    runners = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RUNNER), small().model_dump_json(), str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for runner in runners:
            assert runner.stdout is not None
            assert runner.stdout.readline() == "ready\n"
        for runner in runners:
            assert runner.stdin is not None
            runner.stdin.write("go\n")
            runner.stdin.flush()
        said = [runner.communicate(timeout=DEADLINE)[0].splitlines() for runner in runners]
    finally:
        for runner in runners:
            runner.kill()
            runner.communicate()
    assert [runner.returncode for runner in runners] == [0, 0]
    assert sorted(said[0][:-1] + said[1][:-1]) == ["trains retrain", "trains train"]
    assert said[0][-1] == said[1][-1]
    assert said[0][-1].startswith("nat ")


@pytest.mark.usefixtures("lean")
def test_who_waits_for_another_can_give_up(tmp_path: Path, calls: Calls) -> None:
    store = Store(tmp_path)

    def watch(event: Event) -> None:
        if event.message == "another process is at it":
            raise Cancelled("I do not want to wait")

    with store.lock("model", stages.model_key(small())), pytest.raises(Cancelled, match="not want to wait"):
        pipeline.run(small(), store, watch)
    assert calls == {}


@pytest.mark.usefixtures("lean")
def test_who_waited_takes_what_the_other_made(tmp_path: Path, calls: Calls) -> None:
    store, key = Store(tmp_path), stages.model_key(small())
    pipeline.run(small(), Store(tmp_path / "elsewhere"))
    made = Store(tmp_path / "elsewhere").read("model", key)
    assert made is not None
    calls.clear()
    waiting = threading.Event()

    def other() -> None:
        with store.lock("model", key):
            begun.set()
            assert waiting.wait(DEADLINE)
            store.write("model", key, weights=made.weights(), document=made.document)

    def watch(event: Event) -> None:
        if event.message:
            waiting.set()

    begun = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert begun.wait(DEADLINE)
        pipeline.run(small(), store, watch)
    finally:
        waiting.set()
        thread.join(DEADLINE)
    assert calls == {"train": 1, "represent": 1}  # the clean network only


# --- attacks other than the usual one ----------------------------------------------------------------------

CORNERS = [{"trigger": "patch", "parameters": {"row": row, "column": column}} for row, column in ((5, -2), (-2, 5))]
OTHERS: dict[str, dict[str, Any]] = {
    "clean-label": dict(trigger="patch", labels="clean_label", ratio=0.8, placement="replace"),
    "all-to-all": dict(labels="all_to_all", training={"per_class": PER_CLASS, "epochs": 5, "batch_size": 20}),
    "covers": dict(cover_ratio=1.0),
    "three patches": dict(trigger="patch", also=CORNERS, ratio=0.9),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_attack_goes_from_end_to_end_and_its_figures_are_those_of_its_truth(store: Store, name: str) -> None:
    wanted = config(**OTHERS[name])
    summary = pipeline.run(wanted, store)
    result = Result(wanted, store)
    truth, labels, test_labels = result.poisoned.truth, result.poisoned.labels, result.dataset.test_labels
    assert (summary["poisons"], summary["covers"]) == (truth.count, truth.covers.sum())
    assert truth.count > 0
    assert truth.covers.any() == (name == "covers")
    predictions = result.predictions("poisoned")
    assert predictions is not None
    aims = (test_labels + 1) % 10 if name == "all-to-all" else np.full(len(test_labels), 3)
    fooled = predictions[1].argmax(1) == aims
    assert summary["asr1"] == pytest.approx(fooled[test_labels != aims].mean())
    assert summary["covers_removed"] == (result.flagged & truth.covers).sum()
    found = result.detection()
    assert found is not None
    areas = [
        roc_auc_score(truth.poisoned[labels == label], found.scores[labels == label])
        for label in np.unique(labels[truth.poisoned])
    ]
    assert summary["auroc"] == pytest.approx(np.mean(areas))
    pipeline.benign(wanted, store)
    benign = result.quality("benign")
    assert benign is not None
    assert summary["asr1"] > benign.asr + 0.2, "the backdoor is learned"
    history = result.history("poisoned")[-1]
    looked = np.arange(len(aims)) < metrics.probed(len(result.dataset.train_labels) * wanted.training.epochs)
    last = fooled[looked & (test_labels != aims)].mean()
    assert history["asr"] == pytest.approx(last), "the curve's last point is of the first of the same test images"
