"""Verdicts: they are kept by run, reviewer and image, whoever writes at once; and agreement is counted right."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core import jobs
from core.results import reviews
from core.store import home
from core.types import BadRequest

RUN, OTHER = "a" * 64, "b" * 64

pytestmark = pytest.mark.usefixtures("own_home")


def said(run: str = RUN, reviewer: str | None = None) -> dict[tuple[str, int], str | None]:
    return {(one.reviewer, one.image): one.verdict for one in reviews.of(run, reviewer)}


def test_nothing_is_said_of_a_new_run() -> None:
    assert reviews.of(RUN) == []


def test_verdicts_are_kept_by_run_reviewer_and_image() -> None:
    reviews.judge(RUN, [3, 1], "poisoned", "Ada")
    reviews.judge(RUN, [1], "clean", "Bo")
    reviews.judge(OTHER, [1], "unsure", "Ada")
    assert said() == {("Ada", 1): "poisoned", ("Ada", 3): "poisoned", ("Bo", 1): "clean"}
    assert said(reviewer="Bo") == {("Bo", 1): "clean"}
    assert said(OTHER) == {("Ada", 1): "unsure"}


def test_the_last_word_counts_and_none_takes_it_back() -> None:
    reviews.judge(RUN, [1, 2], "poisoned", "Ada")
    first = reviews.of(RUN)[0].time
    reviews.judge(RUN, [2], "clean", "Ada")
    reviews.judge(RUN, [1], None, "Ada")
    (kept,) = reviews.of(RUN)
    assert (kept.image, kept.verdict) == (2, "clean")
    assert kept.time >= first


def test_a_note_stands_beside_the_verdict_and_outlives_it() -> None:
    reviews.annotate(RUN, 5, "  a yellow corner  ", "Ada")
    reviews.judge(RUN, [5], "poisoned", "Ada")
    reviews.judge(RUN, [5], None, "Ada")
    (kept,) = reviews.of(RUN)
    assert (kept.verdict, kept.note) == (None, "a yellow corner")
    reviews.annotate(RUN, 5, "", "Ada")
    assert reviews.of(RUN) == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\x00b", "a\u202eb"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="a reviewer's name has 1 to 40 printable characters"):
        reviews.judge(RUN, [1], "clean", name)
    with pytest.raises(BadRequest):
        reviews.annotate(RUN, 1, "note", name)
    assert reviews.of(RUN) == []


def test_a_name_is_written_in_one_way() -> None:
    reviews.judge(RUN, [1], "clean", "  Ada   Lovelace ")
    reviews.judge(RUN, [1], "poisoned", "Ada Lovelace")
    assert said() == {("Ada Lovelace", 1): "poisoned"}


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(BadRequest, match="a verdict is one of poisoned, clean, unsure, got 'guilty'"):
        reviews.judge(RUN, [1], "guilty", "Ada")
    with pytest.raises(BadRequest, match="at most 1,000 characters, got 1,001"):
        reviews.annotate(RUN, 1, "x" * 1001, "Ada")
    reviews.judge(RUN, [1], "clean", "Robert'); DROP TABLE reviews;--")
    assert len(reviews.of(RUN)) == 1


def test_writers_at_once_lose_nothing() -> None:
    def write(reviewer: str) -> None:
        for image in range(25):
            reviews.judge(RUN, [image], "poisoned" if image % 2 else "clean", reviewer)

    names = [f"reviewer {number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write, names))
    assert len(reviews.of(RUN)) == 100
    assert all(one.verdict == ("poisoned" if one.image % 2 else "clean") for one in reviews.of(RUN))


def test_another_process_reads_them() -> None:
    reviews.judge(RUN, [7], "unsure", "Ada")
    script = f"from core import reviews; print([(r.image, r.verdict) for r in reviews.of('{RUN}')])"
    root = Path(__file__).resolve().parents[1]
    shown = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "[(7, 'unsure')]\n"


def test_an_older_ledger_gets_the_table_and_keeps_its_runs() -> None:
    jobs.listing()
    with sqlite3.connect(home.ledger_file()) as ledger:
        ledger.execute("DROP TABLE IF EXISTS reviews")
    ledger.close()
    reviews.judge(RUN, [1], "clean", "Ada")
    assert said() == {("Ada", 1): "clean"}
    assert jobs.listing() == []


def test_a_busy_ledger_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reviews.judge(RUN, [1], "clean", "Ada")
    holder = sqlite3.connect(home.ledger_file(), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    patient = jobs.open_table
    monkeypatch.setattr(reviews, "open_table", lambda *table, write=False: patient(*table, write=write, patience=0.05))
    with pytest.raises(jobs.LedgerUnavailable, match="in use by another program"):
        reviews.judge(RUN, [2], "clean", "Ada")
    assert said() == {("Ada", 1): "clean"}  # reading goes on
    holder.rollback()
    holder.close()
    reviews.judge(RUN, [2], "clean", "Ada")
    assert len(reviews.of(RUN)) == 2


# --- taking back ---------------------------------------------------------------------------------------------


def test_what_was_there_is_told_and_comes_back() -> None:
    reviews.judge(RUN, [1], "poisoned", "Ada")
    reviews.judge(RUN, [2], "clean", "Ada")
    before = reviews.judge(RUN, [1, 2, 3], "clean", "Ada")
    assert before == {1: "poisoned", 3: None}  # 2 was clean already: there is nothing to take back
    assert reviews.restore(RUN, before, "clean", "Ada") == [1, 3]
    assert said() == {("Ada", 1): "poisoned", ("Ada", 2): "clean"}


def test_other_verdicts_are_left_alone_where_it_is_said_so() -> None:
    reviews.judge(RUN, [1], "poisoned", "Ada")
    assert reviews.judge(RUN, [1, 2], "clean", "Ada", overwrite=False) == {2: None}
    assert said() == {("Ada", 1): "poisoned", ("Ada", 2): "clean"}


def test_what_was_judged_anew_since_stays() -> None:
    before = reviews.judge(RUN, [1, 2], "clean", "Ada")
    reviews.judge(RUN, [2], "poisoned", "Ada")  # in another window
    assert reviews.restore(RUN, before, "clean", "Ada") == [1]
    assert said() == {("Ada", 2): "poisoned"}
    assert reviews.verdicts(RUN, " Ada ") == {2: "poisoned"}


def test_a_cleared_verdict_comes_back_and_its_note_never_went() -> None:
    reviews.judge(RUN, [5], "unsure", "Ada")
    reviews.annotate(RUN, 5, "blurred", "Ada")
    before = reviews.judge(RUN, [5], None, "Ada")
    reviews.restore(RUN, before, None, "Ada")
    (kept,) = reviews.of(RUN)
    assert (kept.verdict, kept.note) == ("unsure", "blurred")


# --- agreement -------------------------------------------------------------------------------------------


def judged(*verdicts: str | None, reviewer: str = "Ada") -> list[reviews.Review]:
    return [reviews.Review(image, reviewer, verdict, "", 0.0) for image, verdict in enumerate(verdicts)]


def test_agreement_with_the_truth() -> None:
    given = judged("poisoned", "poisoned", "clean", "clean", "unsure", None)
    found = reviews.with_truth(given, np.array([True, False, False, True, True, True]))
    assert found.counts == {
        "poisoned": {"poisoned": 1, "benign": 1},
        "clean": {"poisoned": 1, "benign": 1},
        "unsure": {"poisoned": 1, "benign": 0},
    }
    assert (found.compared, found.share, found.kappa) == (4, 0.5, 0.0)


def test_full_agreement_has_kappa_1_and_one_sided_verdicts_have_none() -> None:
    truth = np.array([True, False, True])
    assert reviews.with_truth(judged("poisoned", "clean", "poisoned"), truth).kappa == 1
    one_sided = reviews.with_truth(judged("poisoned", None, "poisoned"), truth)
    assert (one_sided.share, one_sided.kappa) == (1.0, None)
    nothing = reviews.with_truth(judged("unsure"), truth)
    assert (nothing.compared, nothing.share, nothing.kappa) == (0, None, None)


def test_images_that_the_run_does_not_have_are_passed_over() -> None:
    found = reviews.with_truth(judged("poisoned", "poisoned", "clean"), np.array([True]))
    assert found.compared == 1


def test_agreement_between_reviewers_is_over_what_both_judged() -> None:
    first = judged("poisoned", "poisoned", "clean", "unsure", "clean")
    second = judged("poisoned", "clean", "clean", "clean", None, reviewer="Bo")
    both = reviews.between(first, second)
    assert both.counts["unsure"] == {"poisoned": 0, "clean": 1, "unsure": 0}
    assert (both.compared, both.share) == (3, pytest.approx(2 / 3))
    assert both.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    assert reviews.between(second, first).kappa == pytest.approx(both.kappa)
