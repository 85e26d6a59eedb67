"""Sensitivity begins with an answer, from what is stored and recorded, and a question is one click from its sweep."""

from __future__ import annotations

import json
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, Store
from core.configuration import Sweep, grid
from core.jobs import requests
from core.results.result import Result
from core.sweeps import planning
from pages.parts.sensitivity import answer, known, multiples, questions, sweep_form
from tests.pages import stored
from tests.pages.test_sensitivity import fine, said

CARDS = ("Poisoning ratio", "Trigger", "Target class", "Layer", "Assumed ratio ε")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "RECORDS", tmp_path / "no records")


def cards(app: AppTest) -> dict[str, str]:
    """The multiples' words and pictures, by their names."""
    found = [one.proto for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_answer"]
    return dict(zip(CARDS, (unescape(json.loads(one.json)["markup"]) for one in found), strict=True))


def sweep(job: Job, axis: str, values: list, seeds: int = 3, **more: object) -> Sweep:
    base = {**grid.base_of(job.config, [axis]), **more}
    return grid.made(name="how far", base=base, axes={axis: values}, seeds=list(range(seeds)), retrain=False)


def keep(wanted: Sweep, *figures: dict[str, float]) -> None:
    """Figures of the cells, in their order, as a worker would have kept them; and the sweep in the ledger."""
    for cell, own in zip(grid.cells(wanted), figures, strict=True):
        document = dict(nat1=0.9, asr1=0.8, auroc=1.0, average_precision=0.5, tpr_at_1=1.0, gap=1.5, poisons=10)
        document |= dict(poisons_left=0, clean_removed=4, fpr=0.1, named=[3])
        Store().write("cell", grid.cell_key(cell.config, wanted), document={**document, **own})
    planning.submit(wanted, start=False)


# --- the answer ------------------------------------------------------------------------------------------


def test_it_says_down_to_which_ratio_the_poison_goes(finished_job: Job, open_screen) -> None:
    left = [1, 10, 10, 0, 0, 9, 0, 0, 0]  # three seeds each at 1%, 2% and 5%
    keep(sweep(finished_job, "ratio", [0.01, 0.02, 0.05], assumed_ratio="ratio"), *({"poisons_left": n} for n in left))
    app = fine(open_screen("sensitivity", run=finished_job.key))
    told = cards(app)["Poisoning ratio"]
    assert "<b>Holds down to 2%</b>; <b>breaks at 1%</b>, in between at about 1.9%." in told
    assert "breaks at 1.9%" in told
    assert "From the sweep “how far”; median and range of 3 seeds" in told
    assert "2%: 0.0%, 0.0% to 90.0% over 3 seeds" in told, "the spread is there, and said"
    assert "poisoning ratio, log scale" in told


def test_the_figure_is_a_choice_that_the_address_keeps(finished_job: Job, open_screen) -> None:
    aurocs = [0.5, 0.96, 0.99]
    keep(sweep(finished_job, "ratio", [0.01, 0.02, 0.05], 1, assumed_ratio="ratio"), *({"auroc": n} for n in aurocs))
    app = fine(open_screen("sensitivity", run=finished_job.key, stays="AUROC"))
    told = cards(app)["Poisoning ratio"]
    assert "<b>Holds down to 2%</b>; <b>breaks at 1%</b>" in told
    assert "at least 0.950" in said(app)
    assert "n = 1: one seed each, no spread" in told


def test_an_abbreviation_keeps_its_capitals_and_a_figure_its_rounding() -> None:
    told = {name: multiples.inside(name) for name in multiples.FIGURES}
    assert list(told.values()) == ["share of poison left", "AUROC", "TPR at 1% FPR"]
    assert [figure.write(0.8125) for figure in multiples.FIGURES.values()] == ["81.3%", "0.813", "81.3%"]
    assert [figure.limit for figure in multiples.FIGURES.values()] == ["at most 10%", "at least 0.950", "at least 90%"]


def test_the_assumed_ratio_is_this_run_s_own_filter_at_every_ratio(finished_job: Job, open_screen) -> None:
    told = cards(fine(open_screen("sensitivity", run=finished_job.key)))["Assumed ratio ε"]
    result = Result(finished_job.config)
    shares = core.sensitivity.grid()
    found = core.sensitivity.profile(
        result.detection(), result.poisoned.labels, result.poisoned.truth.poisoned, 10, finished_job.config.seed
    )
    at = found.by_budget(core.sensitivity.budgets(result.poisoned.labels, shares, 1.5), "every_class")
    holds = shares[at.poisons_left / found.poisons <= 0.1].min()
    clean = int(at.clean_removed[shares == holds][0])
    assert f"<b>Holds down to {100 * holds:g}%</b> assumed" in told
    assert f"There it costs {clean:,} clean images." in told


def test_runs_that_differ_in_more_than_the_setting_say_nothing_of_it(finished_job: Job, open_screen) -> None:
    other = sweep(finished_job, "ratio", [0.01, 0.02], 1, target="four", assumed_ratio="ratio")
    keep(other, {}, {})
    app = fine(open_screen("sensitivity", run=finished_job.key))
    assert "No two runs are known that differ from this one in it alone." in cards(app)["Poisoning ratio"]
    (ask,) = [button for button in app.button if button.key == "ask one Poisoning ratio"]
    assert "trainings" in ask.label


def test_a_smaller_set_of_the_same_data_counts_and_is_said(finished_job: Job) -> None:
    wanted = sweep(finished_job, "target", ["three", "four"], 1, **{"training.per_class": 100})
    keep(wanted, {}, {"poisons_left": 10})
    panel = answer.target(Result(finished_job.config), "Share of poison left")
    assert panel.said[0] == (True, "Holds for three")
    assert panel.said[2] == (True, "breaks for four")
    assert "There: training images of each class 100." in panel.source


def test_a_trigger_without_a_row_of_strengths_is_told_by_its_kinds(finished_job: Job) -> None:
    kinds = {"pattern": {"trigger": "pattern"}, "blended": {"trigger": "blended"}}
    base = grid.base_of(finished_job.config, ["trigger"])
    keep(grid.made(base=base, axes={"attack": kinds}, seeds=[0], retrain=False), {}, {"poisons_left": 5})
    panel = answer.strength(Result(finished_job.config), "Share of poison left")
    assert (panel.title, [point.label for point in panel.points]) == ("Trigger", ["pattern", "blended"])
    assert [point.holds for point in panel.points] == [True, False]
    assert [point.own for point in panel.points] == [True, False], "this run's is ringed"


def test_other_settings_of_a_trigger_are_no_seeds_of_it(finished_job: Job) -> None:
    base = grid.base_of(finished_job.config, ["trigger", "ratio"])
    axes = {"trigger": ["pattern", "blended"], "ratio": [0.01, 0.2]}
    left = [9, 9, 0, 1, 8, 8, 2, 2]  # two seeds each: pattern at 1% and 20%, blended at 1% and 20%
    keep(grid.made(base=base, axes=axes, seeds=[0, 1], retrain=False), *({"poisons_left": n} for n in left))
    panel = answer.strength(Result(finished_job.config), "Share of poison left")
    told = {point.label: (point.low, point.y, point.high, point.own) for point in panel.points}
    assert told == {"pattern": (0.0, 0.05, 0.1, True), "blended": (0.2, 0.2, 0.2, False)}, "those at this run's 20%"


def test_a_trigger_known_at_other_settings_alone_says_which(finished_job: Job) -> None:
    base = grid.base_of(finished_job.config, ["trigger"])
    kinds = {
        "own": {"trigger": "pattern"},
        "once": {"trigger": "blended", "ratio": 0.01, "placement": "replace", "trigger.opacity": 0.5},
        "again": {"trigger": "blended", "ratio": 0.05, "trigger.opacity": 0.2},
    }
    keep(grid.made(base=base, axes={"attack": kinds}, seeds=[0], retrain=False), {}, {}, {"poisons_left": 5})
    panel = answer.strength(Result(finished_job.config), "Share of poison left")
    assert [point.label for point in panel.points] == ["pattern", "blended (5%, opacity 0.2)"]
    assert [point.y for point in panel.points] == [0.0, 0.5]
    assert "<text class='ps-above' x='0' y='17.5'>pattern</text>" in multiples.markup(panel), (
        "too long a name stands above its line"
    )
    other = stored.config(ratio=0.01, ratio_of="training_set", source="four", cover_ratio=1.0)
    assert answer.unlike(other, finished_job.config, []) == ["1% of the set", "1 covers each", "from four"]


def test_a_share_of_the_class_and_one_of_the_set_are_no_row(finished_job: Job) -> None:
    keep(sweep(finished_job, "ratio", [0.05, 0.1], 1, assumed_ratio="ratio"), {}, {"poisons_left": 5})
    keep(sweep(finished_job, "ratio", [0.01, 0.02], 1, assumed_ratio="ratio", ratio_of="training_set"), {}, {})
    panel = answer.ratio(Result(finished_job.config), "Share of poison left")
    assert [point.label for point in panel.points] == ["10%", "5%"]


def test_layers_of_the_run_s_own_network_need_no_sweep(own_home) -> None:
    job = stored.finished(stored.config(), weights=True)
    result = Result(job.config)
    assert not answer.layer(result, "AUROC").points
    core.represent_run(job.config, "block2", store=result.store)
    seen = result.at("block2")
    auroc = core.metrics.ranking(seen.detection().scores, seen.poisoned.labels, seen.poisoned.truth.poisoned).auroc
    panel = answer.layer(result, "AUROC")
    assert [point.label for point in panel.points] == ["penultimate", "block2"]
    assert [point.y for point in panel.points] == pytest.approx([result.summary["auroc"], auroc])


def test_runs_of_the_list_and_the_recorded_tables_are_known_too(own_home) -> None:
    one, other = (stored.finished(stored.config(target=target)) for target in ("three", "four"))
    panel = answer.target(Result(one.config), "Share of poison left")
    assert [point.label for point in panel.points] == ["three", "four"]
    assert "From your runs; n = 1" in panel.source
    wanted = core.reproduce.plan("quick", 1, detectors=("spectral",), triggers=("pattern",), ratios=(0.1,))
    found = known._known(str(other), "cifar10", "quick", "spectral", "")
    for entry in wanted:
        figures = core.outcomes.outcome(entry).figures
        assert found[entry.key].figures["left"] == figures["poisons_left"] / figures["poisons"]


def test_a_run_in_the_place_of_a_deleted_one_is_known(own_home) -> None:
    one, other = (stored.finished(stored.config(target=target)) for target in ("three", "four"))
    assert {found.config.target_name for found in known.known(Result(one.config))} == {"three", "four"}
    core.jobs.delete(other.id)
    stored.finished(stored.config(target="five"))
    assert {found.config.target_name for found in known.known(Result(one.config))} == {"three", "five"}


def test_what_is_known_is_asked_for_once(finished_job: Job, open_screen, monkeypatch) -> None:
    asked, of = [], known.known
    monkeypatch.setattr(known, "known", lambda result: asked.append(1) or of(result))
    fine(open_screen("sensitivity", run=finished_job.key))
    assert len(asked) == 1


def test_without_poison_there_is_no_answer(own_home, open_screen) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    assert "Without poison there is nothing to stay" in said(fine(open_screen("sensitivity", run=job.key)))


# --- ready questions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", questions.QUESTIONS, ids=lambda question: question.axis)
def test_one_click_fills_the_form_and_starts_nothing(finished_job: Job, open_screen, question) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key))
    told = next(button.label for button in app.button if button.key == f"ask all {question.axis}")
    app = fine(app.button(f"ask all {question.axis}").click().run())
    assert app.session_state[sweep_form.TABS] == sweep_form.TAB
    wanted = questions.sweep(finished_job.config, question)
    assert grid.parse(app.code[0].value) == wanted, "the form has the question's sweep, with data set and recipe"
    plan = planning.plan(wanted)
    assert f"{plan.trainings} training" in told
    assert f"{plan.trainings} training" in said(app)
    assert not planning.listing()
    fine(app.button("sweep start").click().run())
    (job,) = planning.listing()
    assert job.sweep == wanted


def test_a_question_that_makes_no_sense_of_a_run_says_why(own_home, open_screen) -> None:
    job = stored.finished(stored.config(trigger="sinusoid", labels="all_to_all"))
    app = fine(open_screen("sensitivity", run=job.key))
    buttons = {button.key: button for button in app.button}
    assert buttons["ask all Trigger opacity"].disabled
    assert "The trigger sinusoid has no opacity" in buttons["ask all Trigger opacity"].label.replace("\\", "")
    assert buttons["ask all Target class"].disabled


def test_the_recorded_run_s_answers_are_there_without_data(recording: str, open_screen, monkeypatch) -> None:
    monkeypatch.undo()  # the sweeps that ship, too
    told = cards(fine(open_screen("sensitivity", run=recording)))
    assert "Holds down to" in told["Poisoning ratio"]
    assert "bird" in told["Target class"]
