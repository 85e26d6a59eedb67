"""The Sensitivity screen: its figures are core's, what is missing is computed when asked, and nothing is trained."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, jobs
from core.evaluation import metrics
from core.results.result import Result
from pages.parts.around import cuts
from pages.parts.common import profiles
from pages.parts.sensitivity import assumed, curves, layers, rivals
from tests.pages import stored
from tests.pages.seen import fine, pictures, said, table, values

ASSUMED, DETECTORS, LAYERS = "Assumed ε", "Detectors", "Layers"


def components(app: AppTest) -> set[str]:
    return {one.proto.component_name for one in app.get("bidi_component")}


def filtered(job: Job, detector: str, assumed_ratio: float, multiplier: float = 1.5) -> metrics.Found:
    """What the filter itself does."""
    result = Result(job.config)
    defence = cuts.defence_of(result, detector)
    defence = defence.model_copy(update={"assumed_ratio": assumed_ratio, "multiplier": multiplier, "cut": "budget"})
    keep = core.filter.keep_mask(result.detection(defence), result.poisoned.labels, defence)
    return metrics.found(~keep, result.poisoned.truth.poisoned)


def test_without_a_run_it_says_what_to_do(open_screen) -> None:
    assert "No run is chosen yet" in fine(open_screen("sensitivity")).info[0].value


def test_blind_review_shows_no_figure(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, truth="0"))
    assert not app.get("plotly_chart")
    assert "answer" not in str(components(app))
    assert not app.dataframe
    for secret in ("pattern", "three", "20%"):
        assert secret not in "\n".join(element.value for element in [*app.markdown, *app.caption, *app.info]).lower()
    fine(app.toggle("truth switch").set_value(True).run())
    assert "poisonscope_answer" in components(app)


# --- the assumed ratio -----------------------------------------------------------------------------------


def test_the_table_is_the_filter_at_the_assumed_ratio(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=ASSUMED))
    assert app.slider("assumed slider").value == 10.0
    for share in (10.0, 25.0):
        app = fine(app.slider("assumed slider").set_value(share).run())
        expected = filtered(finished_job, "spectral", share / 100)
        row = table(app, "Detector").loc["spectral"]
        assert (row["#Pois left"], row["Clean removed"]) == (expected.poisons_left, expected.clean_removed)
        assert row["TPR"] == pytest.approx(100 * expected.tpr)
        assert row["FPR"] == pytest.approx(100 * expected.fpr)
    assert app.query_params["assumed"] == "25"
    app = fine(app.number_input("times number").set_value(3.0).run())
    expected = filtered(finished_job, "spectral", 0.25, 3.0)
    assert table(app, "Detector").loc["spectral", "Clean removed"] == expected.clean_removed
    assert "**At an assumed ratio of 25%**" in said(app)
    assert "In truth 31 images are poisoned" in said(app)


def test_a_link_brings_back_what_was_assumed_and_nonsense_is_passed_over(finished_job: Job, open_screen) -> None:
    link = dict(run=finished_job.key, part=ASSUMED, assumed="20", times="2", figure="TPR")
    app = fine(open_screen("sensitivity", **link))
    assert app.slider("assumed slider").value == 20.0
    assert app.number_input("times number").value == 2.0
    app = fine(
        open_screen("sensitivity", run=finished_job.key, part=ASSUMED, assumed="nan", times="99", lines="no such")
    )
    assert app.slider("assumed slider").value == 10.0
    assert app.number_input("times number").value == 1.5


def test_the_curves_go_through_the_run_s_own_point(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=ASSUMED))
    (picture,) = pictures(app)
    lines = {trace["name"]: trace for trace in picture["data"]}
    assert set(lines) == {"random", "perfect", "spectral", "this run"}
    left = Result(finished_job.config).summary["poisons_left"]
    assert values(lines["this run"]["y"]) == [left]
    assert values(lines["spectral"]["y"])[10] == left  # at 10%
    assert values(lines["spectral"]["y"])[0] == 31
    assert {trace["line"]["dash"] for name, trace in lines.items() if name != "this run"} == {"solid", "dot", "dashdot"}


def test_one_detector_s_picture_needs_no_legend(gap_job: Job, open_screen) -> None:
    (picture,) = pictures(fine(open_screen("sensitivity", run=gap_job.key, part=ASSUMED)))
    assert not picture["layout"]["showlegend"]
    written = {note["text"] for note in picture["layout"]["annotations"]}
    assert {"whitened-spectral", "random", "perfect"} <= written
    assert [trace["text"] for trace in picture["data"] if trace["mode"] == "markers+text"] == [["at its gap"]]


def test_the_automatic_cut_is_a_star_and_a_row(gap_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=gap_job.key, part=ASSUMED))
    (picture,) = pictures(app)
    (star,) = [trace for trace in picture["data"] if trace["name"] == "whitened-spectral at its gap"]
    summary = Result(gap_job.config).summary
    assert values(star["y"]) == [summary["poisons_left"]]
    rows = table(app, "Detector").set_index("Cut")
    assert rows.loc["at the gap", "#Pois left"] == summary["poisons_left"]
    assert rows.loc["at the gap", "Clean removed"] == summary["clean_removed"]
    assert "this run" not in [trace["name"] for trace in picture["data"]]


def test_the_curves_as_csv_have_every_ratio(finished_job: Job) -> None:
    result = Result(finished_job.config)
    shares = core.sensitivity.grid()
    line = assumed.line_of(result, "spectral", shares, 1.5)
    rows = pd.read_csv(io.BytesIO(assumed.as_csv(result, [line], shares, 1.5)))
    assert len(rows) == len(shares)
    at = rows[rows["assumed_ratio"] == 0.1].iloc[0]
    assert at["poisons_left"] == result.summary["poisons_left"]
    assert at["budget"] == result.summary["budget"]


def test_no_two_lines_look_alike_without_their_colours() -> None:
    looks = [(look.dash, look.symbol) for look in curves._STYLES]
    assert len(set(looks)) == len(looks) == curves.MOST_LINES


# --- the detectors ---------------------------------------------------------------------------------------


def test_what_is_scored_has_figures_and_the_rest_a_button(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=DETECTORS))
    rows = table(app, "Detector")
    summary = Result(finished_job.config).summary
    own = rows.loc["spectral (this run)"]
    assert own["AUROC"] == pytest.approx(summary["auroc"])
    assert own["#Pois left"] == summary["poisons_left"]
    assert own["Class named"] == "names none"
    assert rows.loc["scan"].isna().all()
    assert rows.loc[rivals.RANDOM, "AUROC"] == 0.5
    assert rows.loc[rivals.PERFECT, "#Pois left"] == max(0, summary["poisons"] - summary["flagged"])
    assert len(rows) == len(core.DETECTORS) + 2
    app = fine(app.button("rank whitened-spectral").click().run())
    rows = table(app, "Detector")
    assert rows.loc["whitened-spectral", "Class named"] == "✓ three"
    expected = filtered(finished_job, "whitened-spectral", 0.1)
    assert rows.loc["whitened-spectral", "Clean removed"] == expected.clean_removed
    assert "rank whitened-spectral" not in [button.key for button in app.button]
    assert not [job for job in jobs.listing() if job.active]


def test_the_bars_show_the_figure_that_was_chosen(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=DETECTORS, rank="#Pois left"))
    (picture,) = pictures(app)
    assert values(picture["data"][0]["x"]) == [Result(finished_job.config).summary["poisons_left"]]
    said_lines = [note["text"] for note in picture["layout"]["annotations"]]
    assert said_lines == ["random", "perfect"]


def test_a_clean_set_has_no_ranking_and_may_name_nothing(own_home, open_screen) -> None:
    job = stored.finished(stored.config(ratio=0.0, detector="whitened-spectral"))
    app = fine(open_screen("sensitivity", run=job.key, part=DETECTORS))
    row = table(app, "Detector").loc["whitened-spectral (this run)"]
    assert pd.isna(row["AUROC"])
    assert row["Class named"].startswith(("nothing found", "✗"))
    assert "clean control" in said(app)
    assert "nothing was poisoned" in said(app)
    for tab in (ASSUMED, LAYERS):
        fine(open_screen("sensitivity", run=job.key, part=tab))


def test_where_every_class_is_poisoned_naming_all_is_right(own_home, open_screen) -> None:
    job = stored.finished(stored.config(labels="all_to_all", detector="whitened-spectral"))
    result = Result(job.config)
    found = profiles.of(result, "whitened-spectral")
    assert found.poisoned_classes == list(range(10))
    assert layers.targets(result) == list(range(10))
    for tab in (ASSUMED, DETECTORS, LAYERS):
        app = fine(open_screen("sensitivity", run=job.key, part=tab))
    assert len(pictures(app)) <= 1


def test_the_times_are_those_that_were_measured() -> None:
    measured = json.loads((Path(core.__file__).parents[1] / "benchmarks" / "results" / "detectors.json").read_text())
    assert measured["classes"] * measured["size"] == 50_000
    for row in measured["rows"]:
        if row["detector"] != "strip":  # there without its questions to the network
            assert row["seconds"] <= profiles.seconds(row["detector"], 50_000) <= 1.5 * row["seconds"] + 0.5
    assert profiles.seconds("spectral", 25_000) == pytest.approx(profiles.seconds("spectral", 50_000) / 2)


def test_a_detector_that_cannot_score_is_not_offered_and_says_why(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=DETECTORS))
    assert not {"rank loss-isolation", "rank strip"} & {button.key for button in app.button}
    assert "rank knn" in {button.key for button in app.button}
    assert "Loss-isolation reads the losses of the training, and none were kept" in said(app)


def test_what_one_run_assumes_is_forgotten_with_it(own_home, open_screen) -> None:
    one, other = (stored.finished(stored.config(assumed_ratio=share)) for share in (0.1, 0.3))
    app = fine(open_screen("sensitivity", run=one.key, part=ASSUMED, assumed="25"))
    assert app.slider(key="assumed slider").value == 25
    app = fine(app.selectbox("picked run").set_value(other.key[:16]).run())
    assert app.slider(key="assumed slider").value == 30
    assert "assumed" not in app.query_params


def test_runs_that_look_alike_can_be_told_apart_and_chosen(own_home, open_screen) -> None:
    jobs_ = [stored.finished(stored.config(assumed_ratio=share)) for share in (0.1, 0.2, 0.3)]
    app = fine(open_screen("sensitivity", run=jobs_[0].key))
    assert len(set(app.selectbox("picked run").options)) == 3
    app = fine(app.selectbox("picked run").set_value(jobs_[1].key[:16]).run())
    assert app.query_params["run"] == jobs_[1].key[:16]


def test_all_to_all_is_told_class_by_class(own_home, open_screen) -> None:
    job = stored.finished(stored.config(labels="all_to_all", detector="spectral", assumed_ratio=0.005))
    poisoned = Result(job.config).poisoned
    told = said(fine(open_screen("sensitivity", run=job.key, part=ASSUMED)))
    sizes = np.bincount(poisoned.labels)
    share = 100 * poisoned.truth.count / 10 / np.median(sizes)
    assert f"{poisoned.truth.count} images are poisoned ({share:.1f}% of a class of median size, in each class)" in told
    told = said(fine(open_screen("sensitivity", run=job.key, part=DETECTORS)))
    assert "for an assumed ratio of 0.5% and" in told


# --- the layers ------------------------------------------------------------------------------------------


def test_a_layer_is_read_off_when_asked_and_nothing_is_trained(own_home, open_screen, monkeypatch) -> None:
    from core import pipeline

    monkeypatch.setattr(pipeline, "train", lambda *a, **o: pytest.fail("something was trained"))
    job = stored.finished(stored.config(), weights=True)
    app = fine(open_screen("sensitivity", run=job.key, part=LAYERS))
    rows = table(app, "Layer")
    assert rows.index.tolist() == ["penultimate (this run)", "block3", "block2", "block1", "attribution"]
    assert rows.loc["block3"].isna().all()
    found = Result(job.config).detection()
    gaps = core.sensitivity.spectral_gaps(found.spectrum)
    assert rows.loc["penultimate (this run)", "Spectral gap"] == pytest.approx(gaps[3])
    assert rows.loc["penultimate (this run)", "Widest other gap"] == pytest.approx(np.delete(gaps, 3).max())
    app = fine(app.button("read block2").click().run())
    rows = table(app, "Layer")
    seen = Result(job.config).at("block2")
    assert seen.features is not None
    assert rows.loc["block2", "AUROC"] == pytest.approx(
        metrics.ranking(seen.detection().scores, seen.poisoned.labels, seen.poisoned.truth.poisoned, 3).auroc
    )
    assert rows.loc["block1"].isna().all()
    (picture,) = pictures(app)
    benign, poisoned = picture["data"]
    assert (benign["marker"]["symbol"], poisoned["marker"]["symbol"]) == ("circle", "x")
    assert list(poisoned["y"]) == ["penultimate", "block2"]
    assert len(benign["y"]) == 2 * 9


def test_views_of_the_images_stand_beside_the_layers_when_asked(own_home, open_screen) -> None:
    job = stored.finished(stored.config(), weights=True)
    app = fine(open_screen("sensitivity", run=job.key, part=LAYERS))
    app = fine(app.toggle("views switch").set_value(True).run())
    rows = table(app, "Layer")
    assert rows.index.tolist() == ["penultimate (this run)", *core.LAYERS[1:], core.ATTRIBUTION, *core.VIEWS]
    app = fine(app.button("read image-luminance").click().run())
    rows = table(app, "Layer")
    seen = Result(job.config).at("image-luminance")
    assert seen.features.shape[1] == 1024
    truth = seen.poisoned.truth.poisoned
    expected = metrics.ranking(seen.detection().scores, seen.poisoned.labels, truth, 3).auroc
    assert rows.loc["image-luminance", "AUROC"] == pytest.approx(expected)
    assert rows.loc["image-tile-middle"].isna().all()
    again = fine(open_screen("sensitivity", run=job.key, part=LAYERS, views="1"))
    assert "image-luminance" in table(again, "Layer").index, "the address keeps it"


def test_where_the_network_is_gone_a_layer_says_so(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=finished_job.key, part=LAYERS))  # stored without weights
    app = fine(app.button("read block1").click().run())
    assert "network is not stored here" in app.warning[0].value


def test_without_the_images_no_layer_is_offered(recording: str, open_screen) -> None:
    app = fine(open_screen("sensitivity", run=recording, part=LAYERS))
    assert "cifar10 is not on this machine" in said(app)
    assert app.button("read block1").disabled
    for tab in (ASSUMED, DETECTORS):
        fine(open_screen("sensitivity", run=recording, part=tab))


def test_the_layers_as_csv_have_every_class_s_gap(finished_job: Job) -> None:
    result = Result(finished_job.config)
    found = [layers.look(result, name, "spectral") for name in layers.LAYERS]
    rows = pd.DataFrame([layers.row(result, layer, "spectral") for layer in found])
    written = pd.read_csv(io.BytesIO(layers.as_csv(result, rows, found)))
    assert written["gap of three"].notna().tolist() == [True, *[False] * 4]
