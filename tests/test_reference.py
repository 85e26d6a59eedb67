"""The report's published figures, and which run they stand beside."""

from __future__ import annotations

import pytest

from core import configure
from core.configuration.config import class_names
from core.configuration.registry import TRIGGERS
from core.reproduction import outcomes, reproduce
from core.results.reference import FIGURES, RECORDS, TABLES, measured, row


def test_the_tables_hold_every_trigger_target_and_ratio_once():
    assert len(TABLES) == 12
    assert {(found.trigger, found.target, found.ratio) for found in TABLES} == {
        (trigger, target, ratio)
        for trigger in ("pixel", "pattern")
        for target in ("bird", "dog", "horse")
        for ratio in (0.05, 0.1)
    }
    assert {found.trigger for found in TABLES} <= set(TRIGGERS)
    assert {found.target for found in TABLES} <= set(class_names("cifar10"))


def test_figures_are_shares_and_the_defence_helped_in_every_row():
    for found in TABLES:
        assert 0.92 < found.nat1 < found.nat2 < 0.93
        assert 0 <= found.asr2 < 0.03 < 0.79 < found.asr1 <= 1
        assert 0 <= found.poisons_left <= 38


@pytest.mark.parametrize("published", TABLES, ids=lambda found: f"{found.trigger}-{found.target}-{found.ratio}")
def test_a_run_finds_its_row(published):
    run = configure(trigger=published.trigger, target=published.target, ratio=published.ratio)
    assert row(run) is published


def test_a_ratio_that_was_computed_finds_its_row_all_the_same():
    assert row(configure(trigger="pixel", target="bird", ratio=0.3 - 0.2)) is TABLES[1]


@pytest.mark.parametrize(
    "settings",
    [
        dict(dataset="digits", target=2),
        dict(target="cat"),
        dict(ratio=0.2),
        dict(ratio=0.0),
        dict(ratio_of="training_set"),
        dict(cover_ratio=1.0),
        dict(also=[{"trigger": "patch"}]),
        dict(labels="clean_label"),
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_run_that_the_report_does_not_have_finds_none(settings):
    assert row(configure(**settings)) is None


@pytest.mark.parametrize("detector", ["spectral", "whitened-spectral"])
@pytest.mark.parametrize("published", TABLES, ids=lambda f: f"{f.trigger}-{f.target}-{f.ratio}")
def test_every_row_was_measured_over_three_seeds(published, detector):
    run = configure(
        trigger=published.trigger, target=published.target, ratio=published.ratio, assumed_ratio=published.ratio,
        detector=detector,
    )  # fmt: skip
    found = measured(run)
    assert found.runs == 3
    assert found.poisons == 2_000 * published.ratio
    assert set(FIGURES) < set(found.mean) == set(found.spread)
    assert 0.76 < found.mean["nat1"] < 0.80
    assert 0.96 < found.mean["asr1"] <= 1
    assert 0 <= found.spread["nat1"] < 0.01


def test_the_results_print_what_was_measured():
    rows = outcomes.table(reproduce.plan())
    page = (RECORDS.parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    for ours, plain in zip(rows[::2], rows[1::2], strict=True):
        assert (ours.row, ours.detector, plain.detector) == (plain.row, "whitened-spectral", "spectral")
        cells = [ours.row.trigger, ours.row.target, f"{ours.mean('poisons'):.0f}"]
        for one, figures in ((ours, ("nat1", "asr1")), (ours, AFTER), (ours, ("benign_asr",)), (plain, AFTER)):
            cells += [printed(one, figure) for figure in figures]
        assert f"| {' | '.join(cells)} |" in page


AFTER = ("poisons_left", "nat2", "asr2")


def printed(row, figure):
    unit = 1 if figure == "poisons_left" else 100
    return f"{unit * row.mean(figure):.1f} ± {unit * row.spread(figure):.1f}"


@pytest.mark.parametrize(
    "settings",
    [
        dict(dataset="digits", target=2),
        dict(target="cat"),
        dict(ratio=0.2),
        dict(detector="spectral-released"),
        dict(detector="whitened-spectral", cut="gap"),
    ],
)
def test_what_was_not_measured_has_no_counterpart(settings):
    assert measured(configure(**{"trigger": "pixel", "target": "bird", **settings})) is None
