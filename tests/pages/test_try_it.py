"""Try it: the networks' answers are core's, the trigger goes on and off, and any picture may be brought."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import core
from core import BadRequest, Job, TriggerConfig
from core.results.result import Result, triggered_images
from pages.parts.common import asked
from pages.parts.try_it import answers, own_picture
from tests.pages import stored


@pytest.fixture
def job(own_home) -> Job:
    return stored.finished(stored.config(), weights=True)


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.main.get("html"))


def words(app: AppTest) -> str:
    return "\n".join(element.value for element in app.main.markdown)


def said(app: AppTest) -> list[tuple[str, str]]:
    """What each network says, and how sure it is."""
    return re.findall(r"<p class='ps-answer'>(\S+) ([\d.]+%)</p>", html(app))


def expected(job: Job, row: int, stamp: bool) -> list[tuple[str, str]]:
    image = Result(job.config).dataset.test_images[row : row + 1]
    return answers_to(job, triggered_images(job.config, image) if stamp else image)


def answers_to(job: Job, image: np.ndarray) -> list[tuple[str, str]]:
    """What both networks say of one image [1, h, w, 3]."""
    result = Result(job.config)
    found = [core.insight.classify(result, which, image)[0] for which in ("poisoned", "clean")]
    return [(result.dataset.class_names[one.argmax()], f"{100 * one.max():.1f}%") for one in found]


def shown_row(app: AppTest) -> int:
    return int(re.search(r"Test image (\d+)", html(app)).group(1))


def test_begins_with_a_good_image_without_the_trigger(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    assert not app.exception
    row = asked.good_row(Result(job.config))
    assert shown_row(app) == row
    assert said(app) == expected(job, row, stamp=False)
    assert app.toggle(key="stamped").value is False


def test_the_good_image_is_right_in_both_and_flipped_in_one(job: Job) -> None:
    result = Result(job.config)
    row = asked.good_row(result)
    label, target = result.dataset.test_labels[row], job.config.attack.target
    (before, fooled), (after, unmoved) = (result.predictions(which) for which in ("poisoned", "clean"))
    assert label != target
    assert [logits[row].argmax() for logits in (before, fooled, after, unmoved)] == [label, target, label, label]


def test_the_trigger_goes_on_and_off(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    row = shown_row(app)
    app.toggle(key="stamped").set_value(True).run()
    assert not app.exception
    assert said(app) == expected(job, row, stamp=True)
    assert "with the trigger" in html(app)
    assert "The trigger " in words(app)
    app.toggle(key="stamped").set_value(False).run()
    assert said(app) == expected(job, row, stamp=False)


def test_a_trigger_of_no_opacity_changes_nothing(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key, stamped="true")
    app.slider(key="opacity").set_value(0.0).run()
    assert said(app) == expected(job, shown_row(app), stamp=False)
    assert "leaves the poisoned network at" in words(app)
    assert "leaves the cleaned network at" in words(app)


def test_the_opacity_of_one_run_is_none_of_another_s(open_screen) -> None:
    faint, full = (stored.finished(stored.config(trigger=name), weights=True) for name in ("blended", "pattern"))
    app = open_screen("try_it", run=faint.key, stamped="true")
    assert app.slider(key="opacity").value == 0.15
    app = app.selectbox("picked run").set_value(full.key[:16]).run()
    assert not app.exception
    assert app.slider(key="opacity").value == 1.0
    assert said(app) == expected(full, shown_row(app), stamp=True)


def test_several_triggers_fade_together(open_screen) -> None:
    also = [
        {"trigger": "pixel", "parameters": {"row": 1, "column": -2, "opacity": 0.5}},
        {"trigger": "warp", "parameters": {}},
    ]
    other = stored.finished(stored.config(trigger="pixel", also=also), weights=True)
    app = open_screen("try_it", run=other.key, stamped="true")
    assert said(app) == expected(other, shown_row(app), stamp=True)
    row = shown_row(app)
    app.slider(key="opacity").set_value(0.5).run()
    attack = other.config.attack
    halved = [
        TriggerConfig(trigger="pixel", parameters={**attack.parameters, "opacity": 0.5}),
        TriggerConfig(trigger="pixel", parameters={**attack.also[0].parameters, "opacity": 0.25}),
        attack.also[1],
    ]
    pixels = core.triggers.apply_all(halved, Result(other.config).dataset.test_images[[row]])
    assert said(app) == answers_to(other, pixels)


@pytest.mark.parametrize(("trigger", "opacities"), [("blended", [0.15]), ("adaptive-blend", [0.2]), ("warp", [])])
def test_only_a_trigger_that_has_an_opacity_can_be_made_fainter(trigger: str, opacities: list[float], open_screen):
    other = stored.finished(stored.config(trigger=trigger), weights=True)
    app = open_screen("try_it", run=other.key, stamped="true")
    assert not app.exception
    assert [slider.value for slider in app.slider] == opacities
    assert said(app) == expected(other, shown_row(app), stamp=True)


def test_a_link_opens_image_and_trigger(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key, test="7", stamped="true")
    assert shown_row(app) == 7
    assert said(app) == expected(job, 7, stamp=True)


@pytest.mark.parametrize("test", ["-1", "99999999", "x", str(2**63), str(2**64), "9" * 5_000, "1e400", "٣"])
def test_an_image_that_is_none_is_passed_over(job: Job, open_screen, test: str) -> None:
    app = open_screen("try_it", run=job.key, test=test)
    assert not app.exception
    assert said(app)


def test_next_stays_in_the_class(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    app.selectbox(key="test class").set_value(4).run()
    labels = Result(job.config).dataset.test_labels
    rows = []
    for _ in range(3):
        next(button for button in app.button if button.label == "Next").click().run()
        rows.append(shown_row(app))
        assert app.query_params["test"] == str(rows[-1])
    assert (labels[rows] == 4).all()
    assert rows == sorted(set(rows))
    next(button for button in app.button if button.label == "Other images").click().run()
    assert not app.exception
    assert shown_row(app) == rows[-1], "other images are offered, the chosen one stays"


def test_only_pictured_images_are_offered(recording: str, open_screen) -> None:
    core.install_recorded()
    result = Result(next(config for _, config in core.recorded.runs()))
    missing = int(np.flatnonzero(~result.test_pictured)[0])
    app = open_screen("try_it", run=recording, test=str(missing))
    assert not app.exception
    assert result.test_pictured[shown_row(app)]
    for _ in range(3):
        next(button for button in app.button if button.label == "Next").click().run()
        assert result.test_pictured[shown_row(app)]
    assert any("make data" in caption.value for caption in app.caption)
    app.toggle(key="stamped").set_value(True).run()
    assert said(app)[0][0] == "horse"


def test_where_they_look_on_demand(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    assert "hangs on" not in html(app)
    app.toggle(key="look").set_value(True).run()
    assert not app.exception
    assert html(app).count("<figcaption>What its answer") == 2


def test_blind_review_has_no_trigger(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key, truth="0", stamped="true")
    assert not app.exception
    assert len(said(app)) == 2
    assert "stamped" not in [toggle.key for toggle in app.toggle]
    seen = re.sub(r"<style>.*?</style>", "", html(app), flags=re.DOTALL)
    assert not re.search(r"poisoned|cleaned|◎|✕|target", seen, re.IGNORECASE)
    assert shown_row(app) == 0, "an image chosen for its backdoor would tell whose images are stamped"


def test_a_missing_network_is_said(own_home, open_screen) -> None:
    job = stored.finished(stored.config())
    app = open_screen("try_it", run=job.key)
    assert not app.exception
    assert "damaged or missing" in app.warning[0].value


def file(size: tuple[int, int], format: str = "PNG", mode: str = "RGB", colour: object = "red") -> io.BytesIO:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, format)
    buffer.seek(0)
    return buffer


def test_an_uploaded_picture_is_asked_about(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    source = next(group for group in app.main.get("button_group") if group.key == "picture source")
    source.set_value("Upload").run()
    assert not said(app), "nothing to ask about yet"
    app.main.get("file_uploader")[0].set_value(("me.png", file((90, 40)).getvalue(), "image/png")).run()
    assert not app.exception
    assert len(said(app)) == 2
    assert "Your picture" in html(app)
    assert "true class" not in html(app)


def test_a_wrong_file_is_said(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    source = next(group for group in app.main.get("button_group") if group.key == "picture source")
    source.set_value("Upload").run()
    app.main.get("file_uploader")[0].set_value(("me.png", b"no picture", "image/png")).run()
    assert not app.exception
    assert "must be a picture" in app.error[0].value


def test_the_camera_is_asked_for_only_when_chosen(job: Job, open_screen) -> None:
    app = open_screen("try_it", run=job.key)
    assert not app.main.get("camera_input")
    source = next(group for group in app.main.get("button_group") if group.key == "picture source")
    source.set_value("Camera").run()
    assert not app.exception
    assert app.main.get("camera_input")
    assert any("https" in caption.value for caption in app.caption)


# --- a picture of one's own ------------------------------------------------------------------------------


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    kind=st.sampled_from([("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "L"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "L")]),
)
def test_any_picture_becomes_an_image_of_the_set(size: tuple[int, int], kind: tuple[str, str]) -> None:
    found = own_picture.read(file(size, *kind, colour=0), 32, 24)
    assert found.shape == (32, 24, 3)
    assert found.dtype == np.uint8
    assert (found == (255 if kind[1] == "RGBA" else 0)).all(), "what is transparent shows white paper"


def test_a_picture_of_16_bits_is_as_grey_as_it_is() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40), 0x8080, np.uint16)).save(buffer, "PNG")
    assert (own_picture.read(buffer, 16, 16) == 0x80).all()


def test_the_middle_is_taken() -> None:
    wide = Image.new("RGB", (120, 40), "black")
    wide.paste("white", (40, 0, 80, 40))
    buffer = io.BytesIO()
    wide.save(buffer, "PNG")
    buffer.seek(0)
    assert (own_picture.read(buffer, 16, 16) == 255).all()


def test_a_telephones_picture_stands_upright() -> None:
    lying = Image.new("RGB", (40, 40), "black")
    lying.paste("white", (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    buffer = io.BytesIO()
    lying.save(buffer, "PNG", exif=exif)
    buffer.seek(0)
    found = own_picture.read(buffer, 8, 8)
    assert (found[:4] == 0).all()
    assert (found[4:] == 255).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must be a picture"),
        (b"GIF89a", "must be a picture"),
        (file((8, 8), "GIF").getvalue(), "must be a picture"),
        (file((300, 300)).getvalue()[:200], "damaged"),
        (file((8000, 6000), mode="1", colour=0).getvalue(), "at most 40 million pixels, got 8,000 by 6,000"),
        (file((20000, 20000), mode="1", colour=0).getvalue(), "pixels"),
    ],
    ids=["empty", "text", "gif", "truncated", "large", "bomb"],
)
def test_what_is_no_picture_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        own_picture.read(io.BytesIO(content), 32, 32)


# --- bars ------------------------------------------------------------------------------------------------


@given(
    logits=st.lists(st.floats(-30, 30), min_size=2, max_size=12),
    right=st.none() | st.integers(0, 1),
    target=st.none() | st.integers(0, 1),
)
def test_bars_are_ordered_whole_and_marked(logits: list[float], right: int | None, target: int | None) -> None:
    found = core.insight.softmax(np.array([logits]))[0]
    names = [f"class{number}" for number in range(len(found))]
    drawn = answers.bars(asked.POISONED, found, names, right, target)
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", drawn)]
    assert sum(widths) == pytest.approx(100, abs=0.1)
    classes = widths[:-1] if len(names) > answers.SHOWN else widths
    assert classes == sorted(classes, reverse=True)
    for label, mark in ((right, "✓"), (target, "◎")):
        if label is not None:
            assert re.search(rf"{names[label]}[ ✓◎]*{mark}", drawn)
