"""The histogram above the grid of the Flagged screen: what it counts, what is drawn on it, when it is made."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

import core
from core import Detection, Job
from core.results.result import Result
from pages.parts.around import cuts, plots, words
from pages.parts.flagged import strip
from tests.pages.seen import labels

HITS, MISSED = "True positives ✕", "Missed poisons ✕"


def drawn(app: AppTest) -> dict[str, Any] | None:
    """What the component was given; None where it is not there."""
    found = [one for one in app.get("bidi_component") if one.proto.component_name == "poisonscope_strip"]
    return json.loads(found[0].proto.json) if found else None


def counted(data: dict[str, Any]) -> np.ndarray:
    """The images of each bin [bins, kinds], as the bins say it."""
    bins = [says.rpartition(": ")[2].split(", ") for says in data["picture"]["says"]]
    return np.array([[int(kind.split()[0].replace(",", "")) for kind in kinds] for kinds in bins])


def test_it_counts_what_the_filter_may_show(finished_job: Job, result: Result, open_screen) -> None:
    truth, flagged = result.poisoned.truth.poisoned, result.flagged
    app = open_screen("flagged", run=finished_job.key)
    data = drawn(app)
    hits, wrong = int((flagged & truth).sum()), int((flagged & ~truth).sum())
    assert counted(data).sum(0).tolist() == [wrong, hits]
    assert data["legend"] == [["benign", f"{wrong} ● benign"], ["poisoned", f"{hits} ✕ poisoned"]]
    assert data["range"] == [None, None]
    app.selectbox(key="show").set_value(MISSED).run()
    assert counted(drawn(app)).sum(0).tolist() == [0, int((~flagged & truth).sum())]
    app.selectbox(key="label").set_value("five").run()
    assert drawn(app) is None, "nothing of that kind has this label"
    app.selectbox(key="show").set_value("All flagged").run()
    some = flagged & (result.poisoned.labels == 5)
    assert counted(drawn(app)).sum() == some.sum()


def test_a_range_is_drawn_on_it_and_takes_no_bar_away(finished_job: Job, result: Result, open_screen) -> None:
    scores = result.detection().scores[result.flagged]
    low, high = (float(one) for one in np.quantile(scores, [0.3, 0.6]))
    view = {"score from": str(low), "score to": str(high)}
    app = open_screen("flagged", run=finished_job.key, **view)
    data = drawn(app)
    assert counted(data).sum() == len(scores)
    axis = strip.picture(
        cuts.Scored(result.detection(), result.poisoned.labels, 10), cut(result), result.flagged, None
    )[0]
    assert data["range"] == pytest.approx([float(axis.share(low)), float(axis.share(high))])
    chips = {words.plain(f"score at least {low:.4g}"), words.plain(f"score at most {high:.4g}")}
    assert chips <= set(labels(app))
    app = open_screen("flagged", run=finished_job.key, **{"score from": "1e12"})
    assert drawn(app)["range"] == [1.0, None]
    assert "No image fits this filter." in [one.value for one in app.info]


def cut(result: Result) -> cuts.Cut:
    return cuts.usual(result, result.config.defence.detector)


def test_the_cut_goes_through_it(finished_job: Job, result: Result, gap_job: Job, open_screen) -> None:
    """A budget cuts each class at another score; the gap of one class is one line."""
    data = drawn(open_screen("flagged", run=finished_job.key))["picture"]
    low, high = data["cuts"]
    assert low == pytest.approx(0, abs=1e-9), "nothing that is flagged scores below the lowest"
    assert (0 < high < 1, data["cut"][1]) == (True, "cuts")
    data = drawn(open_screen("flagged", run=gap_job.key, show="Not flagged"))["picture"]
    low, high = data["cuts"]
    assert (0 < low == high <= 1, data["cut"]) == (True, [low, "cut"])
    assert all(abs(at - low) > strip.ROOM for at, _ in data["ticks"])


def test_blind_bars_are_of_one_kind(finished_job: Job, result: Result, open_screen) -> None:
    data = drawn(open_screen("flagged", run=finished_job.key, truth="0"))
    assert {kind for kind, *_ in data["picture"]["bars"]} == {"images"}
    assert data["legend"] == []
    assert counted(data).sum() == result.flagged.sum()
    assert not re.search("✕|●|poison|benign", json.dumps(data, ensure_ascii=False))


def test_it_is_made_once_for_a_cut(finished_job: Job, result: Result, open_screen, monkeypatch) -> None:
    """Not with every verdict, page, order and range."""
    made: list[int] = []
    picture = strip.picture

    def counting(*given: Any) -> Any:
        made.append(1)
        return picture(*given)

    monkeypatch.setattr(strip, "picture", counting)
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada")
    app.selectbox(key="order").set_value("lowest score").run()
    app.number_input(key="score from").set_value(0.1).run()
    first = int(np.flatnonzero(result.flagged)[0])
    core.reviews.judge(finished_job.key, [first], "clean", "Ada")
    app.selectbox(key="verdict").set_value("not judged").run()
    assert len(made) == 1
    app.selectbox(key="show").set_value(HITS).run()
    assert len(made) == 2
    open_screen("flagged", run=finished_job.key, budget="3")
    assert len(made) == 3


@given(
    scores=st.lists(st.floats(-1e6, 1e6) | st.floats(1000, 1000.5), min_size=1, max_size=40),
    bins=st.tuples(st.integers(0, plots.LARGE_BINS), st.integers(0, plots.LARGE_BINS)),
    log=st.booleans(),
)
def test_a_range_between_two_edges_holds_what_lies_between(
    scores: list[float], bins: tuple[int, int], log: bool
) -> None:
    """However few digits it is written with; and it is not wider by a whole bin on either side."""
    values = np.array(scores)
    axis = strip.fitted(values, log)
    low, high = (one / plots.LARGE_BINS for one in sorted(bins))
    begin, end = strip.written(axis, low, math.floor), strip.written(axis, high, math.ceil)
    inside = (values >= axis.at(low)) & (values <= axis.at(high))
    assert (inside <= ((values >= begin) & (values <= end))).all()
    assert float(axis.share(begin)) > low - 1 / plots.LARGE_BINS
    assert float(axis.share(end)) < high + 1 / plots.LARGE_BINS


@given(
    ends=st.tuples(*[st.none() | st.floats(-1e6, 1e6) | st.just(3.14159)] * 2),
    shares=st.tuples(*[st.none() | st.floats(0, 1)] * 2),
    scores=st.lists(st.floats(-1e6, 1e6) | st.floats(3, 4), min_size=1, max_size=40),
    log=st.booleans(),
)
def test_an_end_that_is_not_moved_keeps_its_value(
    ends: strip.Ends, shares: strip.Ends, scores: list[float], log: bool
) -> None:
    """However often the other is; and a range that is sent once more is the same, to the last digit."""
    axis = strip.fitted(np.array(scores), log)
    given = strip.places(axis, ends)
    assert strip.moved(axis, ends, given) == ends
    assert strip.moved(axis, ends, (shares[0], given[1]))[1] == ends[1]
    assert strip.moved(axis, ends, (given[0], shares[1]))[0] == ends[0]
    once = strip.moved(axis, ends, shares)
    assert strip.moved(axis, once, strip.places(axis, once)) == once


def test_an_end_drawn_over_the_other_stands_where_that_stood() -> None:
    axis = strip.fitted(np.array([0.0, 10.0]), False)
    ends = (3.14159, 6.28318)
    low, high = strip.places(axis, ends)
    assert strip.moved(axis, ends, (high, 0.8)) == (6.28318, 8.0)
    assert strip.moved(axis, ends, (0.2, low)) == (2.0, 3.14159)


def test_what_the_hand_moves_is_written_and_nothing_else(
    finished_job: Job, open_screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that is sent unchanged leaves the page that is turned to."""
    hand: dict[str, Any] = {}

    def draw(key: str, data: dict[str, Any], on_range_change: Any) -> None:
        """In the component's place a button, which sends what the hand does."""

        def sent() -> None:
            streamlit.session_state[key] = {"range": {"ends": hand["ends"]}}
            on_range_change()

        hand["range"] = data["range"]
        streamlit.button("by hand", key="by hand", on_click=sent)

    monkeypatch.setattr(strip, "_draw", draw)
    low = 0.0031415926535
    app = open_screen("flagged", run=finished_job.key, **{"score from": str(low), "page": "2", "page size": "24"})
    given = hand["range"]
    for ends, page in ((given, 2), ((given[0], 0.9), 1)):
        hand["ends"] = ends
        app.button(key="by hand").click().run()
        assert (app.session_state["score from"], app.session_state["page"]) == (low, page)
    assert hand["range"] == pytest.approx((given[0], 0.9), abs=1 / plots.LARGE_BINS)


def test_equal_scores_have_an_axis_too() -> None:
    found = cuts.Scored(Detection(np.full(6, 2.5)), np.zeros(6, np.int64), 1)
    axis, data = strip.picture(found, cuts.Cut("spectral", 2, "every_class"), np.ones(6, bool), None)
    assert axis.low < axis.high
    assert counted(data).sum() == 6
