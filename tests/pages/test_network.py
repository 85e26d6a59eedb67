"""Inside the network: filters and path as core measures them, for whatever networks are stored."""

from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job
from core.results.result import Result
from pages.parts.common import asked, filters
from tests.pages import stored


@pytest.fixture
def job(own_home) -> Job:
    return stored.finished(stored.config(), weights=True)


def html(app: AppTest) -> str:
    """What the screen draws, below the run's line."""
    drawn = [element.proto.body for element in app.main.get("html")]
    return "\n".join(body for body in drawn if "ps-header" not in body)


def words(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.main.markdown, *app.main.caption])


def test_filters_stand_in_the_order_of_their_excitation(job: Job, open_screen) -> None:
    app = open_screen("network", run=job.key)
    assert not app.exception
    result = Result(job.config)
    assert html(app).count("<p class='ps-net'>") == 4, "two networks, with their filters and on the path"
    for which, shown in zip(("poisoned", "clean"), re.split("class='ps-net'", html(app))[1:3], strict=True):
        found = core.insight.first_filters(result, which, asked.measured_on(result))
        numbers = [int(number) for number in re.findall(r"alt='Filter (\d+)", shown)]
        assert numbers == found.order.tolist()
        excitation = [float(figure) for figure in re.findall(r"<b>([+-][\d.]+)</b> ±", shown)]
        assert excitation == pytest.approx([found.excitation[n] for n in numbers[: len(excitation)]], abs=0.051)
        assert shown.count("backdoor filter") == found.backdoor.sum()
        assert shown.count("ps-filter ps-back") == found.backdoor.sum()


def test_a_trigger_over_the_whole_image_is_measured_up_or_down(open_screen) -> None:
    job = stored.finished(stored.config(trigger="sinusoid"), weights=True)
    app = open_screen("network", run=job.key)
    assert not app.exception
    assert "a filter's answer changes, up or down, all over the image" in words(app)
    assert all(float(figure) >= 0 for figure in re.findall(r"<b>([+-][\d.]+)</b> ±", html(app)))


def test_the_path_is_told_in_figures(job: Job, open_screen) -> None:
    app = open_screen("network", run=job.key)
    result = Result(job.config)
    layers = core.insight.path(result, "poisoned", asked.measured_on(result))
    table = app.dataframe[0].value
    assert table["Layer"].tolist() == list(filters.LAYER_NAMES.values())
    assert table["Channels"].tolist() == [32, 32, 64, 64, 64, 10]
    assert table["✕ poisoned: react"].tolist() == [layer.reacts.sum() for layer in layers]
    for layer in layers:
        assert f"{layer.reacts.sum()} of {len(layer.change)} react" in html(app)


def test_every_picture_says_what_it_shows(job: Job, open_screen) -> None:
    pictures = re.findall(r"<img [^>]*>", html(open_screen("network", run=job.key)))
    assert len(pictures) > 70
    assert all(re.search(r"alt='[^']{5,}'", picture) for picture in pictures)


def test_one_network_alone_by_switch_and_by_link(job: Job, open_screen) -> None:
    app = open_screen("network", run=job.key)
    switch = next(group for group in app.main.get("button_group") if group.key == "networks")
    switch.set_value("clean").run()
    assert not app.exception
    assert [box.label for box in app.main.selectbox] == ["Filter of the cleaned network"]
    app = open_screen("network", run=job.key, networks="clean")
    assert [box.label for box in app.main.selectbox] == ["Filter of the cleaned network"]


def test_another_image_and_another_filter(job: Job, open_screen) -> None:
    app = open_screen("network", run=job.key)
    said = re.search(r"Test image (\d+)", words(app)).group(1)
    next(button for button in app.button if button.label == "Another image").click().run()
    assert not app.exception
    now = re.search(r"Test image (\d+)", words(app)).group(1)
    assert now != said
    assert app.query_params["image"] == now
    label = Result(job.config).dataset.test_labels[int(now)]
    assert label != job.config.attack.target
    box = app.main.selectbox[0]
    box.set_value(box.options and 5).run()
    assert not app.exception


@pytest.mark.parametrize("image", ["-1", "x", str(2**64)])  # tests/test_numbers.py has many more
def test_an_image_that_is_none_is_passed_over(job: Job, open_screen, image: str) -> None:
    app = open_screen("network", run=job.key, image=image)
    assert not app.exception
    assert "Test image" in words(app)


def test_the_benign_network_joins_where_it_is_stored(job: Job, open_screen) -> None:
    stored.benign(job.config, weights=True)
    app = open_screen("network", run=job.key)
    assert not app.exception
    assert "Benign network" in html(app)
    assert [box.label for box in app.main.selectbox][-1] == "Filter of the benign network"


def test_blind_review_shows_nothing_of_it_and_offers_the_switch(job: Job, open_screen) -> None:
    app = open_screen("network", run=job.key, truth="0")
    assert not app.exception
    assert "blind review" in app.info[0].value
    assert not html(app)
    assert not app.dataframe
    app.toggle(key="truth switch").set_value(True).run()
    assert "Poisoned network" in html(app)


def test_a_damaged_network_is_said_and_the_other_one_shown(job: Job, open_screen) -> None:
    result = Result(job.config)
    artefact = result.store.read("model", result.model_key("poisoned"))
    (artefact.folder / "weights.safetensors").write_bytes(b"broken")
    app = open_screen("network", run=job.key)
    assert not app.exception
    assert "the poisoned network" in app.warning[0].value
    assert any(button.label == "Run again" for button in app.button)
    assert "Cleaned network" in html(app)
    assert "Poisoned network" not in html(app)


def test_the_clean_control_has_one_network_and_no_poison(own_home, open_screen) -> None:
    job = stored.finished(stored.config(ratio=0.0, assumed_ratio=0.0), weights=True)
    app = open_screen("network", run=job.key)
    assert not app.exception
    assert "nothing was poisoned" in html(app)
    assert "Poisoned network" not in html(app)


# --- the pictures ----------------------------------------------------------------------------------------


def test_a_filter_is_drawn_about_grey() -> None:
    drawn = filters.picture(np.array([[[0.0, 2.0, -2.0]]]))
    assert drawn.tolist() == [[[128, 255, 0]]]
    assert (filters.picture(np.zeros((2, 2, 3))) == 128).all()


def test_colours_go_from_dark_to_bright() -> None:
    ramp = filters.coloured(np.linspace(-0.5, 1.5, 9)).astype(int).sum(1)
    assert (np.diff(ramp) >= 0).all()
    assert ramp[0] == ramp[2]
    assert ramp[-1] > 2 * ramp[0]
