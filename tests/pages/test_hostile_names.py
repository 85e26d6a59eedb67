"""Every screen of a run whose classes, detector and reviewer have names that would be markup if one forgot."""

from __future__ import annotations

import pytest

from core import Job
from core.configuration import DATASETS, DETECTORS
from core.results import reviews
from tests.hostile import EVIL, check, evil
from tests.pages import stored

# Whether a screen's own HTML names a class; the others draw it by widgets, which escape by themselves.
NAMED = {
    "story": True, "how": False, "attack": True, "scores": True, "flagged": True, "compare": True, "network": True,
    "try_it": True, "sensitivity": False,
}  # fmt: skip


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    """A finished run with networks, one image of which is judged."""
    monkeypatch.setitem(DATASETS["digits"].facts, "class_names", tuple(evil(label) for label in range(10)))
    known = DETECTORS["spectral"]
    monkeypatch.setitem(DETECTORS._entries, EVIL, known.__class__(**{**vars(known), "summary": EVIL}))
    made = stored.finished(stored.config(target=evil(3), detector=EVIL), weights=True)
    reviews.judge(made.key, [9], "poisoned", '"><script>alert(1)</script>')
    return made


@pytest.mark.parametrize("screen", NAMED)
def test_a_screen_takes_hostile_names_as_words(screen: str, job: Job, open_screen) -> None:
    app = open_screen(screen, run=job.key)
    assert not app.exception
    pages = [check(element.proto.body) for element in app.get("html")]
    assert any(page.says(EVIL) for page in pages) or not NAMED[screen]
