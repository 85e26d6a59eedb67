"""The Audit screen: a set is said before anything runs, audited when asked, kept, and taken away as core writes it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import core
from core import audits
from core.audits import Audit, Retrained
from core.audits.retraining import Tried
from pages.parts.audit import bring, cards, cleaning, kept, upload
from pages.parts.common import planted
from tests.audits import made
from tests.audits.made import EACH, STAMPED, in_class_folders, laid_out, picture, planted_photographs, zipped
from tests.hostile import EVIL, Page, check
from tests.pages.conftest import APP, Open

CATS = slice(EACH, EACH + STAMPED)  # those that bear the mark


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return planted_photographs()


@pytest.fixture(autouse=True)
def below(planted_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be audited."""
    monkeypatch.setenv("POISONSCOPE_AUDIT_ROOTS", os.pathsep.join(map(str, (planted_set, tmp_path))))


@pytest.fixture
def screen(open_screen: Open) -> Callable[..., AppTest]:
    def opened(**address: str) -> AppTest:
        app = open_screen("audit", **address)
        assert not app.exception, app.exception
        return app

    return opened


def looked(app: AppTest, path: object) -> AppTest:
    app.text_input(key=bring.PATH).set_value(str(path)).run()
    assert not app.exception, app.exception
    return app


def audited(app: AppTest) -> AppTest:
    app.button(key="audit now").click().run()
    assert not app.exception, app.exception
    return app


def pieces(app: AppTest) -> list[str]:
    """The screen's own HTML."""
    return [element.proto.body for element in app.get("html")]


def said(app: AppTest) -> str:
    """What its own HTML says, without tags."""
    return "\n".join(" ".join(Page(piece).texts) for piece in pieces(app) if "ps-" in piece)


def once(monkeypatch: pytest.MonkeyPatch, told: Audit) -> list[Path]:
    """In place of an audit what it would say; the paths that were asked for."""
    asked: list[Path] = []
    monkeypatch.setattr(core, "audit", lambda what, *_, **__: asked.append(what) or told)
    return asked


# --- bring, and what is said before anything runs --------------------------------------------------------


def test_a_path_is_said_before_anything_runs(screen, planted_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "audit", lambda *_, **__: pytest.fail("nothing was asked for"))
    app = looked(screen(), planted_set)
    listing = audits.recognise(planted_set)
    assert "Class folders: 392 images in 3 classes: bird (130), cat (130), dog (132)." in said(app)
    assert all(one in said(app) for one in listing.sentences)
    assert {one.label: one.value for one in app.metric} == {
        "Images": "392", "Classes": "3", "Class size": "130 to 132",
    }  # fmt: skip
    assert not app.button(key="audit now").disabled


def test_a_link_fills_the_form_and_starts_nothing(screen, planted_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "recognise", lambda path: pytest.fail("nothing was asked for"))
    app = screen(path=str(planted_set))
    assert app.text_input(key=bring.PATH).value == str(planted_set)
    assert not app.metric
    monkeypatch.undo()
    monkeypatch.setenv("POISONSCOPE_AUDIT_ROOTS", str(planted_set))
    next(button for button in app.button if button.label == "Look").click().run()
    assert app.metric[0].value == "392"


@pytest.mark.parametrize("there", [True, False])
def test_a_path_elsewhere_is_refused_in_the_same_words(screen, tmp_path: Path, planted_set, there: bool) -> None:
    outside = tmp_path.parent / f"{tmp_path.name} outside"
    if there:
        laid_out(outside, {"a/1.png": picture()})
    app = looked(screen(), outside)
    (notice,) = (piece for piece in pieces(app) if "role='alert'" in piece)
    assert "The path must lie below" in said(app)
    assert str(planted_set) in said(app)
    assert "outside" not in notice
    assert not [button for button in app.button if button.key == "audit now"]


def test_what_cannot_be_read_is_one_sentence(screen, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"PK\x03\x04 and no more")
    for path, words in ((damaged, "damaged.zip is damaged or cut short"), (tmp_path / "none", "No such file")):
        app = looked(screen(), path)
        assert words in said(app)
        assert not app.metric


# --- the audit -------------------------------------------------------------------------------------------


def test_a_planted_class_is_named_and_its_files_listed(screen, planted_set: Path, told: Audit) -> None:
    app = audited(looked(screen(), planted_set))
    assert told.verdict in said(app)
    assert "planted in class cat" in said(app)
    (card,) = (check(piece) for piece in pieces(app) if "ps-card ps-backdoor" in piece)
    assert card.says("backdoor · class cat")
    assert card.says("p = ")
    assert card.says("What the images share, on plain grey")
    assert all(card.says(f"cat/{row:04d}.png") for row in range(CATS.start, CATS.stop))
    assert [one for one in card.values if re.fullmatch(r"[a-z]+/\d+\.png", one)][::2] == [
        told.brought.names[row] for row in audits.chosen(told, told.findings[0].ids)
    ], "the most suspicious first"
    assert "dog/broken.png" in said(app)
    assert app.button(key="audit now").disabled


def test_what_was_found_is_kept_for_the_tab(screen, planted_set: Path, told: Audit, monkeypatch) -> None:
    asked = once(monkeypatch, told)
    app = audited(looked(screen(), planted_set))
    app.run()
    app.switch_page("pages/how.py").run()
    app.switch_page("pages/audit.py").run()
    assert app.text_input(key=bring.PATH).value == str(planted_set)
    assert told.verdict in said(app)
    assert len(asked) == 1
    os.utime(planted_set, ns=(1, 1))
    next(button for button in app.button if button.label == "Look").click().run()
    assert told.verdict not in said(app), "it may be another set by now"
    assert not app.button(key="audit now").disabled


def test_what_is_taken_away_is_what_core_writes(screen, planted_set: Path, told: Audit, tmp_path: Path) -> None:
    app = audited(looked(screen(), planted_set))
    own = app.session_state[kept.AUDITED].told
    assert [one.proto.label for one in app.get("download_button")] == [
        "Table of all images", "What to keep", "Report", "Table as Parquet", "Issues, as cleanlab has them",
        "Labels, as FiftyOne has them", "All as JSON",
    ]  # fmt: skip
    for path in audits.write(own, tmp_path / "out"):
        assert audits.FILES[path.name](own) == path.read_bytes()
    for name in ("audit.csv", "keep.txt"):
        assert audits.FILES[name](own) == audits.FILES[name](told)
    assert json.loads(audits.FILES["audit.json"](own)) == audits.document(own)


def test_the_positive_control_is_a_table(screen, photos: np.ndarray, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(core.control, "PLANTED", ("patch",))
    monkeypatch.setattr(core.control, "SHARES", (0.3,))
    laid_out(tmp_path / "photos", in_class_folders(photos[EACH:], made.PLANTED[1:]))
    app = audited(looked(screen(), tmp_path / "photos"))
    assert "trigger" not in {name for frame in app.dataframe for name in frame.value.columns}
    app.toggle(key="audit control").set_value(True).run()
    audited(app)
    rows = app.session_state[kept.AUDITED].told.control
    assert any(frame.value.equals(planted.reached(rows)) for frame in app.dataframe)


def test_digits_are_here_already(screen, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = audits.shipped.arrays("digits")
    some = np.flatnonzero(np.isin(labels, ["one", "two", "three"]))
    monkeypatch.setattr(audits.shipped, "arrays", lambda name: (images[some], labels[some]))
    app = screen(audit_from="Here already")
    app.selectbox(key=bring.SHIPPED).set_value("digits").run()
    assert "1,501 images in 10 classes" in said(app)
    audited(app)
    assert "Nothing planted was found" in said(app)


def test_an_upload_is_read_from_the_disk_and_nothing_stays_there(
    screen, photos: np.ndarray, told: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(upload.tempfile, "tempdir", str(spool))
    asked = once(monkeypatch, told)
    app = screen(audit_from="Upload")
    content = zipped(tmp_path / "photos.zip", in_class_folders(photos)).read_bytes()
    app.file_uploader(key=bring.FILE).set_value(("../my photos.zip", content, "application/zip")).run()
    assert not app.exception, app.exception
    assert "Zip of class folders: 390 images in 3 classes" in said(app)
    audited(app)
    assert [path.name for path in asked] == ["my photos.zip"]
    assert app.session_state[kept.AUDITED].told.brought.source == "my photos.zip"
    assert not list(spool.iterdir())


def test_of_an_upload_nothing_is_kept_that_nobody_can_ask_for_again(tmp_path: Path, own_home: Path) -> None:
    file = io.BytesIO(zipped(tmp_path / "photos.zip", made.CLASSES).read_bytes())
    file.name, file.size = "photos.zip", len(file.getvalue())
    found = upload.audit(file, kept.Wish(False, False), lambda done, of: None)
    assert len(found.brought) == 8
    assert (own_home / "store" / "scores").is_dir(), "what was said is found by the images themselves"
    assert not (own_home / "store" / "shelves").exists()


def test_the_server_takes_as_much_as_the_field_promises() -> None:
    settings = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text("utf-8"))
    assert settings["server"]["maxUploadSize"] == upload.LARGEST


def test_a_broken_upload_is_one_sentence_without_our_folders(screen) -> None:
    app = screen(audit_from="Upload")
    app.file_uploader(key=bring.FILE).set_value(("photos.zip", b"PK\x03\x04 and no more", "application/zip")).run()
    assert "Photos.zip is damaged or cut short" in said(app)


# --- names that anybody wrote ----------------------------------------------------------------------------

MARKDOWN = "**bold** [a](https://a.example) `b` www.a.example :red[c] $x$ # d"
HOSTILE = (EVIL.replace("/", "\u2215"), MARKDOWN.replace("/", "\u2215"), "control\x07 \x1b[31m\u202egnp")


def test_hostile_names_are_words(screen, photos: np.ndarray, tmp_path: Path) -> None:
    place = tmp_path / "set.npz"
    labels = np.array(HOSTILE)[np.arange(len(photos)) // EACH]
    np.savez(place, images=photos, labels=labels)
    app = audited(looked(screen(), place))
    assert audits.plain(MARKDOWN.replace("/", "\u2215")) in said(app), "the class that is named"
    for element in (*app.markdown, *app.caption, *app.warning, *app.error, *app.info):
        assert "alert(1)" not in element.value
        assert "bold" not in element.value
    for piece in pieces(app):
        page = Page(piece)
        assert not page.tags & {"script", "strong", "a", "code", "h1"}
        assert "x" not in page.values, "an attribute of the name's own"
        assert "\x07" not in piece
        assert "\x1b" not in piece
        assert "\u202e" not in piece


def test_a_hostile_file_name_is_a_text_of_its_picture(photos: np.ndarray) -> None:
    names = [f"cat/{EVIL}{row}.png" for row in range(len(photos))]
    names[EACH] = f"cat/{'long ' * 200}.png"
    told = core.audit(photos, np.repeat(made.PLANTED, EACH))
    brought = upload.replace(told.brought, names=tuple(names), kind="class folders")
    card = check(cards.card(upload.replace(told, brought=brought), told.findings[0], rebuilding=False))
    assert card.says(EVIL)
    assert all(len(text) < 500 for text in [*card.texts[1:], *card.values] if "data:" not in text)


def test_a_hostile_path_is_words(screen, tmp_path: Path) -> None:
    app = looked(screen(), tmp_path / EVIL.replace("/", "_"))
    assert "No such file" in said(app)
    assert not any(Page(piece).tags & {"script", "img"} for piece in pieces(app))


@pytest.mark.parametrize("path", ["\0", "~nobody-of-this-name/x", "a" * 5_000])
def test_a_path_that_is_none_is_refused(screen, path: str) -> None:
    app = screen(path=path)
    next(button for button in app.button if button.label == "Look").click().run()
    assert not app.exception
    assert "The path must lie below" in said(app)


def test_a_thumbnail_keeps_what_is_one_pixel() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[30, 30] = (255, 255, 0)
    data = cards._address(image).partition(",")[2]
    seen = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    assert np.array_equal(seen, image)


# --- verdicts, the copy, a network ------------------------------------------------------------------------


def unticked(app: AppTest, rows: list[int]) -> AppTest:
    """A reviewer's unticking of some rows of the flagged, as the browser sends it."""
    app.session_state[f"{cleaning.EDITOR} {app.session_state[kept.AUDITED].number}"] = {
        "edited_rows": {row: {cleaning.REMOVE: False} for row in rows}, "added_rows": [], "deleted_rows": [],
    }  # fmt: skip
    app.run()
    assert not app.exception, app.exception
    return app


def test_verdicts_act_on_what_is_kept_and_copied(screen, planted_set: Path, told: Audit, tmp_path: Path) -> None:
    app = audited(looked(screen(), planted_set))
    own = app.session_state[kept.AUDITED]
    assert cleaning.kept(own).sum() == len(told.brought) - STAMPED
    first = audits.chosen(told, np.flatnonzero(told.flagged))[:2].tolist()
    unticked(app, [0, 1])
    assert own.spared == set(first)
    keep = cleaning.kept(own)
    assert keep.sum() == len(told.brought) - STAMPED + 2
    lines = audits.keep_list(own.told, keep).decode().splitlines()
    assert {told.brought.names[row] for row in first} <= set(lines)
    app.text_input(key=cleaning.FOLDER).set_value(str(tmp_path / "copy")).run()
    next(button for button in app.button if button.label == "Write").click().run()
    assert not app.exception, app.exception
    assert f"{len(lines):,} images are in {tmp_path / 'copy' / 'clean'}" in said(app)
    assert len(list((tmp_path / "copy" / "quarantine" / "cat").iterdir())) == STAMPED - 2
    app.text_input(key=cleaning.FOLDER).set_value(str(tmp_path.parent / "elsewhere")).run()
    next(button for button in app.button if button.label == "Write").click().run()
    assert "The path must lie below" in said(app)
    assert not (tmp_path.parent / "elsewhere").exists()


def test_a_flagged_image_is_shown_in_detail(
    screen, planted_set: Path, told: Audit, monkeypatch, tmp_path: Path
) -> None:
    once(monkeypatch, told)
    app = audited(looked(screen(), planted_set))
    assert not [piece for piece in pieces(app) if "ps-detail'" in piece], "nothing is opened unasked"
    row = int(np.flatnonzero(told.flagged)[-1])
    in_detail(app, row)
    (detail,) = [piece for piece in pieces(app) if "ps-detail'" in piece]
    words = Page(detail).texts
    assert told.brought.names[row] in words
    assert "class cat" in words
    assert "The file, 24 x 24 pixels" in words
    shown = re.findall(r"data:image/png;base64,([^']+)'", detail)
    seen, itself = (np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")) for one in shown)
    assert np.array_equal(seen, told.brought.images[row])
    assert np.array_equal(itself, np.asarray(Image.open(planted_set / told.brought.names[row]).convert("RGB")))
    changed = replace(told, brought=replace(told.brought, digests=(b"",) * len(told.brought)))
    once(monkeypatch, changed)
    kept.shelf.clear()
    again = in_detail(audited(looked(screen(), planted_set)), row)
    assert "has changed since it was read" in said(again)


def in_detail(app: AppTest, row: int) -> AppTest:
    (menu,) = [one for one in app.selectbox if one.label == "In detail"]
    menu.set_value(row).run()
    assert not app.exception, app.exception
    return app


def test_of_an_upload_what_a_network_sees_is_shown_in_detail(
    screen, photos: np.ndarray, told: Audit, tmp_path: Path, monkeypatch
) -> None:
    once(monkeypatch, told)
    app = screen(audit_from="Upload")
    content = zipped(tmp_path / "photos.zip", in_class_folders(photos)).read_bytes()
    app.file_uploader(key=bring.FILE).set_value(("photos.zip", content, "application/zip")).run()
    row = int(np.flatnonzero(told.flagged)[-1])
    app = in_detail(audited(app), row)
    (detail,) = [piece for piece in pieces(app) if "ps-detail'" in piece]
    assert not [piece for piece in pieces(app) if "role='alert'" in piece]
    (seen,) = re.findall(r"data:image/png;base64,([^']+)'", detail)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(seen)))), told.brought.images[row])
    assert Page(detail).says(told.brought.names[row])
    assert not Page(detail).says("The file")


def test_deep_paths_that_begin_alike_are_told_apart_in_the_menu(
    screen, planted_set: Path, told: Audit, monkeypatch
) -> None:
    names = tuple(f"{'deep/' * 20}{name}" for name in told.brought.names)
    once(monkeypatch, replace(told, brought=replace(told.brought, names=names)))
    app = audited(looked(screen(), planted_set))
    (menu,) = [one for one in app.selectbox if one.label == "In detail"]
    flagged = int(told.flagged.sum())
    assert len(set(menu.options)) == len(menu.options) == flagged


def test_verdicts_belong_to_one_set_and_outlast_another_look_at_it(
    screen, photos: np.ndarray, planted_set: Path, tmp_path: Path
) -> None:
    app = unticked(audited(looked(screen(), planted_set)), [0, 1])
    spared = app.session_state[kept.AUDITED].spared
    assert len(spared) == 2
    app.toggle(key="audit network").set_value(True).run()
    first = app.session_state[kept.AUDITED]
    again = kept.Kept(first.name, first.listing, first.told, first.number + 1, spared=first.spared)
    app.session_state[kept.AUDITED] = again  # as after another audit of the same set
    app.run()
    assert app.session_state[kept.AUDITED].spared == spared
    laid_out(tmp_path / "photos", in_class_folders(photos[::-1], made.PLANTED[::-1]))
    app.toggle(key="audit network").set_value(False).run()
    other = audited(looked(app, tmp_path / "photos")).session_state[kept.AUDITED]
    assert other.told.flagged.any()
    assert other.spared == frozenset(), "ticks of one set are not those of another"


def test_a_clean_set_has_no_verdicts_to_give(screen, photos: np.ndarray, tmp_path: Path) -> None:
    laid_out(tmp_path / "photos", in_class_folders(photos[EACH + STAMPED :], made.PLANTED[1:]))
    app = audited(looked(screen(), tmp_path / "photos"))
    assert not [one for one in app.subheader if one.value in ("Verdicts", "Clean copy")]


def test_a_network_is_trained_when_asked_and_compared_with_one_of_what_is_kept(
    screen, planted_set: Path, told: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def audit(*_: object, network: str, **__: object) -> Audit:
        asked.append(network)
        return replace(told, network=made.witness() if network == "train" else None)

    monkeypatch.setattr(core, "audit", audit)
    tried = (Tried(("cat",), 1_000, 0.98, 0.01),)
    monkeypatch.setattr(audits, "retrained", lambda *_, **__: Retrained(378, False, 378, 0.9, 0.91, tried))
    app = audited(looked(screen(), planted_set))
    assert not [one for one in app.button if one.key == "audit anew"]
    app.toggle(key="audit network").set_value(True).run()
    app = audited(app)
    assert asked == ["none", "train"]
    app.button(key="audit anew").click().run()
    assert not app.exception, app.exception
    figures = {one.label: (one.value, one.delta) for one in app.metric}
    assert figures["Answered cat with its mark"] == ("1.0%", "-97.0 points")
    assert figures["Accuracy on images that are kept"] == ("91.0%", "+1.0 points")
    assert "trained anew on 378 images" in said(app).casefold()
