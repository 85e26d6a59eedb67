"""The Audit screen asks a network of the visitor's own: by its path, with what a file leaves to be chosen."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import audits
from core.audits import Audit, Witness
from core.types import BadRequest
from pages.parts.audit import bring, kept, mine
from pages.parts.audit.kept import Mine, Wish
from tests.audits import graphs
from tests.audits.made import laid_out, picture
from tests.hostile import Page
from tests.pages.conftest import Open

NOTHING, IDS = np.zeros((4, 1), np.float32), np.arange(4)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of four, and all that may be audited beside it."""
    monkeypatch.setenv("POISONSCOPE_AUDIT_ROOTS", str(tmp_path))
    return laid_out(tmp_path / "set", {f"{name}/{at}.png": picture(at) for name in "ab" for at in (1, 2)})


@pytest.fixture
def screen(open_screen: Open, pictures: Path) -> Callable[[], AppTest]:
    """The screen with the set looked at."""

    def opened() -> AppTest:
        app = open_screen("audit")
        app.text_input(key=bring.PATH).set_value(str(pictures)).run()
        assert not app.exception, app.exception
        return app

    return opened


def said(app: AppTest) -> str:
    return "\n".join(" ".join(Page(one.proto.body).texts) for one in app.get("html"))


def fields(app: AppTest) -> list[str]:
    return [one.key for one in app.text_input if one.key in (mine.PATH, mine.ARCHITECTURE, mine.OUTPUT)]


def witness(*brought: str | None, trained: bool = False) -> Witness:
    attributions = NOTHING if trained else None
    return Witness(
        "the network",
        IDS,
        NOTHING,
        attributions,
        IDS % 2,
        IDS % 2,
        (8, 8),
        0.0,
        lambda images: NOTHING,
        brought=brought,
    )


def test_it_asks_for_what_the_kind_of_file_leaves_open(screen: Callable[[], AppTest]) -> None:
    app = screen()
    assert [one.label for one in app.expander] == ["My own network"]
    assert fields(app) == [mine.PATH]
    app.text_input(key=mine.PATH).set_value("a.onnx").run()
    assert fields(app) == [mine.PATH, mine.OUTPUT]
    app.text_input(key=mine.PATH).set_value("a.SAFETENSORS").run()
    assert fields(app) == [mine.PATH, mine.ARCHITECTURE]


def test_nothing_is_asked_for_where_no_path_may_be_named(
    open_screen: Open, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISONSCOPE_AUDIT_ROOTS", "")
    assert not open_screen("audit", audit_from="Here already").expander


def test_the_network_is_asked_and_said_and_another_output_is_another_wish(
    screen: Callable[[], AppTest], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    found = core.audit(pictures)

    def audit(*_: object, tell: object, planting: bool, **settings: Any) -> Audit:
        asked.append(settings)
        return replace(found, network=witness(*settings.values()))

    monkeypatch.setattr(core, "audit", audit)
    app = screen()
    app.text_input(key=mine.PATH).set_value(str(tmp_path / "deep" / ".." / "a.onnx")).run()
    app.button(key="audit now").click().run()
    assert not app.exception, app.exception
    network = os.path.realpath(tmp_path / "a.onnx")
    assert asked == [{"network": network, "architecture": "resnet18", "output": None}]
    assert "The network: it answers 100% of the images with their label" in said(app)
    assert app.button(key="audit now").disabled
    app.text_input(key=mine.OUTPUT).set_value(" logits ").run()
    assert not app.button(key="audit now").disabled
    app.button(key="audit now").click().run()
    assert asked[1:] == [{"network": network, "architecture": "resnet18", "output": "logits"}]
    app.switch_page("pages/how.py").run()
    app.switch_page("pages/audit.py").run()
    assert app.text_input(key=mine.OUTPUT).value == " logits "
    assert app.button(key="audit now").disabled


def test_what_cannot_be_asked_is_one_sentence(screen: Callable[[], AppTest], tmp_path: Path) -> None:
    four = graphs.saved(tmp_path / "four.onnx", shape=("n", 4, 8, 8))
    for path, words in (
        (tmp_path.parent / "a.onnx", "must lie below"),
        (tmp_path / "none.onnx", "there is no such file"),
        (four, "must take images of 3 channels, or 1"),
    ):
        app = screen()
        app.text_input(key=mine.PATH).set_value(str(path)).run()
        app.button(key="audit now").click().run()
        assert not app.exception, app.exception
        assert words in said(app)


def test_a_wish_knows_what_an_audit_has_done(pictures: Path, tmp_path: Path) -> None:
    bare = core.audit(pictures)
    own = Mine(str(tmp_path / "a.onnx"), "resnet18", None)
    path = str(audits.allowed(str(tmp_path / "a.onnx")))
    asked = replace(bare, network=witness(path, "resnet18", None))
    trained = replace(bare, network=witness(trained=True))
    train, ask = Wish(False, True), Wish(False, True, own)
    assert [train.without(one) for one in (None, bare, asked, trained)] == [True, True, True, False]
    assert [ask.without(one) for one in (None, bare, asked, trained)] == [True, True, False, True]
    assert Wish(False, False, own._replace(architecture="vit_b_16")).without(asked)
    assert not Wish(False, False).without(asked)
    elsewhere = Wish(False, False, own._replace(path="\0"))
    assert elsewhere.without(asked)
    with pytest.raises(BadRequest, match="must lie below"):
        _ = elsewhere.settings
    assert kept.Wish(True, True).settings == {"planting": True, "network": "train"}
