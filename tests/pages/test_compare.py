"""The Compare screen: the figures it shows are those of the store, and each stands beside what it means."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import jobs
from tests.pages import stored

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_attended", lambda job, start: job)


def compare(run: str | None = None) -> AppTest:
    screen = AppTest.from_file(str(APP), default_timeout=60)
    if run is not None:
        screen.query_params["run"] = run[:16]
    screen.run()
    screen.switch_page("pages/compare.py")
    return fine(screen.run())


def fine(screen: AppTest) -> AppTest:
    assert not screen.exception, screen.exception
    return screen


def said(screen: AppTest) -> str:
    kinds = (screen.markdown, screen.caption, screen.warning, screen.info)
    return "\n".join(element.value for elements in kinds for element in elements)


def table(screen: AppTest, first_column: str) -> pd.DataFrame:
    (found,) = [frame.value for frame in screen.dataframe if frame.value.columns[0] == first_column]
    return found.set_index(first_column)


def test_without_a_run_it_says_what_to_do() -> None:
    screen = compare()
    assert "No run is chosen yet" in screen.info[0].value
    assert not screen.metric


def test_an_unknown_link_is_explained() -> None:
    assert "No run here is called `0123456789abcdef`" in compare("0123456789abcdef").warning[0].value


def test_a_run_that_is_not_finished_says_how_far_it_is() -> None:
    job = core.submit(stored.config())
    assert "waits in the queue" in compare(job.key).info[0].value


def test_the_figures_are_those_of_the_store() -> None:
    job = stored.finished(stored.config())
    found = core.Result(job.config).summary
    shown = {metric.label: (metric.value, metric.delta) for metric in compare(job.key).metric}
    points = 100 * (found["asr2"] - found["asr1"])
    assert shown["ASR, before → after"] == (
        f"{100 * found['asr1']:.1f}% → {100 * found['asr2']:.1f}%",
        f"{points:+.1f} points",
    )
    assert shown["#Pois left"][0] == f"{found['poisons_left']}"
    assert shown["Clean removed"][0] == f"{found['clean_removed']}"
    assert shown["TPR"][0] == f"{100 * found['tpr']:.1f}%"
    assert shown["AUROC"][0] == f"{found['auroc']:.3f}"


def test_assumption_budget_and_scope_are_said_in_words() -> None:
    job = stored.finished(stored.config())
    text = said(compare(job.key))
    assert "**ε = 15** poisoned images" in text
    assert "**1.5·ε = 22** with the highest scores were removed from **every class**: 220 images in all" in text
    assert "In truth the attacker had poisoned 31" in text


def test_a_named_class_is_named() -> None:
    job = stored.finished(stored.config(detector="whitened-spectral"))
    assert "the classes that the detector calls suspicious, **three**: 22 in all" in said(compare(job.key))


def test_random_and_perfect_filters_stand_beside() -> None:
    job = stored.finished(stored.config())
    filters = table(compare(job.key), "Filter")
    assert list(filters.index) == ["this filter", "random filter", "perfect filter"]
    left = filters["#Pois left"]
    assert left["perfect filter"] == 0 < left["this filter"] < left["random filter"] < 31
    assert filters.loc["perfect filter", "TPR"] == 100


def test_every_detector_is_asked_on_the_same_network() -> None:
    job = stored.finished(stored.config())
    found = core.Result(job.config).summary
    rows = table(compare(job.key), "Detector")
    assert [name.removesuffix(" (this run)") for name in rows.index] == list(core.DETECTORS)
    assert rows.loc["spectral (this run)", "AUROC"] == pytest.approx(found["auroc"])
    assert rows.loc["spectral (this run)", "#Pois left"] == found["poisons_left"]
    assert rows.loc["whitened-spectral", "Removed from"] == "named classes"


def test_a_back_door_that_was_hardly_learned_is_warned_of() -> None:
    job = stored.finished(stored.config(), asr1=0.3)
    assert "The backdoor was hardly learned: only 30.1%" in compare(job.key).warning[0].value
    assert not compare(stored.finished(stored.config(seed=1)).key).warning


def test_the_benign_reference_is_offered_then_shown() -> None:
    wanted = stored.config()
    job = stored.finished(wanted)
    screen = compare(job.key)
    (offer,) = [button for button in screen.button if "benign reference" in button.label]
    assert offer.label == "Train the benign reference (about 35 s)"
    fine(offer.click().run())
    (asked,) = [one for one in jobs.listing() if one.kind == "benign"]
    assert asked.key == core.benign_key(wanted)
    assert "Waits for its turn" in said(screen)
    stored.benign(wanted)
    jobs._change(asked.id, "status = 'done'")
    assert "takes **3.0%** of the same triggered images" in said(compare(job.key))


def test_the_reports_row_or_that_there_is_none() -> None:
    assert "The report has no row for this setting" in said(compare(stored.finished(stored.config()).key))


def test_the_reports_row_for_cifar10(cifar10_home: Path) -> None:
    wanted = core.configure(trigger="pattern", target="dog", ratio=0.1, training={"per_class": 40, "epochs": 2})
    job = stored.finished(wanted)
    rows = table(compare(job.key), "")
    assert rows.loc["the report"].tolist() == pytest.approx([92.24, 93.22, 3, 92.58, 0.42])
    assert rows.loc["this run", "ASR1"] == pytest.approx(100 * core.Result(wanted).summary["asr1"])


def test_all_runs_stand_in_the_table_newest_first() -> None:
    first = stored.finished(stored.config())
    second = core.submit(stored.config(trigger="pixel"))
    rows = table(compare(first.key), "Status")
    assert rows["Run"].tolist() == [second.key[:16], first.key[:16]]
    assert rows["Trigger"].tolist() == ["pixel", "pattern"]
    assert rows.loc["done", "ASR1"] == pytest.approx(core.Result(first.config).summary["asr1"])
    assert pd.isna(rows.loc["queued", "ASR1"])


def test_what_is_damaged_is_said_and_offered_again() -> None:
    job = stored.finished(stored.config())
    (flags,) = (core.Store().folder / "run" / job.key).glob("flagged.npy")
    flags.write_bytes(flags.read_bytes()[:-1] + b"\x07")
    screen = compare(job.key)
    assert "damaged or missing" in screen.warning[0].value
    fine(screen.button("again this run").click().run())
    assert jobs.get(job.id).status == "queued"


def test_damaged_representations_leave_the_rest_readable() -> None:
    job = stored.finished(stored.config())
    core.Store().delete("features", core.Result(job.config).features_key)
    screen = compare(job.key)
    assert "the representations is damaged or missing" in screen.warning[0].value
    assert len(screen.metric) == 8
