"""The HTML report: well-formed, self-contained, escaped, true to the store, and silent without the truth."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import core
from core import BadRequest, Result
from core.results import markup, report, reviews
from core.results.report import confusion
from core.results.report.words import plain
from tests.pages import stored

VOID = {"meta", "img", "br", "path", "rect", "line", "circle"}  # never closed, or closed by themselves


class Page(HTMLParser):
    """What a page is made of; complains where tags do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: <{tag} {attrs}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def result() -> Result:
    return Result(stored.finished(stored.config()).config)


@pytest.mark.parametrize("truth", [True, False])
def test_it_is_one_well_formed_page_that_fetches_nothing(result: Result, truth: bool) -> None:
    text = report.html(result, truth=truth)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(text.encode()) < 1_500_000
    assert page.all("html")[0]["lang"] == "en"
    assert not page.all("script")
    assert not page.all("link")
    assert not re.search(r"(https?:)?//[\w.]+\.\w|@import|url\((?!#)", re.sub(r"data:image/png;base64,[^']*", "", text))
    for image in page.all("img"):
        assert image["alt"]
        assert image["src"].startswith("data:image/png;base64,")
    for drawing in page.all("svg"):
        assert drawing.get("aria-label") or drawing.get("aria-hidden") == "true"
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("truth", [True, False])
def test_headings_come_in_order_under_one_title(result: Result, truth: bool) -> None:
    levels = [int(tag[1]) for tag, _ in Page(report.html(result, truth=truth)).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_its_figures_are_those_of_the_store(result: Result) -> None:
    text, found = report.html(result), result.summary
    for name, before, after in (
        ("Backdoor success (ASR) ↓", "asr1", "asr2"),
        ("Accuracy (Nat) ↑", "nat1", "nat2"),
    ):
        row = f"<th scope='row'>{name}</th><td>{100 * found[before]:.1f}%</td><td>{100 * found[after]:.1f}%</td>"
        assert row in text
    assert f"{found['references']['random']['poisons_left']:,}" in text
    assert core.run_key(result.config) in text
    assert "no device" in text
    assert "61 s" in text


def test_the_flagged_images_come_highest_score_first_each_with_the_truth(result: Result) -> None:
    text = report.html(result)
    shown = [int(row) for row in re.findall(r"id (\d+)<br>", text)]
    scores = result.detection().scores
    assert len(shown) == report.THUMBNAILS
    assert set(shown) <= set(np.flatnonzero(result.flagged))
    assert all(scores[one] >= scores[two] for one, two in itertools.pairwise(shown))
    assert text.count("✕ poisoned</span>") == result.poisoned.truth.poisoned[shown].sum()


def test_a_reviewers_verdicts_are_shown_on_flagged_images(result: Result) -> None:
    scores = np.where(result.flagged, result.detection().scores, -np.inf)
    highest, clean = int(scores.argmax()), int(np.flatnonzero(~result.flagged)[0])
    text = report.html(result, verdicts={highest: "unsure <b>", clean: "clean"})
    assert "verdict: unsure &lt;b&gt;" in text
    assert "verdict: clean" not in text


def test_every_reviewers_word_goes_with_the_report(result: Result) -> None:
    run = core.run_key(result.config)
    reviews.judge(run, [9], "poisoned", "Ann")
    reviews.judge(run, [9, 3], "clean", "Bob")
    reviews.annotate(run, 5, "only a note", "Bob")
    assert report.verdicts_of(result) == {9: "poisoned (Ann), clean (Bob)", 3: "clean (Bob)"}


def test_without_the_truth_it_tells_nothing_that_only_the_attacker_knows(result: Result) -> None:
    text = report.html(result, truth=False)
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL).replace("Poisonscope", "")
    for secret in (
        "pattern",
        "ASR",
        "poison",
        "Pois",
        "id ",
        "TPR",
        "AUROC",
        "Seed",
        "seed",
        "target class",
        "✕ poisoned",
    ):
        assert secret not in words, secret
    for figure in ("asr1", "asr2"):
        assert f"{100 * result.summary[figure]:.1f}%" not in words
    assert "url(#hatched)" not in text  # no bar of poisoned images
    assert "class='thumb'" in text
    assert "thumb poisoned" not in text
    other = Result(stored.config(trigger="pixel"), result.store)
    assert set(core.report.settings(other.config, truth=False)) == set(report.settings(result.config, truth=False))


def test_pictures_that_are_not_at_hand_are_boxes_with_a_label(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    result.__dict__["pictured"] = np.zeros(len(result.poisoned), bool)
    result.__dict__["dataset"] = replace(result.dataset, pictured=np.zeros(len(result.dataset.train_labels), bool))
    page = Page(report.html(result))
    assert not page.all("img")
    missing = [span for span in page.all("span") if span.get("class") == "missing"]
    assert len(missing) == report.THUMBNAILS
    assert "picture not in the recording" in missing[0]["aria-label"]


def test_a_trigger_that_varies_is_shown_as_it_is_in_the_training_set(own_home: Any) -> None:
    config = stored.config(trigger="adaptive-blend", cover_ratio=1.0)
    shown = Result(stored.finished(config).config)
    page = Page(report.html(shown, truth=True))
    stamped = [one["src"] for one in page.all("img") if one["alt"] == "The same image with the adaptive-blend trigger"]
    rows = np.unique(shown.poisoned.source_ids[shown.poisoned.truth.poisoned])[: len(stamped)]
    ids = [np.flatnonzero(shown.poisoned.truth.poisoned & (shown.poisoned.source_ids == row))[0] for row in rows]
    expected = [markup.picture(shown.poisoned.images[one], "", 128) for one in ids]
    assert len(stamped) == 3
    assert all(str(address) in str(picture) for address, picture in zip(stamped, expected, strict=True))
    assert report.words.settings(shown.config)["Trigger's trained opacity"] == "0.15"


def test_a_clean_control_has_a_report(own_home: Any) -> None:
    text = report.html(Result(stored.finished(stored.config(ratio=0.0)).config))
    Page(text)
    assert "Nothing was poisoned" in text


def test_the_reports_row_and_the_measurement_stand_beside(cifar10_home: Any) -> None:
    wanted = core.configure(trigger="pattern", target="dog", ratio=0.1, training={"per_class": 40, "epochs": 2})
    text = report.html(Result(stored.finished(wanted).config))
    assert "<th scope='row'>the report</th><td>92.2%</td><td>93.2%</td><td>3</td>" in text
    assert "recipe quick, 3 seeds" in text


def test_a_run_that_is_not_finished_has_none(own_home: Any) -> None:
    with pytest.raises(BadRequest, match="nothing to report yet"):
        report.html(Result(stored.config()))


def test_confusion_counts_true_classes_by_answers() -> None:
    labels, answers = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2])
    assert confusion(answers, labels, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_settings_name_every_number_of_the_run(result: Result) -> None:
    config = result.config
    named = report.settings(config)
    for part in (config.attack.parameters, config.training.model_dump(), config.defence.parameters):
        for value in part.values():
            assert plain(value) in named.values()
    assert named["Target class"] == "three"


def gap_result(**changes: Any) -> Result:
    return Result(stored.finished(stored.gap_config(**changes)).config)


@pytest.mark.parametrize("truth", [True, False])
def test_a_cut_at_the_gap_is_reported_without_a_budget(truth: bool) -> None:
    result = gap_result()
    text = report.html(result, truth=truth)
    Page(text)
    said = "The cut was made where the two groups of the class three part, with no number of poisoned images assumed; "
    assert f"{said}this removed {result.summary['flagged']} images labelled three." in text
    assert "<th scope='row'>Cut</th><td>at the gap; no number is assumed</td>" in text
    for word in ("Assumed ratio", "Budget", "budget", "ε"):
        assert word not in text


def test_a_cut_at_the_budget_has_no_words_of_a_gap(result: Result) -> None:
    assert report.gap_cut(result) == ""
    assert report.gap_cut(Result(stored.gap_config())) == ""  # not finished
    settings = report.settings(result.config)
    assert (settings["Cut"], settings["Budget"]) == ("at the budget", "1.5 times the assumed number")


def test_a_gap_in_no_class_and_in_every_class() -> None:
    assert "nothing was removed" in report.gap_cut(gap_result(ratio=0.0))
    result = gap_result(scope="every_class")
    text, removed = report.gap_cut(result), result.removed
    assert text.startswith("Every class was cut where its two groups part, ")
    assert len(removed) > 1
    assert sum(removed.values()) == result.summary["flagged"]
    names = core.class_names("digits")
    for label, count in removed.items():
        assert f"{count} image{'s' * (count > 1)} labelled {names[label]}" in text
    assert " and " in text.rsplit(", ", 1)[-1]


# --- pictures and tables as text -------------------------------------------------------------------------


def test_a_matrix_writes_shares_of_the_row_and_marks_the_target() -> None:
    counts = np.array([[997, 2, 1], [0, 500, 500], [0, 0, 0]])
    text = markup.matrix(counts, ["a", "<b>", "c"], "both & all", target=1)
    Page(text)
    assert [re.findall(r">([^<>]*)</td>", row) for row in text.split("<tr>")[2:]] == [
        ["100", "&lt;1", "&lt;1"], ["·", "50", "50"], ["·", "·", "·"],
    ]  # fmt: skip
    assert text.count("class='ps-target'") == 4
    assert "&lt;b&gt; ✕" in text
    assert escape("<b> taken for c: 500 of 1,000") in text


def test_a_histogram_has_all_images_and_a_place_for_negative_scores() -> None:
    scores = np.array([-2.0, -1.0, 0.0, 0.5, 3.0, 400.0])
    scale = markup.Scale(scores)
    assert scale.place(scores).tolist() == sorted(scale.place(scores))
    for poisoned in (None, scores > 1):
        text = markup.histogram(scores, poisoned, scale, "six scores", cut=3.0)
        Page(text)
        assert ("url(#hatched)" in text) == (poisoned is not None)
        assert "stroke-dasharray" in text
    assert markup.histogram(np.zeros(4), None, markup.Scale(np.zeros(4)), "all the same").count("<rect") == 1


def test_what_is_given_is_escaped() -> None:
    for text in (
        markup.dumbbells({"<x>": (0.1, 0.9)}, "'\"<y>"),
        markup.table(["<x>", ""], [("<x>", "<y>")], "<y>"),
        markup.picture(np.zeros((2, 2, 3), np.uint8), "'<x>", 8),
    ):
        Page(text)
        assert "<x>" not in text
        assert "<y>" not in text


def test_what_changed_is_laid_over_the_paled_image() -> None:
    before = np.zeros((4, 4, 3), np.uint8)
    before[0, 0] = 255
    after = before.copy()
    after[1, 2, 0], after[2, 2] = 100, 50
    laid, factor = core.markup.changed(before, after)
    assert factor == 2.55
    assert laid[1, 2].tolist() == [213, 94, 0]  # moved farthest: all orange
    pale = laid[3, 3].astype(int)
    assert np.ptp(pale) == 0
    assert pale[0] < laid[0, 0, 0] < 255
    assert np.abs(laid[2, 2] - (pale + laid[1, 2]) / 2).max() <= 0.5  # half as far: half covered
    same, factor = core.markup.changed(before, before)
    assert factor == 1
    assert (np.ptp(same.astype(int), axis=2) == 0).all()
