"""The gallery of the Flagged screen in a browser: a made-up run for it, its tiles, and the verdicts that arrive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import core
from core import Job, RunConfig
from core.results.result import Result
from core.store.home import VARIABLE
from tests.browser.ways import MINUTE
from tests.pages import stored


@contextmanager
def reviewed(home: Path, config: RunConfig) -> Iterator[Job]:
    """A made-up run in a server's home; what is said of its images goes with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(home))
        made = stored.finished(config)
        yield made
        for name in {review.reviewer for review in core.reviews.of(made.key)}:
            core.reviews.judge(made.key, core.reviews.verdicts(made.key, name), None, name)
        for noted in core.reviews.of(made.key):
            core.reviews.annotate(made.key, noted.image, "", noted.reviewer)
        for view in core.saved_views.of(made.key):
            core.saved_views.forget(made.key, view.name)
        core.jobs.delete(made.id)


def most_suspicious(job: Job) -> list[int]:
    """The flagged ids, the highest score first."""
    result = Result(job.config)
    ids = np.flatnonzero(result.flagged)
    return ids[np.argsort(-result.detection().scores[ids], kind="stable")].tolist()


def grid(page: Page) -> Locator:
    """The tiles, once they are drawn."""
    expect(page.locator(".gallery[data-drawn]")).to_be_visible(timeout=MINUTE)
    return page.get_by_role("listbox").get_by_role("option")


def eventually(page: Page, job: Job, reviewer: str, wanted: dict[int, str]) -> None:
    """The verdicts are in the database. The grid showed them at once; the server may first have to load torch."""
    for _ in range(MINUTE // 100):
        if core.reviews.verdicts(job.key, reviewer) == wanted:
            return
        page.wait_for_timeout(100)
    assert core.reviews.verdicts(job.key, reviewer) == wanted
