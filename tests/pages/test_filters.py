"""What hides images on the Flagged screen is seen, and goes at a click."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import Job
from core.results.result import Result
from tests.pages.seen import fine, ids, said


def chips(app: AppTest) -> dict[str, str]:
    return {button.key.removeprefix("chip "): button.label for button in app.button if button.key.startswith("chip ")}


def clears(app: AppTest) -> list[str]:
    return [button.label for button in app.button if button.key == "clear filters"]


def test_without_a_filter_nothing_is_marked(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("flagged", run=finished_job.key))
    assert not chips(app)
    assert not clears(app)


def test_a_link_s_filters_are_marked_with_what_they_leave(finished_job: Job, open_screen) -> None:
    result = Result(finished_job.config)
    there = int((result.flagged & (result.poisoned.labels == 3)).sum())
    app = fine(open_screen("flagged", run=finished_job.key, label="three"))
    assert chips(app) == {"label": "label three"}
    assert f"**{there} images** of {int(result.flagged.sum())} flagged, by 1 filter" in said(app)
    app = fine(app.button(key="chip label").click().run())
    assert not chips(app)
    assert "label" not in app.query_params
    assert len(ids(app)) == 96, "a page of all"


@pytest.mark.parametrize("key", ["label", "origin", "score from", "score to", "verdict", "show"])
def test_every_filter_has_a_chip_and_clear_all_takes_them_away(finished_job: Job, open_screen, key: str) -> None:
    scores = Result(finished_job.config).detection().scores
    values = {
        **{"label": "three", "origin": "four", "verdict": "not judged", "show": "True positives ✕"},
        **{"score from": str(np.quantile(scores, 0.2)), "score to": str(scores.max())},
    }
    app = fine(open_screen("flagged", run=finished_job.key, **{key: values[key]}))
    assert list(chips(app)) == [key]
    app = fine(open_screen("flagged", run=finished_job.key, **values))
    assert set(chips(app)) == set(values)
    app = fine(app.button(key="clear filters").click().run())
    assert not chips(app)
    assert not set(values) & set(app.query_params)


def test_where_nothing_fits_the_way_out_is_there(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("flagged", run=finished_job.key, label="three", origin="three"))
    assert "No image fits this filter." in said(app)
    assert "**0 images**" in said(app)
    assert clears(app) == ["Clear all"]


def test_blind_review_marks_what_it_filters_by_and_not_what_it_does_not_ask(finished_job: Job, open_screen) -> None:
    link = dict(label="three", show="True positives ✕", origin="four")
    app = fine(open_screen("flagged", run=finished_job.key, truth="0", **link))
    assert chips(app) == {"label": "label three"}
