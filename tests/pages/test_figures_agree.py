"""A figure that stands on two screens is one figure, and each says what it is of."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import core
from core import Job
from core.cli import commands
from core.evaluation.figures import FIGURES
from core.results.result import Result
from pages.parts.around import words
from pages.parts.sensitivity import layers
from tests.pages import printed, stored
from tests.pages.seen import fine, said, table

REFERENCES = ("random", "perfect")


# --- guessing and knowing --------------------------------------------------------------------------------


def references(app: AppTest, column: str, names: dict[str, str]) -> dict[str, tuple[int, int]]:
    """#Pois left and Clean removed of the two reference filters in a table."""
    rows = table(app, column)
    return {one: tuple(int(rows.loc[name, figure]) for figure in ("#Pois left", "Clean removed"))
            for one, name in names.items()}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 3])
def test_the_reference_filters_are_the_same_on_every_screen(own_home, open_screen, seed: int) -> None:
    job = stored.finished(stored.config(seed=seed))
    found = Result(job.config).summary["references"]
    expected = {one: (found[one]["poisons_left"], found[one]["clean_removed"]) for one in REFERENCES}
    assert expected["perfect"][1] == 0, "who knows removes no clean image"

    compare = fine(open_screen("compare", run=job.key, show="Other filters"))
    assert references(compare, "Filter", {one: f"{one} filter" for one in REFERENCES}) == expected
    scores = fine(open_screen("scores", run=job.key, plot="reference filters"))
    assert references(scores, "Filter", {one: one for one in REFERENCES}) == expected
    assumed = fine(open_screen("sensitivity", run=job.key, part="Assumed ε"))
    assert references(assumed, "Detector", {one: one for one in REFERENCES}) == expected
    detectors = fine(open_screen("sensitivity", run=job.key, part="Detectors"))
    assert references(detectors, "Detector", {"random": "random (chance)", "perfect": "perfect"}) == expected


def test_where_a_run_is_cut_at_its_gap_the_references_remove_as_many(gap_job: Job, open_screen) -> None:
    found = Result(gap_job.config).summary["references"]
    detectors = fine(open_screen("sensitivity", run=gap_job.key, part="Detectors"))
    assert references(detectors, "Detector", {"random": "random (chance)", "perfect": "perfect"}) == {
        one: (found[one]["poisons_left"], found[one]["clean_removed"]) for one in REFERENCES
    }


# --- the spectral gap ------------------------------------------------------------------------------------


def test_the_layers_say_where_the_poisoned_class_stands_in_this_run(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    gaps = core.sensitivity.spectral_gaps(result.detection().spectrum)
    own = result.config.attack.target
    place = int((gaps > gaps[own]).sum()) + 1
    text = said(fine(open_screen("sensitivity", run=finished_job.key, part="Layers")))
    assert "stands apart" not in text
    assert f"**three** {gaps[own]:.2f}" in text
    assert ("the widest of 10" in text) == (place == 1)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([1.1, 1.85, 1.2, 1.70], "**three** 1.70, only the 2nd widest of 4; widest is one, 1.85"),
        ([1.1, 1.85, 1.2, 3.0], "**three** 3.00, the widest of 4; next is one, 1.85"),
        ([1.1, np.nan, 1.2, 1.15], "**three** 1.15, only the 2nd widest of 3; widest is two, 1.20"),
        ([1.1, 1.85, 1.2, np.nan], "the poisoned class has no gap here"),
    ],
)
def test_a_place_is_told_as_it_was_measured(finished_job: Job, gaps: list[float], expected: str) -> None:
    assert layers.place(Result(finished_job.config), np.array(gaps)) == expected


def test_a_clean_set_has_no_poisoned_class_to_place(own_home) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    told = layers.place(Result(job.config), np.array([1.1, 1.85, 1.2]))
    assert told == "nothing was poisoned; widest is one, 1.85"


def test_where_every_class_is_poisoned_there_is_none_to_compare_with(own_home) -> None:
    job = stored.finished(stored.config(labels="all_to_all"))
    assert "no benign one to compare" in layers.place(Result(job.config), np.linspace(1, 2, 10))


# --- of one class, of all classes ------------------------------------------------------------------------


def curves(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html") if "ps-curve" in element.proto.body)


def test_each_figure_of_the_scores_says_whether_it_is_of_one_class_or_of_all(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    found, truth = result.summary, result.poisoned.truth.poisoned
    members = result.poisoned.labels == result.config.attack.target
    here = core.metrics.found(result.flagged[members], truth[members])
    assert found["fpr"] != here.fpr, "or there would be nothing to tell apart"

    app = fine(open_screen("scores", run=finished_job.key))
    assert printed.definitions(printed.bodies(app))["Clean share lost (FPR)"] == f"{100 * found['fpr']:.1f}%"
    assert "of all classes together" in FIGURES["fpr"].says
    assert f"**All classes together**: {found['flagged']:,} images flagged" in said(app)
    assert f"the **{found['budget']:,}** highest scores of every class" in said(app)
    assert "among the images labelled three" in said(app), "AUROC and AP are of one class"
    assert f"this cut in three: TPR {here.tpr:.1%}, FPR {here.fpr:.1%}" in curves(app)
    assert "FPR: benign of three removed" in curves(app)
    (drawn,) = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_histogram"]
    assert f"{here.flagged:,} removed from three" in str(drawn.proto)


def test_where_only_named_classes_are_cut_that_is_said(own_home, open_screen) -> None:
    job = stored.finished(stored.config(detector="whitened-spectral"))
    assert "of three, the class that the detector names" in said(fine(open_screen("scores", run=job.key)))


def test_blind_review_is_told_what_goes_and_nothing_of_the_classes_that_hold_poison(finished_job: Job, open_screen):
    text = said(fine(open_screen("scores", run=finished_job.key, truth="0")))
    assert "**All classes together**" in text
    assert "AUROC" not in text


# --- one run, every screen -------------------------------------------------------------------------------


def written(job: Job) -> dict[str, str]:
    """Every figure of a run's summary as it is to stand wherever it stands, by its plain name."""
    summary = Result(job.config).summary or {}
    return {one.name: one.write(summary[name]) for name, one in FIGURES.items() if name in summary}


def around_arrow(found: dict[str, str], name: str) -> dict[str, str]:
    """A figure before and after the defence that stands as one: 98.0% → 4.0%."""
    before, after = found[f"{FIGURES[name].name}, before → after"].split(" → ")
    return {FIGURES[f"{name}1"].name: before, FIGURES[f"{name}2"].name: after}


def change_of(expected: dict[str, str], name: str) -> Decimal:
    before, after = (Decimal(expected[FIGURES[f"{name}{n}"].name].rstrip("%")) for n in (1, 2))
    return after - before


def on_attack(screen: AppTest) -> dict[str, str]:
    found = printed.metrics(screen)
    (left,) = [value for name, value in found.items() if name.startswith("Poison left")]
    return around_arrow(found, "asr") | around_arrow(found, "nat") | {"Poison left": left}


def on_compare(screen: AppTest) -> dict[str, str]:
    found = printed.metrics(screen)
    beside = printed.definitions(printed.bodies(screen))
    return around_arrow(found, "asr") | around_arrow(found, "nat") | beside


def on_scores(screen: AppTest) -> dict[str, str]:
    found = printed.definitions(printed.bodies(screen))
    return {name: value.split(" of ")[0] for name, value in found.items()}


def in_full(row: dict[str, str]) -> dict[str, str]:
    """A row whose heads may be the field's names alone."""
    names = {printed.plain(one.brief): one.name for one in FIGURES.values()}
    return {names.get(name, name): value for name, value in row.items()}


def in_report(result: Result) -> dict[str, str]:
    found = printed.report(core.report.html(result))
    known = {name for name in found if any(name == one.name for one in FIGURES.values())}
    asr, nat = (found[FIGURES[name].name] for name in ("asr", "nat"))
    once = {name: "".join(found[name]) for name in known if not all(found[name])}
    names = [FIGURES[f"{one}{number}"].name for one in ("asr", "nat") for number in (1, 2)]
    return once | dict(zip(names, (*asr, *nat), strict=True))


def shown_by_command(job: Job) -> dict[str, str]:
    answer = json.loads(CliRunner().invoke(commands.app, ["show", str(job.id), "--json"]).stdout)
    return {one.name: one.write(answer[name]) for name, one in FIGURES.items() if name in answer}


@pytest.fixture(params=["recorded on CIFAR-10", "stored on digits"])
def any_job(request: pytest.FixtureRequest, own_home) -> Job:
    """A run that ships, and one that was made up."""
    if request.param == "stored on digits":
        return stored.finished(stored.config())
    request.getfixturevalue("recording")
    core.install_recorded()
    return core.jobs.named(core.recorded.run_keys()[0])


def test_every_screen_the_report_and_the_command_line_print_the_same_figures(any_job: Job, open_screen) -> None:
    job, result = any_job, Result(any_job.config)
    expected = written(job)

    def screen(name: str, **address: str) -> AppTest:
        return fine(open_screen(name, run=job.key, **address))

    runs = printed.rows(screen("compare", show="All runs"), "Status")
    detector = f"{job.config.defence.detector} (this run)"
    compare = screen("compare")
    everywhere = {
        "Attack": on_attack(screen("attack")),
        "Scores": on_scores(screen("scores")),
        "Compare": on_compare(compare),
        "Compare's filters": printed.table(screen("compare", show="Other filters"), "Filter")["this filter"],
        "All runs": in_full(next(row for row in runs if row["Detector"] == job.config.removed_by)),
        "Sensitivity's detectors": printed.table(screen("sensitivity", part="Detectors"), "Detector")[detector],
        "the report": in_report(result),
        "the command line": shown_by_command(job),
    }
    for where, found in everywhere.items():
        shared = expected.keys() & found.keys()
        assert len(shared) >= 3, where
        assert {name: found[name] for name in shared} == {name: expected[name] for name in shared}, where
    told = {metric.label: metric.delta for metric in compare.metric}
    for name in ("asr", "nat"):  # who subtracts what is printed gets what is printed
        assert told[f"{FIGURES[name].name}, before → after"] == f"{change_of(expected, name):+} points"

    story, flagged, how = screen("story"), screen("flagged"), screen("how")
    text = printed.plain(printed.bodies(story))
    for name in ("asr1", "asr2", "nat1", "nat2"):
        assert expected[FIGURES[name].name] in text
    summary = result.summary
    assert f"{summary['poisons'] - summary['poisons_left']:,} of {summary['poisons']:,}" in text
    assert f"{expected['Flagged']} flagged" in said(flagged).replace("*", "") or expected["Flagged"] in said(flagged)
    table_of_metrics = printed.plain(printed.bodies(how))
    assert all(expected[FIGURES[name].name] in table_of_metrics for name in ("auroc", "average_precision", "precision"))


def test_a_seed_of_the_tables_has_the_figures_of_the_run_that_it_leads_to(recording: str, open_screen) -> None:
    key = core.recorded.run_keys(core.recorded.TABLES)[0]
    summary = Result(core.open_recorded(key).config).summary
    expected = [FIGURES[name].write(summary[name]).rstrip("%") for name in ("nat1", "asr1", "poisons_left", "nat2")]
    screen = fine(open_screen("tables", table_detector=summary["config"]["defence"]["detector"]))
    (drawn,) = [one for one in screen.get("bidi_component") if one.proto.component_name == "poisonscope_report_table"]
    rows = [row for one in json.loads(drawn.proto.json)["tables"] for row in one["rows"].values()]
    (seed,) = [line for row in rows for line in row.split("<tr ") if key in line]
    assert [printed.plain(cell) for cell in re.findall(r"<a [^>]*>.*?</a>", seed)][1:5] == expected


def test_a_benign_reference_that_comes_later_comes_to_every_screen_and_to_the_report(own_home, open_screen) -> None:
    wanted = stored.config()
    job = stored.finished(wanted)

    def told() -> list[bool]:
        quality = Result(wanted).quality("benign")
        rate = "a benign network" if quality is None else FIGURES["benign_asr"].write(quality.asr)
        story = printed.bodies(fine(open_screen("story", run=job.key)))
        compare = said(fine(open_screen("compare", run=job.key, show="Other filters")))
        page = core.report.html(Result(wanted))
        return [
            f"never met poison: {rate}" in story,
            f"takes **{rate}**" in compare,
            f"a benign network, never poisoned: it takes {rate}" in page,
        ]

    assert told() == [False, False, False]
    stored.benign(wanted)
    assert told() == [True, True, True]


# --- rounding --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.7625, "76.3%"),
        (0.8125, "81.3%"),
        (0.0, "0.0%"),
        (0.99996, "100.0%"),
        (np.float32(0.5), "50.0%"),
        (-1e-5, "0.0%"),
    ],
)
def test_half_is_rounded_as_a_browser_rounds_it(value: float, expected: str) -> None:
    assert words.share(value) == FIGURES["nat"].write(value) == expected


def test_a_network_s_own_numbers_and_halves_of_a_count_are_written_too() -> None:
    assert FIGURES["nat"].write(np.float32(0.5)) == "50.0%"
    assert FIGURES["auroc"].write(np.float32(0.8125)) == "0.813"
    assert FIGURES["poisons_left"].write(2.5) == "3"
    assert FIGURES["poisons_left"].write(1234) == "1,234"


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_who_subtracts_what_is_printed_gets_the_change_that_is_printed(before: int, after: int) -> None:
    one = FIGURES["asr"]
    written = [Decimal(one.write(share / 10_000).rstrip("%")) for share in (before, after)]
    change = one.change(before / 10_000, after / 10_000)
    assert (Decimal(0) if change == "the same" else Decimal(change.split()[0])) == written[1] - written[0]


def test_every_figure_says_what_it_is_and_which_way_is_good() -> None:
    assert len({one.name for one in FIGURES.values()}) == len(FIGURES)
    for one in FIGURES.values():
        assert one.meaning
        assert one.write(None) == one.change(None, 1.0) == "—"
        assert one.good in one.better
        assert not one.good or one.label[-1] in "↑↓"
    said = (Path(__file__).parents[2] / "docs" / "words.md").read_text("utf-8")
    assert all(FIGURES[name].plain in said for name in ("asr", "nat", "poisons_left", "clean_removed", "tpr", "fpr"))
