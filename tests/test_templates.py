"""HTML comes from templates that escape what they are given: every one of them is drawn with hostile names."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import jinja2
import numpy as np
import pytest
from markupsafe import Markup

import core
from core import Result
from core.configuration import DATASETS, DETECTORS
from core.results import Filters, Layer, Review, markup, report, templates
from pages.parts.around import pixels
from pages.parts.around.templates import render
from pages.parts.common import asked, filters
from pages.parts.compare import before_after
from pages.parts.flagged import detail
from pages.parts.form import preview
from pages.parts.how import flow
from pages.parts.scores import budget, ranking
from pages.parts.sensitivity import multiples
from pages.parts.stage import contrast, live, told
from pages.parts.story import pictures
from pages.parts.try_it import answers
from tests.hostile import EVIL, check, evil
from tests.pages import stored

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "core" / "results", ROOT / "pages" / "parts")
TEMPLATES = {str(path.relative_to(folder)): path for folder in FOLDERS for path in folder.rglob("*.jinja")}

PIXELS = np.zeros((4, 4, 3), np.uint8)
COUNTS = np.array([[3, 1], [0, 4]])
SCORES = np.array([0.1, 0.4, 0.7, 5.0])
NETWORK = asked.POISONED._replace(title=EVIL, mark=EVIL)
CURVES = core.metrics.curves(SCORES > 0.5, SCORES)
STEP = flow.Step(EVIL, EVIL, EVIL, EVIL, EVIL)
FILTERS = Filters(np.zeros((2, 3, 3, 3)), np.array([1.0, 9.0]), np.array([0.1, 0.1]), np.array([0.0, 99.0]))
LAYERS = [Layer("penultimate", np.array([0.0, 50.0]))]
FIGURES = [detail.figure(PIXELS, EVIL, EVIL), dict(address="", caption=EVIL, alt=EVIL)]
ANSWERS = [detail.Answers(EVIL, np.array([0.9, 0.1]), "#000"), detail.Answers(EVIL, np.array([0.2, 0.8]), "#000")]
ANSWER = dict(kind="ps-right", mark="● ", name=EVIL, share=EVIL, width=50.0)
SHOWN = [dict(address="data:,", alt=EVIL, caption=EVIL, kind=kind) for kind in ("", "p")]
POINT = multiples.Point(0.5, 0.5, 0.2, 0.8, EVIL, EVIL, holds=False, own=True)
PANEL = multiples.Panel(EVIL, EVIL, [(True, EVIL), (False, EVIL)], [POINT], 0.1, [(EVIL, 0.5)], [(EVIL, 1.0)], EVIL,
                        0.3, EVIL, source=EVIL)  # fmt: skip
FIGURES_OF_PROOF = [dict(address="data:,", alt=EVIL, caption=EVIL)]

# What draws a template that takes words, by hand: each is given nothing but hostile ones.
DRAWN: dict[str, Callable[[], str]] = {
    "a run's line": lambda: render("around/header.html.jinja", name=EVIL, facts=EVIL, blind=True),
    "runs beside each other": lambda: render("compare/runs.html.jinja", runs=[("A", EVIL), ("B", EVIL)]),
    "what others said": lambda: render(
        "flagged/said.html.jinja", reviews=[Review(7, EVIL, None, EVIL, 0.0), Review(7, EVIL, "clean", "", 0.0)]
    ),
    "what stays": lambda: render("flagged/staying.html.jinja", figures=[(EVIL, EVIL)], sentence=EVIL),
    "a table": lambda: markup.table(["", EVIL], [(EVIL, EVIL)], EVIL),
    "a rebuilt trigger": lambda: render("common/proof.html.jinja", pictures=FIGURES_OF_PROOF),
    "a rebuilt trigger in a report": lambda: templates.render(
        "report/proof.html.jinja", said=EVIL, caption=EVIL, pictures=[markup.picture(PIXELS, EVIL, 8)]
    ),
    "a matrix": lambda: markup.matrix(COUNTS, [evil(1), evil(2)], EVIL, 1),
    "dumbbells": lambda: markup.dumbbells({EVIL: (0.1, 0.9)}, EVIL, {EVIL: 0.5}),
    "a histogram": lambda: markup.histogram(SCORES, SCORES > 1, markup.Scale(SCORES), EVIL, 3.0),
    "a picture": lambda: markup.picture(PIXELS, EVIL, 8),
    "the flow": lambda: flow.chart([("attack", EVIL, [STEP])], EVIL),
    "words in a table": lambda: flow.table(EVIL, [EVIL, EVIL], [(EVIL, EVIL, EVIL)]),
    "glossary": lambda: render("around/glossary.html.jinja", entries=[(EVIL, EVIL)]),
    "the figures of a cut": lambda: render(
        "scores/decision.html.jinja", heroes=[(EVIL, EVIL, EVIL, EVIL)], beside=[(EVIL, EVIL, EVIL)]
    ),
    "ROC": lambda: ranking.roc(CURVES, 1, 2, 2, 4, EVIL),
    "precision and recall": lambda: ranking.precision_recall(CURVES, 1, 2, 2, 4, EVIL),
    "a mark": lambda: budget.mark(3, 10, EVIL),
    "the Story's histogram": lambda: render(
        "story/histogram.html.jinja",
        top=3,
        says=EVIL,
        bars=[("b", 1.0, 9.0)],
        width=2.0,
        cut=50.0,
        ticks=[(0.0, EVIL), (99.0, EVIL)],
        scale=EVIL,
        poisoned=True,
    ),
    "filters": lambda: filters.excited(NETWORK, FILTERS, 1, 9.0),
    "a pair": lambda: filters.pair(np.stack([PIXELS, PIXELS]), np.ones((2, 4, 4)), 1.0, EVIL),
    "a path": lambda: filters.path({NETWORK: LAYERS}),
    "a large picture": lambda: answers.large(PIXELS, EVIL, EVIL),
    "answers": lambda: answers.bars(NETWORK, np.full(9, 1 / 9), [evil(label) for label in range(9)], 1, 2),
    "a matrix on the screen": lambda: render(
        "compare/confusion.html.jinja", style=markup.MATRIX_STYLE, matrix=markup.matrix(COUNTS, [EVIL, EVIL], EVIL)
    ),
    "a small multiple": lambda: multiples.markup(PANEL),
    "a small multiple of names": lambda: multiples.markup(PANEL._replace(rows=True)),
    "the report at a glance": lambda: render("tables/glance.html.jinja", figures=[(EVIL, EVIL)]),
    "the stamped image": lambda: render(
        "form/preview.html.jinja", figures=[preview._figure(PIXELS, EVIL, EVIL, EVIL)], sheets=False
    ),
    "an image in detail": lambda: render(
        "flagged/detail.html.jinja",
        heading=EVIL,
        facts=[(EVIL, EVIL), (EVIL, ""), ("", EVIL)],
        reasons=[(EVIL, EVIL, EVIL), (EVIL, "", EVIL)],
        figures=FIGURES,
        label=EVIL,
        answers=ANSWERS,
        rows=[(EVIL, [(9.0, "#000", EVIL)])],
        trouble=EVIL,
        near=FIGURES,
    ),
    "an audit's card": lambda: render(
        "audit/card.html.jinja",
        cause=EVIL,
        title=EVIL,
        meaning=EVIL,
        sentence=EVIL,
        p=EVIL,
        shared=FIGURES_OF_PROOF,
        described=EVIL,
        folded=True,
        summary=EVIL,
        thumbnails=[dict(address="data:,", name=EVIL, whole=EVIL)],
    ),
    "a picture of the Story": lambda: pictures.image(PIXELS, EVIL),
    "a network's answers in the Story": lambda: render(
        "story/answers.html.jinja",
        asked=[dict(address="data:,", alt=EVIL, how=EVIL, answers=[ANSWER])],
        captions=True,
    ),
    "images on a slide": lambda: render("stage/images.html.jinja", images=SHOWN),
    "bars on a slide": lambda: render(
        "stage/bars.html.jinja",
        groups=[dict(name=EVIL, kind=kind, known=0.5, bars=[(EVIL, 0.5)]) for kind in "pb"],
        share=str,
    ),
    "two defences on a slide": lambda: render(
        "stage/contrast.html.jinja", sides=[contrast.Side(EVIL, EVIL, 9, 3, 0.9, 0.1)], share=str
    ),
    "the picture that moves": lambda: render(
        "stage/cloud.html.jinja",
        marks=[("pd", "--x:1.0")],
        images="data:,",
        plane=True,
        every=2,
        steps=[EVIL],
        poisoned=True,
        cut=50.0,
        ticks=[(0.0, EVIL), (99.0, EVIL)],
        scale=EVIL,
        says=EVIL,
        axis=EVIL,
    ),
    "slides": lambda: render("stage/slide.html.jinja", slides=[told.Slide(EVIL, EVIL, EVIL, EVIL, EVIL, (EVIL,))]),
    "the live slide": lambda: render(
        "stage/live.html.jinja",
        number=8,
        name=EVIL,
        claim=EVIL,
        rail=[("now", "▶", EVIL, EVIL)],
        picture=EVIL,
        figures=[(EVIL, EVIL, EVIL)],
        wait=EVIL,
        button=live.Button("start", EVIL, EVIL),
    ),
    "the speaker's notes": lambda: render("stage/notes.html.jinja", slides=[(EVIL, EVIL, (EVIL,)), (EVIL, EVIL, ())]),
    "what a training noted": lambda: render("common/noted.html.jinja", notes=[EVIL]),
    "what an audit read": lambda: render("audit/listed.html.jinja", sentences=[EVIL]),
    "an image of an audit in detail": lambda: render(
        "audit/original.html.jinja",
        pictures=[dict(address="data:,", alt=EVIL, caption=EVIL, sharp=True)],
        facts=[EVIL],
    ),
    "an audit's notice": lambda: render("audit/notice.html.jinja", sentence=EVIL, kind="wrong"),
    "an audit's report": lambda: templates.render(
        "report/audit.html.jinja",
        title=EVIL,
        verdict=EVIL,
        brought=[EVIL],
        control=[EVIL],
        notes=[EVIL],
        findings=[
            dict(
                cause=EVIL,
                meaning=EVIL,
                sentence=EVIL,
                p=EVIL,
                trigger=markup.picture(PIXELS, EVIL, 8),
                pictures=[(markup.picture(PIXELS, EVIL, 8), EVIL)],
                more=3,
            )
        ],
    ),
}
# These are given numbers, colours and pictures only.
WORDLESS: dict[str, Callable[[], str]] = {
    "hatching": lambda: templates.render("markup/patterns.html.jinja", colours={"poisoned": "#000"}),
    "the sketch": flow.sketch,
    "cards of triggers": lambda: render("form/trigger_picker.html.jinja", side=8, pictures=[pixels.png(PIXELS)]),
    "figures": lambda: before_after.figures(
        dict.fromkeys(
            ("flagged", "poisons", "poisons_left", "clean_removed", "tpr", "fpr", "auroc", "average_precision"), 1
        )
    ),
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Result:
    """A finished run on a data set with hostile class names, by a detector with a hostile name and summary."""
    monkeypatch.setitem(DATASETS["digits"].facts, "class_names", tuple(evil(label) for label in range(10)))
    known = DETECTORS["spectral"]
    monkeypatch.setitem(DETECTORS._entries, EVIL, known.__class__(**{**vars(known), "summary": EVIL}))
    return Result(stored.finished(stored.config(target=evil(3), detector=EVIL)).config)


@pytest.mark.parametrize("name", DRAWN)
def test_a_hostile_name_is_a_text_or_a_value_and_no_markup(name: str) -> None:
    assert check(DRAWN[name]()).says(EVIL)


@pytest.mark.parametrize("truth", [True, False])
def test_a_report_with_hostile_names(hostile: Result, truth: bool) -> None:
    flagged = np.flatnonzero(hostile.flagged)
    page = check(report.html(hostile, truth=truth, verdicts=dict.fromkeys(flagged.tolist(), f"clean ({EVIL})")))
    for label in range(10):
        assert page.says(evil(label)), "a class"
    assert page.says(f"({EVIL})"), "a reviewer and the detector's summary"
    assert EVIL in page.texts, "the detector"


def test_no_template_is_left_out(hostile: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: set[str] = set()
    known = jinja2.Environment.get_template

    def get_template(self: jinja2.Environment, name: str, *rest: object) -> jinja2.Template:
        asked_for.add(name)
        return known(self, name, *rest)

    monkeypatch.setattr(jinja2.Environment, "get_template", get_template)
    for draw in (DRAWN | WORDLESS).values():
        check(draw())
    report.html(hostile)
    published = dict(trigger="pattern", target="dog", ratio=0.1, training={"per_class": 40, "epochs": 2})
    assert report.figures.published(core.configure(**published), hostile.summary)
    assert TEMPLATES.keys() - asked_for == set()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_never_turns_escaping_off_and_quotes_its_attributes(name: str) -> None:
    text = re.sub(r"{#.*?#}", "", TEMPLATES[name].read_text("utf-8"), flags=re.DOTALL)
    assert not re.search(r"\|\s*safe\b|autoescape|Markup|<script|\son\w+\s*=", text)
    tags = re.sub(r"{%.*?%}", "", text)
    assert not re.search(r"=\s*{{", re.sub(r"{{.*?}}", "{{}}", tags)), "a value without quotes"
    assert not re.search(r'="', re.sub(r"{{.*?}}", "", tags)), "quoted by the other quotes than all others"


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="caption"):
        templates.render("markup/table.html.jinja", heads=[], rows=[])


def test_markup_joined_to_a_plain_string_is_no_plain_string() -> None:
    """What a page builds with + is escaped, which is seen, instead of trusted, which is not."""
    drawn = markup.table([], [], "")
    assert isinstance(drawn, Markup)
    assert str("<style>" + drawn) == f"&lt;style&gt;{drawn}"


# These still write their markup by hand, each text through html.escape.
BY_HAND = {"story/steps.py", "tables/report_table.py", "tables/report_seeds.py", "tables/report_words.py"}
TAG = re.compile(r"</?(?!(?:b|br|extra)>)[a-z]+[1-6]?[ >]")  # those three are plotly's, in its labels
MODULES = [path for folder in (ROOT / "core", ROOT / "pages") for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_markup_is_written_in_templates(path: Path) -> None:
    if str(path).endswith(tuple(BY_HAND)):
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            fixed = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
            assert not TAG.search(fixed), f"line {node.lineno}: HTML around values: a template's"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Markup" and node.args:
            assert path.name == "templates.py", f"line {node.lineno}: only a template makes markup of text"
