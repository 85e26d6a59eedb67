"""The How it works screen: every question has its answer, every box leads to a screen, figures are the run's."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from streamlit.testing.v1 import AppTest

import core
from core import Job, Result
from pages.parts.around import glossary, shell, words
from pages.parts.how import explained


def text(app: AppTest) -> str:
    """All that the main part shows, styles left out."""
    found = "\n".join(str(element.proto) for element in app.main if hasattr(element, "proto"))
    return re.sub(r"<style>.*?</style>", "", found, flags=re.DOTALL)


def boxes(app: AppTest) -> list[str]:
    """Where the chart's boxes lead."""
    charts = [element.proto.body for element in app.get("html") if "class='flow'" in element.proto.body]
    assert len(charts) == 1
    return re.findall(r"class='flow-box' href='([^']*)'", charts[0])


def test_every_box_leads_to_a_screen_and_keeps_the_run(finished_job: Job, open_screen) -> None:
    app = open_screen("how", run=finished_job.key)
    assert not app.exception
    known = {path.removeprefix("pages/").removesuffix(".py") for path, *_ in shell.SCREENS}
    addresses = [urlsplit(address.replace("&amp;", "&")) for address in boxes(app)]
    assert len(addresses) == 10
    assert {address.path for address in addresses} - {"./"} <= known
    for address in addresses:
        (run,) = parse_qs(address.query)["run"]
        assert finished_job.key.startswith(run)


def test_every_listed_question_has_a_heading_of_its_own(finished_job: Job, open_screen) -> None:
    app = open_screen("how", run=finished_job.key)
    listed = [link for markdown in app.markdown for link in re.findall(r"\]\(#([\w-]+)\)", markdown.value)]
    headings = [heading.proto.anchor for heading in (*app.header, *app.subheader)]
    assert len(listed) == len(set(listed)) == 17
    assert set(listed) <= set(headings)


def test_what_the_audience_asked_is_answered_without_a_run(open_screen, own_home) -> None:
    shown = text(open_screen("how")).replace("\\'", "'")
    asked = ["SVD", "outlier", "BadNet", "adversarial", "Cross-entropy", "augmentation", "ratio", "machine learning"]
    named = [name for name, _ in glossary.TERMS] + [title for _, title, _ in explained.SOURCES]
    missing = [word for word in (*asked, *named, *core.DETECTORS) if word not in shown]
    assert not missing


def test_figures_are_the_runs_own(finished_job: Job, open_screen) -> None:
    found = Result(finished_job.config).summary
    shown = text(open_screen("how", run=finished_job.key))
    assert f"Backdoor success before (ASR1) {words.share(found['asr1'])}" in shown
    assert f"Backdoor success after (ASR2) {words.share(found['asr2'])}" in shown
    assert f"Accuracy after (Nat2) {words.share(found['nat2'])}" in shown
    assert f"{found['flagged']:,} removed, {found['poisons_left']:,} of {found['poisons']:,} poisoned left" in shown
    assert words.share(found["of_poisoned_target"]) in shown
    assert words.share(found["of_training_set"], 2) in shown


def test_blind_review_shows_no_figure_of_the_run(finished_job: Job, open_screen) -> None:
    seen = open_screen("how", run=finished_job.key)
    app = open_screen("how", run=finished_job.key, truth="0")
    assert not app.exception
    assert seen.dataframe
    assert not app.dataframe
    shown = text(app)
    for word in ("flow-figure", "This run", "In this run", words.heading(finished_job.config)):
        assert word in text(seen)
        assert word not in shown
    assert all("truth=0" in address for address in boxes(app))


def test_a_run_that_was_cut_at_the_gap_is_not_said_to_lose_so_many_epsilon(gap_job: Job, open_screen) -> None:
    app = open_screen("how", run=gap_job.key, budget="9")
    assert not app.exception
    (chart,) = [element.proto.body for element in app.get("html") if "class='flow'" in element.proto.body]
    assert "What lies beyond the gap of a class; no ε." in chart
    assert "1.5·ε" not in chart
    assert "The cut was made where the two groups of the class three part" in text(app)
    assert all("budget=9" in address for address in boxes(app))
