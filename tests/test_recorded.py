"""The recorded run: what ships in assets/ is whole and current; packing and unpacking keep what a run was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import core
from core import DamagedArtefact, Store, jobs
from core.configuration import stages
from core.reproduction import record
from core.results import recorded
from core.results.result import Result
from tests.pages import stored

FIGURES = ("nat1", "asr1", "nat2", "asr2", "poisons_left", "clean_removed", "auroc")


@pytest.fixture
def installed() -> list[Result]:
    """The shipped recording, in an empty home."""
    core.install_recorded()
    return [Result(config) for _, config in recorded.runs()]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recording that a test may harm."""
    folder = tmp_path / "recorded"
    shutil.copytree(recorded.FOLDER, folder)
    monkeypatch.setattr(recorded, "FOLDER", folder)
    return folder


def test_what_ships_was_made_by_this_version() -> None:
    assert [stages.run_key(config) for _, config in recorded.runs()] == recorded.run_keys()
    assert [config for _, config in recorded.runs()] == [config for _, config in record.chosen()]


def test_what_ships_is_small() -> None:
    assert sum(path.stat().st_size for path in recorded.FOLDER.iterdir()) < 8e6


def test_every_door_finds_it_done_without_a_training(installed: list[Result]) -> None:
    listed = jobs.listing(start=False)
    assert [(job.status, job.attempts) for job in listed] == [("done", 0)] * len(installed)
    assert listed[0].key == recorded.run_keys()[0]
    assert listed[0].name == "Recorded run"


def test_rounding_changed_no_figure(installed: list[Result]) -> None:
    for result in installed:
        summary, before, after = result.summary, result.quality("poisoned"), result.quality("clean")
        assert summary is not None
        assert before is not None
        assert after is not None
        assert result.quality("benign") is not None
        assert (before.nat, before.asr) == (summary["nat1"], summary["asr1"])
        assert (after.nat, after.asr) == (summary["nat2"], summary["asr2"])


def test_its_scores_are_those_that_the_run_cut(installed: list[Result]) -> None:
    for result in installed:
        found = result.detection()
        assert found is not None
        keep = core.filter.keep_mask(found, result.poisoned.labels, result.config.defence)
        assert np.array_equal(~keep, result.flagged)


def test_its_networks_answer_as_they_did(installed: list[Result]) -> None:
    from core.evidence.representations import predict

    result = installed[0]
    rows = np.flatnonzero(result.test_pictured)
    for which in ("poisoned", "clean", "benign"):
        network, known = result.network(which), result.predictions(which)
        assert network is not None
        assert known is not None
        answers = predict(network, result.dataset.test_images[rows])
        assert (answers.argmax(1) == known[0][rows].argmax(1)).mean() > 0.98
        assert np.abs(answers - known[0][rows]).max() < 0.25  # they were in bfloat16


def test_all_that_its_filter_removed_of_the_target_has_a_picture(installed: list[Result]) -> None:
    result = installed[0]
    assert result.flagged is not None
    assert result.pictured[result.flagged].all()
    assert result.pictured[result.poisoned.truth.poisoned].all()
    grey = result.dataset.train_images[~result.dataset.pictured][:100]
    assert (grey == recorded.GREY).all()
    assert np.bincount(result.dataset.test_labels[result.test_pictured]).min() >= 10


@pytest.mark.real_data
def test_its_pictures_are_cifar_10s(cifar10_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, config), *_ = recorded.runs()
    shipped = recorded.dataset(config.dataset)
    assert shipped is not None
    monkeypatch.setenv(core.home.VARIABLE, str(cifar10_cache))
    real = core.datasets.load(config.dataset)
    assert np.array_equal(shipped.train_labels, real.train_labels)
    assert np.array_equal(shipped.test_labels, real.test_labels)
    assert np.array_equal(shipped.train_rows, real.train_rows)
    assert np.array_equal(shipped.train_images[shipped.pictured], real.train_images[shipped.pictured])
    assert np.array_equal(shipped.test_images[shipped.test_pictured], real.test_images[shipped.test_pictured])


def test_a_name_that_a_person_gave_stays(installed: list[Result]) -> None:
    job = jobs.find(recorded.run_keys()[0], start=False)
    assert job is not None
    jobs.rename(job.id, "For Tuesday")
    core.install_recorded()
    assert jobs.get(job.id, start=False).name == "For Tuesday"


def test_what_was_damaged_in_the_store_comes_back(installed: list[Result]) -> None:
    store, key = Store(), recorded.run_keys()[0]
    (store.folder / "run" / key / "document.json").write_text("{}")
    assert Result(installed[0].config).summary is None
    core.install_recorded()
    assert Result(installed[0].config).summary == installed[0].summary


@pytest.mark.parametrize("file", ["arrays.npz", "labels.npz", "train.webp", "test.webp"])
def test_an_altered_file_is_named(elsewhere: Path, file: str) -> None:
    content = bytearray((elsewhere / file).read_bytes())
    content[len(content) // 2] ^= 1
    (elsewhere / file).write_bytes(bytes(content))
    with pytest.raises(DamagedArtefact, match=file):
        read_all()


def test_a_missing_file_is_named(elsewhere: Path) -> None:
    (elsewhere / "arrays.npz").unlink()
    with pytest.raises(DamagedArtefact, match=r"arrays\.npz cannot be read"):
        core.install_recorded()


def test_another_versions_recording_starts_no_training(elsewhere: Path) -> None:
    place = elsewhere / recorded.MANIFEST
    told = json.loads(place.read_text())
    told["runs"][0]["key"] = "0" * 64
    place.write_text(json.dumps(told))
    recorded.forget()
    with pytest.raises(DamagedArtefact, match="core record"):
        core.install_recorded()
    assert jobs.listing(start=False) == []


def test_without_a_recording_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path)
    monkeypatch.setattr(recorded, "TABLES", tmp_path)
    core.install_recorded()
    assert core.open_recorded("0" * 16) is None
    assert jobs.listing(start=False) == []
    assert recorded.dataset(core.configure().dataset) is None


def test_packing_a_run_and_unpacking_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = stored.config()
    stored.finished(config, weights=True)
    stored.benign(config, weights=True)
    made = Result(config)
    place = record.pack([("A run", config)], tmp_path / "pack")
    assert place == tmp_path / "pack" / "manifest.json"
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "pack")
    monkeypatch.setenv(core.home.VARIABLE, str(tmp_path / "another home"))
    core.install_recorded()
    again = Result(config)
    assert {name: (again.summary or {})[name] for name in FIGURES} == {
        name: (made.summary or {})[name] for name in FIGURES
    }
    assert np.array_equal(again.flagged, made.flagged)
    assert np.abs(again.features - made.features).max() < 0.05
    found, before = again.detection(), made.detection()
    assert found is not None
    assert before is not None
    assert np.array_equal(found.scores, before.scores)


@pytest.fixture
def behind_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """Two finished runs of one seed, packed apart."""
    configs = [stored.config(), stored.config(target="four")]
    for config in configs:
        stored.finished(config, weights=True)
        stored.benign(config, weights=True)
    record.pack([("One", configs[0]), ("Other", configs[1])], tmp_path / "pack", apart=True)
    monkeypatch.setattr(recorded, "TABLES", tmp_path / "pack")
    return [Result(config) for config in configs]


def test_a_run_behind_the_tables_is_opened_when_it_is_asked_for(
    behind_the_tables: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = behind_the_tables
    key = stages.run_key(one.config)
    predictions = one.predictions("clean")
    assert predictions is not None
    assert one.logits is not None
    wanted, summary = (one.logits.argmax(1), predictions[1].argmax(1)), one.summary
    monkeypatch.setenv(core.home.VARIABLE, str(tmp_path / "another home"))
    assert core.open_recorded(key[:6]) is None, "too short to mean one run"
    assert core.open_recorded("0" * 16) is None
    job = core.open_recorded(key[:16])
    assert job is not None
    assert (job.key, job.status, job.attempts) == (key, "done", 0)
    again = Result(one.config)
    predictions = again.predictions("clean")
    assert predictions is not None
    assert again.logits is not None
    assert again.summary == summary
    assert np.array_equal(again.logits.argmax(1), wanted[0])
    assert np.array_equal(predictions[1].argmax(1), wanted[1])
    assert again.network("benign") is not None
    assert Result(other.config).summary is None, "the other one was not asked for"
    assert core.open_recorded(stages.run_key(other.config)) is not None
    assert Result(other.config).network("clean") is not None


def test_what_runs_share_is_packed_once(behind_the_tables: list[Result]) -> None:
    told = recorded.manifest(recorded.TABLES)
    keys = [stages.run_key(result.config) for result in behind_the_tables]
    assert set(told["files"]) == {
        *(record.SHARED, "labels.npz", "train.webp", "test.webp"),
        *(f"{key[:16]}.npz" for key in keys),
    }
    shared = [one for one in told["artefacts"] if one["file"] == record.SHARED]
    assert [one["stage"] for one in shared] == ["model", "predictions"], "the benign network and its answers"
    assert all(one["runs"] == keys for one in shared)


def test_both_recordings_lend_their_pictures(
    behind_the_tables: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (result.config for result in behind_the_tables)
    for name, config in (("FOLDER", one), ("TABLES", other)):
        record.pack([(name, config)], tmp_path / name)
        monkeypatch.setattr(recorded, name, tmp_path / name)
    monkeypatch.setattr(recorded, "TABLES", tmp_path / "none")
    recorded.forget()
    alone = recorded.dataset(one.dataset)
    monkeypatch.setattr(recorded, "TABLES", tmp_path / "TABLES")
    both = recorded.dataset(one.dataset)
    assert alone is not None
    assert both is not None
    assert both.pictured.sum() > alone.pictured.sum()
    shown = behind_the_tables[1].dataset.train_images
    assert np.array_equal(both.train_images[both.pictured], shown[both.pictured])


def test_logits_in_8_bits_keep_the_answer() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 10)).astype(np.float32)
    logits[0], logits[1] = 3.0, np.linspace(2.0, 2.0001, 10)
    kept = record._in_8_bits("a", logits)
    assert kept["a"].dtype == np.uint8
    again = recorded.restore(kept, "a")
    assert np.array_equal(again.argmax(1), logits.argmax(1))
    assert np.abs(again - logits).max() < np.ptp(logits) / 100
    flat = recorded.restore(record._in_8_bits("a", np.zeros((3, 4), np.float32)), "a")
    assert (flat.argmax(1) == 0).all()


def test_what_ships_behind_the_tables_is_whole_and_was_made_by_this_version() -> None:
    runs = recorded.runs(recorded.TABLES)
    assert [stages.run_key(config) for _, config in runs] == recorded.run_keys(recorded.TABLES)
    assert [core.reference.row(config) for _, config in runs] == list(core.reference.TABLES)
    for _, config in runs:
        assert core.open_recorded(stages.run_key(config)) is not None
        result = Result(config)
        summary, before, after = result.summary, result.quality("poisoned"), result.quality("clean")
        assert summary is not None
        assert before is not None
        assert after is not None
        assert (before.nat, before.asr) == (summary["nat1"], summary["asr1"])
        assert (after.nat, after.asr) == (summary["nat2"], summary["asr2"])
        assert result.quality("benign") is not None
        assert result.flagged is not None
        assert result.pictured[result.flagged].all()
        assert result.network("clean") is not None


def test_the_records_together_are_small() -> None:
    assert sum(path.stat().st_size for path in recorded.TABLES.iterdir()) < 40e6


def test_only_finished_runs_are_packed(tmp_path: Path) -> None:
    config = stored.config()
    stored.finished(config)  # but no benign reference
    with pytest.raises(core.BadRequest, match="benign reference"):
        record.pack([("A run", config)], tmp_path)


def read_all() -> None:
    core.install_recorded()
    recorded.forget()
    (_, config), *_ = recorded.runs()
    recorded.dataset(config.dataset)
