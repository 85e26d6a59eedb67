"""The Flagged screen: the right images in the right order, exports that parse back, and blind review."""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

import core
from core import Detection, Job
from core.results import Result
from pages.parts import cuts, gallery

ALL, HITS, FALSE, MISSED = "All flagged", "True positives ✕", "False positives ●", "Missed poisons ✕"


def grid(app: AppTest) -> str:
    return next((html.proto.body for html in app.get("html") if "ps-grid" in html.proto.body), "")


def ids(app: AppTest) -> list[int]:
    return [int(found) for found in re.findall(r"alt='image (\d+)", grid(app))]


def show(app: AppTest, kind: str) -> AppTest:
    picker = next(group for group in app.get("button_group") if group.key == "show")
    return picker.set_value(kind).run()


@pytest.fixture
def result(finished_job: Job) -> Result:
    return Result(finished_job.config)


def test_the_most_suspicious_come_first(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    assert not app.exception
    scores, flagged = result.detection().scores, np.flatnonzero(result.flagged)
    order = flagged[np.lexsort((flagged, -scores[flagged]))]
    assert ids(app) == order[:24].tolist()
    assert "what the run removed" in app.markdown[0].value
    app.selectbox(key="page size").set_value(192).run()
    assert ids(app) == order[:192].tolist()
    assert grid(app).count("<img ") == grid(app).count(" alt='image ") == 192


def test_filters_show_the_right_images(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    app.selectbox(key="page size").set_value(192)
    truth, flagged = result.poisoned.truth.poisoned, result.flagged
    for kind, wanted in ((HITS, flagged & truth), (MISSED, ~flagged & truth)):
        assert set(ids(show(app, kind))) == set(np.flatnonzero(wanted).tolist())
    app.selectbox(key="label filter").set_value(5)
    wanted = flagged & ~truth & (result.poisoned.labels == 5)
    assert set(ids(show(app, FALSE))) == set(np.flatnonzero(wanted).tolist())
    assert set(ids(show(app, MISSED))) == set()
    assert "No image fits" in app.info[0].value


def test_words_of_the_truth_stand_below_the_images(finished_job: Job, result: Result, open_screen) -> None:
    app = show(open_screen("flagged", run=finished_job.key), HITS)
    text = grid(app)
    first = ids(app)[0]
    source = result.poisoned.source_ids[first]
    assert text.count("✕ poisoned") == len(ids(app))
    assert f"id {source}" in text
    assert "● benign" not in text
    app.selectbox(key="image").set_value(ids(app)[1]).run()
    assert len(app.get("image") or app.get("imgs")) == 3
    assert "✕ **poisoned**" in app.markdown[-1].value


def test_the_cut_comes_from_the_address(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, budget="2", detector="spectral-released")
    assert "20 images flagged by **spectral-released**" in app.markdown[0].value
    assert "Tried on" in app.markdown[0].value
    assert len(ids(app)) == 20
    next(button for button in app.button if "own cut" in button.label).click().run()
    assert "220 images flagged by **spectral**" in app.markdown[0].value


def test_the_cut_comes_along_from_the_scores_screen(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    app.slider(key="budget slider").set_value(3).run()
    app.switch_page("pages/flagged.py").run()
    assert "30 images flagged" in app.markdown[0].value
    assert app.query_params["budget"] == "3"


def test_blind_review_tells_nothing(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, truth="0")
    assert not app.exception
    text = "".join(str(element.proto) for element in app.main if hasattr(element, "proto"))
    text = re.sub(r"base64,[A-Za-z0-9+/=]+|<style>.*?</style>|poisonscope-", "", text, flags=re.DOTALL)
    assert not re.search(r"poison|✕|\bfrom\b|source|true positive|original|benign", text, re.IGNORECASE)
    assert not ids(app)  # a stamped copy's id would tell
    assert grid(app).count("<img ") == 24
    assert not any(group.key == "show" for group in app.get("button_group"))


def test_nothing_flagged_is_said(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, budget="0", truth="0")
    assert "Nothing found: the budget is 0" in app.info[0].value
    assert not grid(app)
    app = open_screen("flagged", run=finished_job.key, budget="0")
    assert len(ids(show(app, MISSED))) == 24


def test_no_run_and_damaged_features(finished_job: Job, result: Result, open_screen) -> None:
    assert "No run is chosen" in open_screen("flagged").info[0].value
    (result.store.read("features", result.features_key).folder / "logits.npy").write_bytes(b"")
    app = open_screen("flagged", run=finished_job.key, detector="spectral-released")
    assert not app.exception
    assert "set aside" in app.warning[0].value
    assert not grid(app)


def test_exports_parse_back(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    labels = [button.label for button in app.get("download_button")]
    assert labels == ["Scores as CSV", "Scores as Parquet", "Keep-list"]
    found = cuts.Scored(result.detection(), result.poisoned.labels, 10)
    names = result.dataset.class_names
    blind = core.export.table(result, found.detection, result.flagged, truth=False)
    seen = core.export.table(result, found.detection, result.flagged)
    assert list(blind) == ["id", "label", "label_name", "score", "rank", "flagged"]
    assert list(seen) == [*blind, "dataset_row", "source_id", "source_name", "poisoned"]
    for table in (
        pd.read_csv(io.StringIO(seen.to_csv(index=False))),
        pd.read_parquet(io.BytesIO(seen.to_parquet(index=False))),
    ):
        assert table["score"].is_monotonic_decreasing
        frame = table.sort_values("id", ignore_index=True)
        assert (frame["rank"] == found.ranks).all()
        assert (frame["id"] == np.arange(len(result.poisoned))).all()
        assert (frame["score"] == found.scores).all()
        assert (frame["flagged"] == result.flagged).all()
        assert (frame["poisoned"] == result.poisoned.truth.poisoned).all()
        assert (frame["source_id"] == result.poisoned.source_ids).all()
        assert (frame["label_name"] == np.array(names)[result.poisoned.labels]).all()
        assert (frame.loc[frame["flagged"], "rank"] <= 22).all()
    kept = [int(line) for line in core.export.keep_list(result.flagged).splitlines()]
    assert kept == np.flatnonzero(~result.flagged).tolist()


@given(data=st.data(), budget=st.integers(0, 10))
def test_flagged_order(data: st.DataObject, budget: int) -> None:
    """What is flagged of a label scores at least as high as what is kept of it, and ranks begin at 1."""
    size = data.draw(st.integers(1, 40))
    scores = np.array(data.draw(st.lists(st.floats(-1e9, 1e9), min_size=size, max_size=size)))
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    found = cuts.Scored(Detection(scores), labels, 4)
    flagged = cuts.flag(found, cuts.Cut("spectral", budget, "every_class"))
    frame = pd.DataFrame({"label": labels, "score": scores, "rank": found.ranks, "flagged": flagged})
    for _, group in frame.groupby("label"):
        assert sorted(group["rank"]) == list(range(1, len(group) + 1))
        assert group.sort_values("rank")["score"].is_monotonic_decreasing
        gone, kept = group[group["flagged"]], group[~group["flagged"]]
        assert len(gone) == min(budget, len(group))
        assert not len(gone) or not len(kept) or gone["score"].min() >= kept["score"].max()


def test_difference_is_amplified_to_full_brightness() -> None:
    before = np.zeros((4, 4, 3), np.uint8)
    after = before.copy()
    after[1, 2] = 51
    change, factor = gallery.difference(before, after)
    assert factor == 5
    assert change[1, 2].tolist() == [255] * 3
    assert change.sum() == 3 * 255
    assert gallery.difference(before, before)[1] == 1
