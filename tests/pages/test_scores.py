"""The Scores screen: what it shows follows the cut, agrees with core, and keeps the truth where it belongs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

import core
from core import Detection, Job
from core.jobs import requests
from core.results.result import Result
from pages.parts.around import cuts, plots, words
from pages.parts.images import brush
from pages.parts.scores import cards, directions, panels, ranking
from tests.pages import printed, stored

TELLING = re.compile(r"poison|✕|TPR|FPR|recall|precision|AUROC|ASR|benign ●|true positive", re.IGNORECASE)
# The same for every run: the explanations, and the names of the components.
SCREEN_WIDE_WORDS = ("What happens here", "Where does the SVD", *(panel.says[:20] for panel in panels.PANELS.values()))
SCREEN_WIDE_WORDS += tuple(text[:20] for panel in panels.PANELS.values() for text in (panel.question, panel.answer))


def figures(app: AppTest) -> dict[str, str]:
    return printed.definitions("".join(body for body in printed.bodies(app).split("<style>") if "ps-heroes" in body))


def expected(job: Job, cut: cuts.Cut) -> dict[str, str]:
    """The figures as core says them."""
    result = Result(job.config)
    labels, truth = result.poisoned.labels, result.poisoned.truth.poisoned
    detection = result.detection(cuts.defence_of(result, cut.detector))
    classes = core.filter.suspicious_classes(labels, detection, cut.scope)
    if cut.at == "gap":
        flagged = core.filter.beyond_gap(detection, labels, classes)
    else:
        flagged = core.filter.flag(detection.scores, labels, cut.budget, classes)
    found = core.metrics.found(flagged, truth)
    ranking = core.metrics.ranking(detection.scores, labels, truth, job.config.attack.target)

    return {
        "Poison left": f"{found.poisons_left} of {found.poisons}",
        "Clean lost": f"{found.clean_removed:,} of {len(truth) - found.poisons:,}",
        "Poison found (TPR)": words.share(found.tpr),
        "Clean share lost (FPR)": words.share(found.fpr),
        "Rightly flagged (precision)": words.share(found.precision),
        "Flagged": f"{found.flagged:,}",
        "Ranking (AUROC)": words.score(ranking.auroc),
        "Average precision (AP)": words.score(ranking.average_precision),
    }


def drawn_text(app: AppTest) -> str:
    """Everything that the main part shows, charts included, but for the explanations that every run has."""
    texts = []
    for element in app.main:
        if element.type in ("main", "expander"):
            continue
        text = str(element.proto) if hasattr(element, "proto") else str(element)
        text = re.sub(
            r"(css|js|html)_content: .*|component_name: .*", "", text
        )  # the same for every run: code, not data
        if not any(known in text for known in SCREEN_WIDE_WORDS):
            texts.append(re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
    return "\n".join(texts)


def test_begins_with_the_runs_own_cut(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    assert not app.exception
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 22, "every_class"))
    assert app.slider(key="budget slider").value == app.number_input(key="budget number").value == 22


def test_slider_and_number_move_together_and_the_figures_with_them(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    before = figures(app)
    app.slider(key="budget slider").set_value(40).run()
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 40, "every_class")) != before
    assert app.number_input(key="budget number").value == 40
    assert app.query_params["budget"] == "40"
    app.number_input(key="budget number").set_value(0).run()
    assert figures(app)["Flagged"] == "0"
    assert app.slider(key="budget slider").value == 0
    largest = app.slider(key="budget slider").max
    app.slider(key="budget slider").set_value(largest).run()
    assert figures(app)["Poison found (TPR)"] == "100.0%"
    assert figures(app)["Clean share lost (FPR)"] == "100.0%"


def test_back_to_the_usual_budget(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, budget="7")
    assert app.slider(key="budget slider").value == 7
    next(button for button in app.button if "1.5" in button.label).click().run()
    assert app.slider(key="budget slider").value == 22
    assert "budget" not in app.query_params


NEEDING_MORE = [name for name, entry in core.DETECTORS.items() if {"losses", "entropies"} & set(entry.needs)]


@pytest.mark.parametrize("detector", NEEDING_MORE)
@pytest.mark.parametrize("screen", ["scores", "flagged"])
def test_a_detector_without_its_evidence_says_so_and_leads_back(
    finished_job: Job, open_screen, screen: str, detector: str
) -> None:
    app = open_screen(screen, run=finished_job.key, detector=detector)
    assert not app.exception
    assert not app.error
    assert app.info[0].value.endswith("Choose another detector to see its scores.")
    app.button(key="own detector").click().run()
    assert not app.exception
    assert not app.info
    assert "detector" not in app.query_params


def test_every_detector_scores_at_once(own_home: Path, open_screen) -> None:
    finished_job = stored.finished(stored.few(), weights=True)
    app = open_screen("scores", run=finished_job.key)
    for detector in core.DETECTORS:
        app.selectbox(key="detector picker").set_value(detector).run()
        assert not app.exception, detector
        cut = cuts.usual(Result(finished_job.config), detector)
        assert figures(app) == expected(finished_job, cut), detector
        if len(cuts.scopes(detector)) > 1:
            picker = next(group for group in app.get("button_group") if group.key == "scope picker")
            assert picker.value == cut.scope, detector


def histogram(app: AppTest) -> dict[str, Any]:
    """What the picture of the class in large was given."""
    (board,) = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_histogram"]
    return json.loads(board.proto.json)


def labelled(app: AppTest, label: str) -> Button:
    return next(button for button in app.button if button.label == label)


def gap_of(job: Job, budget: int = 22, scope: str = "suspicious_class") -> cuts.Cut:
    return cuts.Cut("whitened-spectral", budget, scope, "gap")


def test_at_the_gap_the_figures_the_line_and_the_numbers_follow(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, detector="whitened-spectral")
    assert figures(app) == expected(finished_job, cuts.Cut("whitened-spectral", 22, "suspicious_class"))
    labelled(app, "At the gap").click().run()
    assert not app.exception
    assert app.query_params["budget"] == "gap"
    assert figures(app) == expected(finished_job, gap_of(finished_job))
    result = Result(finished_job.config)
    found = result.detection(core.DefenceConfig(detector="whitened-spectral"))
    gap, scores = float(found.cut[3]), found.scores
    beyond = int((scores[result.poisoned.labels == 3] > gap).sum())
    assert figures(app)["Flagged"] == str(beyond) != "22"
    assert app.slider(key="budget slider").value == app.number_input(key="budget number").value == beyond
    assert app.number_input(key="threshold number").value == pytest.approx(gap)
    assert histogram(app)["cut"] == pytest.approx(float(plots.axis(scores, False).share(gap)))
    assert (histogram(app)["budget"], histogram(app)["removed"]) == (beyond, f"{beyond} removed from three")
    assert "no ε is assumed" in "".join(text.value for text in app.caption)
    assert labelled(app, "At the gap").disabled
    labelled(app, "Back to 1.5·ε").click().run()
    assert "budget" not in app.query_params
    assert app.slider(key="budget slider").value == 22


@pytest.mark.parametrize("move", ["budget slider", "budget number", "threshold number"])
def test_moving_the_cut_leaves_the_gap_for_a_budget(finished_job: Job, open_screen, move: str) -> None:
    app = open_screen("scores", run=finished_job.key, detector="whitened-spectral", budget="gap")
    kind = app.slider if "slider" in move else app.number_input
    value = 40 if move.startswith("budget") else app.number_input(key=move).value / 2
    kind(key=move).set_value(value).run()
    budget = app.slider(key="budget slider").value
    assert app.query_params["budget"] == str(budget)
    assert figures(app) == expected(finished_job, cuts.Cut("whitened-spectral", budget, "suspicious_class"))


def test_a_link_restores_the_gap_where_the_detector_has_one(finished_job: Job, open_screen) -> None:
    address = {"detector": "whitened-spectral", "budget": "gap", "scope": "every_class"}
    app = open_screen("scores", run=finished_job.key, **address)
    assert figures(app) == expected(finished_job, gap_of(finished_job, scope="every_class"))
    assert "mean little" in "".join(text.value for text in app.caption)
    app = open_screen("scores", run=finished_job.key, budget="gap")
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 22, "every_class"))
    assert not any("gap" in button.label for button in app.button)
    assert "budget" not in app.query_params


def test_at_the_gap_a_class_that_is_not_named_loses_nothing(gap_job: Job, open_screen) -> None:
    app = open_screen("scores", run=gap_job.key, **{"class": "5"})
    assert not app.exception
    assert histogram(app)["cut"] is None
    assert app.slider(key="budget slider").value == 0
    assert app.number_input(key="threshold number").value is None


def test_a_run_that_was_cut_at_the_gap_opens_with_it_and_comes_back_to_it(gap_job: Job, open_screen) -> None:
    app = open_screen("scores", run=gap_job.key)
    assert figures(app) == expected(gap_job, gap_of(gap_job))
    assert "budget" not in app.query_params
    assert not any("ε" in button.label for button in app.button)
    assert labelled(app, "Back to this run's cut").disabled
    app.slider(key="budget slider").set_value(40).run()
    assert app.query_params["budget"] == "40"
    assert "this run assumed no ε" in "".join(text.value for text in app.caption)
    app.switch_page("pages/flagged.py").run()
    app.switch_page("pages/scores.py").run()
    assert app.slider(key="budget slider").value == 40
    labelled(app, "Back to this run's cut").click().run()
    assert figures(app) == expected(gap_job, gap_of(gap_job))
    assert "budget" not in app.query_params
    app.selectbox(key="detector picker").set_value("spectral").run()
    assert figures(app) == expected(gap_job, cuts.Cut("spectral", 22, "every_class"))


def test_the_usual_budget_is_named_where_the_run_was_cut_at_the_gap(gap_job: Job, open_screen) -> None:
    app = open_screen("scores", run=gap_job.key, budget="22")
    assert figures(app) == expected(gap_job, cuts.Cut("whitened-spectral", 22, "suspicious_class"))
    assert app.slider(key="budget slider").value == 22


def test_blind_review_tells_nothing_at_the_gap_either(gap_job: Job, open_screen) -> None:
    app = open_screen("scores", run=gap_job.key, truth="0")
    assert set(figures(app)) == {"Flagged", "Classes cut", "Of all images"}
    assert TELLING.search(drawn_text(app).replace("names the poisoned class", "")) is None  # what every run is told


def test_what_the_address_names_wrongly_is_passed_over(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, detector="no such", budget="-3", scope="moon")
    assert not app.exception
    assert figures(app) == expected(finished_job, cuts.Cut("spectral", 22, "every_class"))
    app = open_screen("scores", run=finished_job.key, budget="99999999")
    assert app.slider(key="budget slider").value == app.slider(key="budget slider").max


def test_reference_filters_spend_the_same_budget(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, plot="reference filters")
    table = app.dataframe[0].value.set_index("Filter")
    assert table.loc["random", "Flagged"] == table.loc["this cut", "Flagged"] == 220
    assert printed.table(app, "Filter")["perfect"]["Poison found (TPR)"] == "100.0%"
    assert table.loc["perfect", "Clean removed"] == 0


def test_blind_review_tells_nothing(finished_job: Job, open_screen) -> None:
    seen = open_screen("scores", run=finished_job.key)
    assert TELLING.search(drawn_text(seen))
    assert r"\"poisoned\"" in drawn_text(seen)  # a kind of bar, in what the histogram is sent
    app = open_screen("scores", run=finished_job.key, truth="0")
    assert app.toggle(key="truth switch").value is False
    assert set(figures(app)) == {"Flagged", "Classes cut", "Of all images"}
    assert not app.dataframe
    for plot in ("singular values", "scatter", "ROC and precision", "reference filters"):
        app = open_screen("scores", run=finished_job.key, truth="0", plot=plot, brush="3,0,1e9")
        assert not app.exception
        told = TELLING.search(drawn_text(app))
        assert told is None, drawn_text(app)[max(0, told.start() - 200) : told.end() + 100]
    app.toggle(key="truth switch").set_value(True).run()
    assert "Poison found (TPR)" in figures(app)
    assert "truth" not in app.query_params


def test_a_threshold_sets_the_budget_that_it_means(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    result = Result(finished_job.config)
    label = finished_job.config.attack.target
    scores = np.sort(result.detection().scores[result.poisoned.labels == label])[::-1]
    shown = app.number_input(key="threshold number").value
    assert scores[21] > shown > scores[22]  # 22 go
    app.number_input(key="threshold number").set_value(float(scores[9]) * 0.999).run()
    assert app.slider(key="budget slider").value == app.number_input(key="budget number").value == 10
    assert app.number_input(key="threshold number").value == float(scores[9]) * 0.999  # as it was written
    app.slider(key="budget slider").set_value(30).run()
    assert scores[29] > app.number_input(key="threshold number").value > scores[30]
    app.number_input(key="threshold number").set_value(None).run()
    assert figures(app)["Flagged"] == "0"


def test_another_class_in_large_is_in_the_address_and_comes_back(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    assert app.selectbox(key="class in large").value == 3
    app.selectbox(key="class in large").set_value(5).run()
    assert app.query_params["class"] == "5"
    assert any("all of one kind" in info.value for info in app.info)
    again = open_screen("scores", run=finished_job.key, **{"class": "5"})
    assert again.selectbox(key="class in large").value == 5
    next(button for button in again.button if "three" in button.label).click().run()
    assert again.selectbox(key="class in large").value == 3
    assert "class" not in again.query_params
    astray = open_screen("scores", run=finished_job.key, **{"class": "77"})
    assert astray.selectbox(key="class in large").value == 3


@pytest.mark.parametrize(("name", "other"), [("bars", "stacked"), ("scores", "linear"), ("counts", "log")])
def test_ways_to_look_are_in_the_address(finished_job: Job, open_screen, name: str, other: str) -> None:
    app = open_screen("scores", run=finished_job.key, **{name: other})
    assert not app.exception
    group = next(group for group in app.get("button_group") if group.key == f"{name} picker")
    assert group.value == other
    usual = next(option for option in group.options if option != other)
    group.set_value(usual).run()
    assert name not in app.query_params


def test_only_the_chosen_plot_is_drawn(finished_job: Job, open_screen) -> None:
    charts = {}
    for plot in ("ROC and precision", "singular values", "scatter", "reference filters"):
        app = open_screen("scores", run=finished_job.key, plot=plot)
        assert not app.exception
        charts[plot] = len(app.get("plotly_chart")), len(app.dataframe)
    assert charts == {
        "ROC and precision": (0, 0), "singular values": (1, 0), "scatter": (1, 0), "reference filters": (0, 1),
    }  # fmt: skip


def test_the_working_point_stands_on_the_curves_and_moves_with_the_budget(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    for budget in (22, 60):
        app.slider(key="budget slider").set_value(budget).run()
        result = Result(finished_job.config)
        members = result.poisoned.labels == 3
        scores, truth = result.detection().scores[members], result.poisoned.truth.poisoned[members]
        hits = truth[np.argsort(-scores, kind="stable")][:budget].sum()
        drawn = drawn_text(app)
        assert f"TPR {hits / truth.sum():.1%}, FPR {(budget - hits) / (~truth).sum():.1%}" in drawn
        assert f"precision {hits / budget:.1%}, recall {hits / truth.sum():.1%}" in drawn


def test_a_brush_in_the_address_fills_the_gallery(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    scores, truth = result.detection().scores, result.poisoned.truth.poisoned
    members = result.poisoned.labels == 3
    low, high = np.quantile(scores[members], [0.8, 0.95])
    inside = members & (scores >= low) & (scores <= high)
    app = open_screen("scores", run=finished_job.key, brush=f"3,{low},{high}")
    assert not app.exception
    said = next(text.value for text in app.markdown if "brushed" in text.value)
    assert f"**{inside.sum()} images**" in said
    assert f"**{(inside & truth).sum()} ✕ poisoned**" in said
    app.number_input(key="brush high").set_value(float(scores.max()) + 1).run()
    more = members & (scores >= low)
    assert any(f"**{more.sum()} images**" in text.value for text in app.markdown)
    next(button for button in app.button if button.label == "Clear").click().run()
    assert "brush" not in app.query_params
    assert not any("brushed" in text.value for text in app.markdown)


@pytest.mark.parametrize("named", ["3", "3,1", "3,one,2", "3,nan,2", "3,5,1", "9999,0,1", "x,0,1", "4,0,9"])
def test_a_brush_that_means_nothing_here_is_passed_over(finished_job: Job, open_screen, named: str) -> None:
    app = open_screen("scores", run=finished_job.key, brush=named)
    assert not app.exception
    assert not any("brushed" in text.value for text in app.markdown)


def test_another_detector_ends_the_brush(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key, brush="3,0,1000000000")
    app.selectbox(key="detector picker").set_value("whitened-spectral").run()
    assert "brush" not in app.query_params


def test_a_clean_set_has_nothing_to_find(own_home, open_screen) -> None:
    job = stored.finished(stored.config(ratio=0.0, detector="whitened-spectral"))
    app = open_screen("scores", run=job.key)
    assert not app.exception
    assert any("nothing found" in info.value for info in app.info)
    assert figures(app)["Poison found (TPR)"] == figures(app)["Ranking (AUROC)"] == "—"
    assert figures(app)["Flagged"] == "0"


def test_a_backdoor_that_was_not_learned_is_said(open_screen) -> None:
    job = stored.finished(stored.config(), asr1=0.1)
    app = open_screen("scores", run=job.key)
    assert any("hardly learned" in warning.value for warning in app.warning)


@pytest.mark.parametrize("screen", ["story", "scores", "flagged", "compare", "sensitivity", "network", "try_it"])
def test_a_screen_whose_run_waits_has_its_heading(own_home: Path, open_screen, monkeypatch, screen: str) -> None:
    monkeypatch.setattr(requests, "attended", lambda job, start: job)
    job = core.submit(stored.config())
    app = open_screen(screen, run=job.key)
    assert not app.exception
    assert len(app.title) == 1
    assert "What it found will stand here" in app.info[0].value


def test_a_running_run_tells_no_time_before_it_is_known() -> None:
    job = SimpleNamespace(status="running", fraction=0.01, eta=None)
    assert words.state(job) == "This run is 1% done, estimating the time left."
    job.eta, job.fraction = 600.0, 0.5
    assert words.state(job) == "This run is 50% done, about 7 to 15 min left."


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0, 5, "less than 10 s"), (0, 30, "1 to 30 s"), (20, 30, "20 to 30 s"), (58, 61, "60 s"),
     (29, 348, "30 s to 6 min"), (130, 200, "2 to 3 min"), (3_000, 9_000, "50 min to 2 h"),
     (6_000, 20_000, "2 to 6 h")],
)  # fmt: skip
def test_a_time_to_wait_is_no_more_exact_than_it_is_known(low: float, high: float, said: str) -> None:
    assert words.between(low, high) == said


def test_no_run_says_what_to_do(open_screen) -> None:
    app = open_screen("scores")
    assert not app.exception
    assert not app.metric
    assert app.info


def test_damaged_features_are_said_and_the_attack_screen_offered(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    artefact = result.store.read("features", result.features_key)
    (artefact.folder / "features.npy").write_bytes(b"broken")
    app = open_screen("scores", run=finished_job.key, detector="spectral-released")
    assert not app.exception
    assert "set aside" in app.warning[0].value
    assert any(button.label == "Run again" for button in app.button)
    assert not app.metric


# --- the parts -------------------------------------------------------------------------------------------


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    log=st.booleans(),
    data=st.data(),
)
def test_every_image_stands_in_one_bar(scores: list[float], log: bool, data: st.DataObject) -> None:
    values = np.array(scores)
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    axis = plots.axis(values, log)
    seen, blind = plots.bars(values, truth, axis, 20), plots.bars(values, None, axis, 20)
    assert seen.benign.sum() == (~truth).sum()
    assert seen.poisoned.sum() == truth.sum()
    assert (seen.benign + seen.poisoned == blind.benign).all()
    assert np.allclose(axis.score(axis.place(values)), values, rtol=1e-6, atol=1e-9)


@given(data=st.data(), count=st.integers(0, 12), log=st.booleans())
def test_the_cut_line_separates_flagged_from_kept(data: st.DataObject, count: int, log: bool) -> None:
    size = data.draw(st.integers(1, 30))
    numbers = data.draw(st.lists(st.integers(0, 10**6), min_size=size, max_size=size, unique=True))
    scores = np.array(numbers, float)
    found = cuts.Scored(Detection(scores), np.zeros(size, np.int64), 1)
    cut = cuts.Cut("spectral", count, "every_class")
    flagged = cuts.flag(found, cut)
    axis = plots.axis(scores, log)
    place = plots.cut_place(found, 0, cut, axis)
    assert 0 <= place <= 1
    if not count:
        assert place == 1
        return
    assert (axis.share(scores[flagged]) >= place - 1e-12).all()
    assert (axis.share(scores[~flagged]) <= place + 1e-12).all()


@given(data=st.data(), scope=st.sampled_from(["every_class", "suspicious_class"]))
def test_the_gap_s_counts_line_and_flags_agree(data: st.DataObject, scope: str) -> None:
    size = data.draw(st.integers(3, 30))
    scores = np.array(data.draw(st.lists(st.integers(-5, 9), min_size=size, max_size=size)), float)
    labels = np.r_[0, 1, 2, data.draw(st.lists(st.integers(0, 2), min_size=size - 3, max_size=size - 3))].astype(int)
    gaps = np.array(data.draw(st.lists(st.sampled_from([-6.0, 0.0, 2.5, 9.0, np.inf]), min_size=3, max_size=3)))
    found = cuts.Scored(Detection(scores, np.array([0.0, 3.0, 4.0]), 2.5, cut=gaps), labels, 3)
    cut = cuts.Cut("whitened-spectral", 1, scope, "gap")
    flagged, gone = cuts.flag(found, cut), ranking.removed(found, cut)
    assert (np.bincount(labels[flagged], minlength=3) == gone).all()
    assert (flagged <= (found.ranks <= cuts.budgets(found, cut)[labels])).all()
    poisoned = scores > 4
    tally = core.views.tally(found.ranked, poisoned)
    removed, hits = tally.at(cuts.budgets(found, cut), found.in_scope(scope))
    assert (removed, hits) == (flagged.sum(), (flagged & poisoned).sum())
    axis = plots.axis(scores, False)
    for label in found.in_scope(scope):
        at = cuts.threshold(found, cut, label)
        assert at == (gaps[label] if gone[label] else None)
        assert plots.cut_place(found, label, cut, axis) == (float(axis.share(at)) if gone[label] else 1.0)


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    log=st.booleans(),
)
def test_a_brush_holds_every_image_between_its_ends(scores: list[float], ends: tuple[float, float], log: bool) -> None:
    values = np.array(scores)
    found = cuts.Scored(Detection(values), np.zeros(len(values), np.int64), 1)
    axis = plots.axis(values, log)
    low, high = sorted(ends)
    drawn = brush.rounded(0, axis.at(low), axis.at(high))
    assert drawn.low <= axis.at(low)
    assert drawn.high >= axis.at(high)
    inside = np.flatnonzero((values >= axis.at(low)) & (values <= axis.at(high)))
    assert set(inside) <= set(brush.brushed(found, drawn))


@given(data=st.data(), log=st.booleans(), stacked=st.booleans())
def test_bars_are_as_high_as_their_counts(data: st.DataObject, log: bool, stacked: bool) -> None:
    counts = st.lists(st.integers(0, 5000), min_size=8, max_size=8)
    benign, poisoned = (np.array(data.draw(counts)) for _ in range(2))
    shown = plots.Bars(np.linspace(0, 1, 9), benign, poisoned)
    drawn = plots.drawn(shown, log, stacked)
    scale = plots.heights(shown, log, stacked)
    assert {(kind, at) for kind, at, _, _ in drawn} == {
        (kind, at) for kind, part in (("benign", benign), ("poisoned", poisoned)) for at in np.flatnonzero(part)
    }
    for kind, at, bottom, top in drawn:
        assert 0 <= bottom < top <= 1 or (top - bottom < 1e-3)
        under = benign[at] if kind == "poisoned" and stacked else 0
        count = (benign if kind == "benign" else poisoned)[at]
        assert top == pytest.approx(float(scale.of(under + count)), abs=1e-4)
    assert all(0 < height <= 1 for height, _ in scale.ticks())


def test_a_score_axis_has_round_ticks_inside() -> None:
    for low, high in ((0.0, 7.3), (-2.2, 4.9), (0.0, 1234.0), (0.0, 0.002)):
        axis = plots.Axis(False, 1.0, low, high)
        ticks = axis.ticks()
        assert 2 <= len(ticks) <= 8
        assert all(low <= tick <= high for tick in ticks)
        assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


@given(data=st.data())
def test_ranks_agree_with_the_filter(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 40))
    scores = np.array(data.draw(st.lists(st.integers(0, 5), min_size=size, max_size=size)), float)
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size)))
    found = cuts.Scored(Detection(scores), labels, 3)
    for budget in (0, 1, 3, size):
        flagged = core.filter.flag(found.scores, labels, budget, np.unique(labels))
        assert (flagged == (found.ranks <= budget)).all()
        assert (flagged == cuts.flag(found, cuts.Cut("spectral", budget, "every_class"))).all()


def test_a_named_class_is_marked_and_blind_cards_have_one_kind_of_bar() -> None:
    scores, labels = np.arange(20.0), np.repeat([0, 1], 10)
    detection = Detection(scores, class_statistic=np.array([1.0, 9.0]), class_threshold=5.0)
    found = cuts.Scored(detection, labels, 2)
    axis = plots.axis(scores, True)
    blind = plots.cards(found, [0, 1], ("cat", "dog"), None, axis, log_counts=False)
    assert found.suspects == [1]
    assert [card["suspect"] for card in blind] == [False, True]
    assert blind[1]["says"] == "NAMED: 9.0, limit 5.0"
    assert [list(card["bars"]) for card in blind] == [["images"], ["images"]]
    poisoned = scores > 15
    seen = plots.cards(found, [0, 1], ("cat", "dog"), poisoned, axis, log_counts=False)
    assert [list(card["bars"]) for card in seen] == [["benign"], ["benign", "poisoned"]]
    assert seen[1]["size"] == "10 images, 4 ✕", "no longer: it has one line of a narrow card"


def test_a_small_statistic_and_its_limit_are_told_apart() -> None:
    detection = Detection(np.arange(4.0), class_statistic=np.array([0.106, 0.301]), class_threshold=0.15)
    found = cuts.Scored(detection, np.array([0, 0, 1, 1]), 2)
    assert [plots.verdict(found, label) for label in (0, 1)] == ["passes: 0.11, limit 0.15", "NAMED: 0.30, limit 0.15"]


@pytest.mark.parametrize(
    ("scores", "log"), [([1, 2, 3, 500], True), ([5, 6, 7, 9], False), ([-3, 0, 1, 400], False), ([0, 0, 0, 0], False)]
)
def test_scores_are_spread_out_where_they_span_orders_of_magnitude(scores: list[float], log: bool) -> None:
    found = cuts.Scored(Detection(np.array(scores, float)), np.zeros(4, np.int64), 1)
    assert found.spans_orders == log


def test_a_class_that_is_not_there_has_no_card() -> None:
    found = cuts.Scored(Detection(np.arange(4.0)), np.array([0, 0, 2, 2]), 3)
    assert cards.order(found) == [0, 2]


def test_bars_in_small_are_the_counts_and_none_that_is_not_empty_vanishes() -> None:
    scores = np.array([0.0] * 5000 + [1.0])
    found = cuts.Scored(Detection(scores), np.zeros(len(scores), np.int64), 1)
    (card,) = plots.cards(found, [0], ("a",), None, plots.axis(scores, False), log_counts=False)
    assert card["bars"]["images"] == [1.0, *[0.0] * (plots.SMALL_BINS - 2), plots.LOWEST]


@given(data=st.data())
def test_a_lassos_points_are_the_images_that_they_stand_for(data: st.DataObject) -> None:
    size = 30
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    poisoned = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    found = cuts.Scored(Detection(np.random.default_rng(0).permutation(size) / 7), labels, 2)
    result = SimpleNamespace(poisoned=SimpleNamespace(labels=labels, truth=SimpleNamespace(poisoned=poisoned)))
    members = np.flatnonzero(labels == 1)
    for truth in (True, False):
        points = [
            {"curve_number": kind, "point_index": at}
            for kind, rows in enumerate(directions.parts(result, 1, truth))
            for at in range(len(rows))
        ]
        ids = directions.selected(result, found, 1, truth, {"points": points})
        assert set(ids) == set(members)
        assert (np.diff(found.scores[ids]) <= 0).all()
        if truth:
            stamped = directions.selected(result, found, 1, truth, {"points": [p for p in points if p["curve_number"]]})
            assert set(stamped) == set(members[poisoned[members]])
