"""Saved views: kept by run and name in the ledger, replaced only when asked, bad names refused."""

from __future__ import annotations

import pytest

from core.results import saved_views
from core.types import BadRequest

RUN, OTHER = "a" * 64, "b" * 64

pytestmark = pytest.mark.usefixtures("own_home")


def test_views_are_kept_by_run_and_name_and_deleted() -> None:
    assert saved_views.of(RUN) == []
    saved_views.save(RUN, " doubtful   birds ", {"label": "bird", "score from": "3.5"})
    saved_views.save(RUN, "all", {})
    saved_views.save(OTHER, "doubtful birds", {"label": "cat"})
    assert {one.name: one.view for one in saved_views.of(RUN)} == {
        "all": {},
        "doubtful birds": {"label": "bird", "score from": "3.5"},
    }
    saved_views.forget(RUN, "doubtful birds")
    saved_views.forget(RUN, "never there")
    assert [one.name for one in saved_views.of(RUN)] == ["all"]
    assert [one.view for one in saved_views.of(OTHER)] == [{"label": "cat"}]


def test_a_name_that_is_taken_is_replaced_only_when_asked() -> None:
    saved_views.save(RUN, "mine", {"label": "bird"})
    with pytest.raises(BadRequest, match="a view called 'mine' is there already"):
        saved_views.save(RUN, "mine", {"label": "cat"})
    assert saved_views.of(RUN)[0].view == {"label": "bird"}
    saved_views.save(RUN, "mine", {"label": "cat"}, replace=True)
    assert saved_views.of(RUN)[0].view == {"label": "cat"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x00b", "a\u202eb"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="a view's name"):
        saved_views.save(RUN, name, {})
    assert saved_views.of(RUN) == []


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match="at most 2,000 characters"):
        saved_views.save(RUN, "long", {"label": "x" * 2_000})
    monkeypatch.setattr(saved_views, "MOST", 2)
    for name in "ab":
        saved_views.save(RUN, name, {})
    with pytest.raises(BadRequest, match="at most 2 saved views"):
        saved_views.save(RUN, "c", {})
    saved_views.save(RUN, "a", {"label": "cat"}, replace=True)
