"""What hides images on the Flagged screen is seen, and goes at a click."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import Job
from core.results.result import Result
from pages.parts.around import cuts
from tests.pages.seen import fine, ids, said


def chips(app: AppTest) -> dict[str, str]:
    return {
        button.key.removeprefix("chip "): button.label
        for button in app.button
        if (button.key or "").startswith("chip ")
    }


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


OTHER = "whitened-spectral"  # not this run's detector: its scores have another scale
LIMITS = {"score from": "0.001", "score to": "1000.5"}


def limited(app: AppTest) -> set[str]:
    """The limits of the score that hide images, or that the address names."""
    return set(LIMITS) & (set(chips(fine(app))) | set(app.query_params))


def test_limits_of_the_score_end_with_the_detector_on_whose_scale_they_are(finished_job: Job, open_screen) -> None:
    """A link with both is taken as it is; other filters stay."""
    app = open_screen("flagged", run=finished_job.key, detector=OTHER, label="three", **LIMITS)
    assert limited(app) == set(LIMITS)
    app = fine(app.selectbox(key="order").set_value("lowest score").run())
    assert limited(app) == set(LIMITS)
    (own,) = (button for button in app.button if button.label == "Back to the run's own cut")
    app = own.click().run()
    assert limited(app) == set()
    assert set(chips(app)) == {"label"}


@pytest.mark.parametrize("other", [True, False])
def test_a_detector_chosen_on_another_screen_ends_them_too(finished_job: Job, open_screen, other: bool) -> None:
    app = fine(open_screen("flagged", run=finished_job.key, label="three", **LIMITS))
    app = fine(app.switch_page("pages/scores.py").run())
    for name in ("label", *LIMITS):
        app.query_params.pop(name, None)  # as Streamlit does with another page
    if other:
        app = fine(app.selectbox(key="detector picker").set_value(OTHER).run())
    app = app.switch_page("pages/flagged.py").run()
    assert limited(app) == (set() if other else set(LIMITS))


def test_going_back_to_another_detector_s_view_brings_its_limits(finished_job: Job, open_screen) -> None:
    app = fine(open_screen("flagged", run=finished_job.key, **LIMITS))
    app.query_params["detector"] = OTHER
    app.session_state[cuts.SETTLED] = {cuts.WHOLE}  # as cuts.come_back leaves it
    assert limited(app.run()) == set(LIMITS)
    app.query_params["detector"] = finished_job.config.defence.detector
    assert limited(app.run()) == set()
