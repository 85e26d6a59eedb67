"""The Flagged screen: the right images in the right order, exports that parse back, and blind review."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import core
from core import Detection, Job
from core.results.result import Result
from pages.parts.around import cuts
from pages.parts.flagged import detail, taking
from pages.parts.images import gallery
from tests.hostile import Page
from tests.pages import stored
from tests.pages.seen import grid, ids, opened, said

ALL, HITS, FALSE, MISSED = "All flagged", "True positives ✕", "False positives ●", "Missed poisons ✕"


def show(app: AppTest, kind: str) -> AppTest:
    return app.selectbox(key="show").set_value(kind).run()


def html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def most_suspicious(result: Result, wanted: np.ndarray) -> list[int]:
    rows, scores = np.flatnonzero(wanted), result.detection().scores
    return rows[np.lexsort((rows, -scores[rows]))].tolist()


def test_the_most_suspicious_come_first(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    assert not app.exception
    order = most_suspicious(result, result.flagged)
    assert ids(app) == order[: gallery.PER_PAGE]
    assert "what the run removed" in app.markdown[0].value
    app.selectbox(key="page size").set_value(192).run()
    assert ids(app) == order[:192]


def test_a_page_is_one_picture_that_holds_its_images(finished_job: Job, result: Result, open_screen) -> None:
    data = grid(open_screen("flagged", run=finished_job.key))
    head, encoded = data["sprite"].split(",")
    assert head == "data:image/webp;base64"
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    edge, columns = data["edge"], data["columns"]
    cell = data["side"] + 2 * edge
    for tile in data["tiles"]:
        row, column = divmod(tile["place"], columns)
        cut = sheet[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        image = result.poisoned.images[tile["id"]]
        assert np.array_equal(cut[edge:-edge, edge:-edge], image)
        assert np.array_equal(cut[0, edge:-edge], image[0]), "around it, its own pixels once more"
        assert np.array_equal(cut[edge:-edge, -1], image[:, -1])


def test_filters_show_the_right_images(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    app.selectbox(key="page size").set_value(192)
    truth, flagged = result.poisoned.truth.poisoned, result.flagged
    for kind, wanted in ((HITS, flagged & truth), (MISSED, ~flagged & truth)):
        assert set(ids(show(app, kind))) == set(np.flatnonzero(wanted).tolist())
    app.selectbox(key="label").set_value("five")
    wanted = flagged & ~truth & (result.poisoned.labels == 5)
    assert set(ids(show(app, FALSE))) == set(np.flatnonzero(wanted).tolist())
    assert set(ids(show(app, MISSED))) == set()
    assert "No image fits" in app.info[0].value


def test_filters_on_original_class_and_score(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, **{"page size": "192"})
    scores, origin = result.detection().scores, result.poisoned.source_labels
    app.selectbox(key="origin").set_value("seven").run()
    assert ids(app) == most_suspicious(result, result.flagged & (origin == 7))
    app.selectbox(key="origin").set_value("every class")
    low, high = np.quantile(scores[result.flagged], [0.3, 0.6])
    app.number_input(key="score from").set_value(float(low))
    app.number_input(key="score to").set_value(float(high)).run()
    assert ids(app) == most_suspicious(result, result.flagged & (scores >= low) & (scores <= high))


@pytest.mark.parametrize("order", ["lowest score", "rank in its class", "id", "original class"])
def test_orders(finished_job: Job, result: Result, open_screen, order: str) -> None:
    app = open_screen("flagged", run=finished_job.key, order=order, **{"page size": "192"})
    found = cuts.Scored(result.detection(), result.poisoned.labels, 10)
    keys = {
        "lowest score": found.scores,
        "rank in its class": found.ranks,
        "id": np.arange(len(found.scores)),
        "original class": result.poisoned.source_labels,
    }
    values = keys[order][most_suspicious(result, result.flagged)]
    assert keys[order][ids(app)].tolist() == sorted(values)[:192]


def test_a_link_restores_the_view(finished_job: Job, result: Result, open_screen) -> None:
    wanted = most_suspicious(result, result.flagged & ~result.poisoned.truth.poisoned)[24:48]
    view = {"show": FALSE, "page size": "24", "page": "2", "size": "64", "image": str(wanted[5]), "reviewer": "Ada"}
    app = open_screen("flagged", run=finished_job.key, **view)
    data = grid(app)
    assert ids(app) == wanted
    assert (data["current"], data["size"], data["page"]) == (wanted[5], 64, 2)
    assert f"id {wanted[5]}<" in html(app).replace("\n", "")
    assert app.text_input(key="reviewer").value == "Ada"


def test_nonsense_in_the_address_is_passed_over(finished_job: Job, result: Result, open_screen) -> None:
    nonsense = {"show": "all", "page": "99", "size": "-3", "image": "x", "order": "luck", "page size": "7"}
    app = open_screen("flagged", run=finished_job.key, **nonsense)
    assert not app.exception
    assert ids(app) == most_suspicious(result, result.flagged)[: gallery.PER_PAGE]
    assert grid(app)["current"] == ids(app)[0]


def test_a_link_to_an_image_leads_to_its_page(finished_job: Job, result: Result, open_screen) -> None:
    """A link from when pages had another size names a page on which the image no longer is."""
    order = most_suspicious(result, result.flagged)
    for page in ({}, {"page": "1"}, {"page": "3"}):
        app = open_screen("flagged", run=finished_job.key, image=str(order[150]), **page)
        assert grid(app)["page"] == 2
        assert grid(app)["current"] == order[150]
        app.session_state["page"] = 1
        app.run()
        assert grid(app)["page"] == 1, "once there, one can turn on"


def test_what_the_grid_says_of_the_truth(finished_job: Job, result: Result, open_screen) -> None:
    app = show(open_screen("flagged", run=finished_job.key), HITS)
    tiles = grid(app)["tiles"]
    for tile in tiles:
        source = result.dataset.class_names[result.poisoned.source_labels[tile["id"]]]
        assert tile["kind"] == "poisoned"
        assert tile["flagged"] is True
        assert tile["says"][:2] == [f"image {tile['id']}", "labelled three"]
        assert [words.split()[0] for words in tile["says"][2:4]] == ["rank", "score"]
        assert tile["says"][4:] == [f"made from {source}", "poisoned"]
    assert {tile["kind"] for tile in grid(show(app, FALSE))["tiles"]} == {"benign"}
    missed = grid(show(app, MISSED))["tiles"]
    assert {(tile["kind"], tile["flagged"], tile["says"][-1]) for tile in missed} == {
        ("poisoned", False, "not flagged")
    }


def test_the_detail_shows_what_was_done(finished_job: Job, result: Result, open_screen) -> None:
    app = show(open_screen("flagged", run=finished_job.key), HITS)
    first = ids(app)[0]
    text = html(app)
    assert f"Original: {result.dataset.class_names[result.poisoned.source_labels[first]]}" in text
    assert f"id {result.poisoned.source_ids[first]}<" in text
    assert "Difference" in text
    assert text.count("<img ") == text.count(" alt='") == 3 + detail.NEIGHBOURS
    assert "<b>✕ poisoned</b>" in text
    nearest, _ = core.insight.neighbours(result.features, first, detail.NEIGHBOURS)
    assert all(f"alt='image {id}, " in text for id in nearest)


def test_the_detail_asks_the_networks(finished_job: Job, result: Result, open_screen, monkeypatch) -> None:
    """What they answer is core.results.insight's business; here it is told apart, marked and not asked twice."""
    asked: list[str] = []

    def classify(result: Result, which: str, images: np.ndarray) -> np.ndarray:
        asked.append(which)
        return np.eye(10)[[3 if which == "poisoned" else 7]]

    def attention(result: Result, which: str, image: np.ndarray, target: int, method: str) -> np.ndarray:
        assert (which, target) == ("poisoned", 3)
        heat = np.zeros(image.shape[:2])
        heat[-1, -1] = 1
        return heat

    monkeypatch.setattr(core.insight, "stored", lambda result, which: True)
    monkeypatch.setattr(core.insight, "classify", classify)
    monkeypatch.setattr(core.insight, "attention", attention)
    app = show(open_screen("flagged", run=finished_job.key), HITS)
    text = html(app)
    assert "Before the defence ✕" in text
    assert "After the defence ●" in text
    rows = dict(re.findall(r"scope='row'>(\w+)</th>(.*?)</tr>", text))
    assert re.findall(r"<span>(.*?)</span>", rows["three"]) == ["100%", "&lt;1%"]
    assert re.findall(r"<span>(.*?)</span>", rows["seven"]) == ["&lt;1%", "100%"]
    assert "The fooled network looks here for three" in text
    assert "brightest at the bottom, right" in text
    before = len(asked)
    app.run()
    assert len(asked) == before
    blind = html(open_screen("flagged", run=finished_job.key, truth="0"))
    assert "Trained on this set" in blind
    assert "The network looks here for" in blind
    assert "After the defence" not in blind


def test_networks_that_cannot_be_asked_are_told(finished_job: Job, open_screen, monkeypatch) -> None:
    def refuse(*args: object) -> None:
        raise core.DamagedArtefact("the weights are damaged")

    monkeypatch.setattr(core.insight, "stored", lambda result, which: True)
    monkeypatch.setattr(core.insight, "attention", refuse)
    app = open_screen("flagged", run=finished_job.key)
    assert not app.exception
    assert "The networks cannot be asked: The weights are damaged." in html(app)


def test_a_picture_that_is_not_recorded_is_said(finished_job: Job, open_screen, monkeypatch) -> None:
    def every_other(result: Result) -> np.ndarray:
        return np.arange(len(result.poisoned)) % 2 == 0

    monkeypatch.setattr(Result, "pictured", property(every_other))
    app = open_screen("flagged", run=finished_job.key)
    data = grid(app)
    gone = [tile for tile in data["tiles"] if tile["place"] < 0]
    assert gone == [tile for tile in data["tiles"] if tile["id"] % 2]
    assert all(gallery.MISSING in tile["says"] for tile in gone)
    places = [tile["place"] for tile in data["tiles"] if tile["place"] >= 0]
    assert places == list(range(len(places)))
    assert "`make data`" in app.info[0].value
    app = open_screen("flagged", run=finished_job.key, image=str(gone[0]["id"]))
    assert gallery.MISSING in html(app)
    assert "Difference" not in html(app)


def test_the_cut_comes_from_the_address(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, budget="2", detector="spectral-released")
    assert "20 images flagged by **spectral-released**" in app.markdown[0].value
    assert "Tried on" in app.markdown[0].value
    assert len(ids(app)) == 20
    next(button for button in app.button if "own cut" in button.label).click().run()
    assert "220 images flagged by **spectral**: the **22** highest scores of every class" in app.markdown[0].value


def test_the_classes_that_the_detector_names_are_said(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, detector="whitened-spectral", scope="suspicious_class")
    assert "highest scores of three, the class that the detector names. " in app.markdown[0].value


def test_the_cut_comes_along_from_the_scores_screen(finished_job: Job, open_screen) -> None:
    app = open_screen("scores", run=finished_job.key)
    app.slider(key="budget slider").set_value(3).run()
    app.switch_page("pages/flagged.py").run()
    assert "30 images flagged" in app.markdown[0].value
    assert app.query_params["budget"] == "3"


def test_at_the_gap_no_budget_is_named(finished_job: Job, gap_job: Job, open_screen) -> None:
    flagged = Result(gap_job.config).flagged
    app = open_screen("flagged", run=gap_job.key, **{"page size": "192"})
    text = app.markdown[0].value
    assert "what lies beyond the **gap** of three, the class that the detector names. This is what the run" in text
    assert text.startswith(f"{flagged.sum()} images flagged by **whitened-spectral**")
    assert set(ids(app)) == set(np.flatnonzero(flagged))
    app = open_screen(
        "flagged", run=finished_job.key, detector="whitened-spectral", budget="gap", **{"page size": "192"}
    )
    assert "beyond the **gap**" in app.markdown[0].value
    assert "Tried on" in app.markdown[0].value
    assert set(ids(app)) == set(np.flatnonzero(flagged))


def test_where_no_class_is_named_nothing_lies_beyond_a_gap(open_screen) -> None:
    job = stored.finished(stored.gap_config(ratio=0.0))
    app = open_screen("flagged", run=job.key)
    assert "Nothing found: the detector names no class as poisoned." in [info.value for info in app.info]


# --- groups of near images -------------------------------------------------------------------------------


def grouped(result: Result) -> tuple[list[int], list[int]]:
    """The flagged ids group by group, and the size of each one's group."""
    order = np.array(most_suspicious(result, result.flagged))
    numbers = core.groups.near(result.features, result.poisoned.labels, order)
    by_group = np.argsort(numbers, kind="stable")
    return order[by_group].tolist(), np.bincount(numbers)[numbers[by_group]].tolist()


def test_near_images_stand_together_and_their_groups_are_told(finished_job: Job, result: Result, open_screen) -> None:
    order, sizes = grouped(result)
    first, second = sizes[0], sizes[sizes[0]]
    assert first < 24 < first + second, "the second goes beyond the first page"
    core.reviews.judge(finished_job.key, order[24:26], "clean", "Ada")
    core.reviews.judge(finished_job.key, order[26:27], "unsure", "Ada")
    view = {"order": "groups of near images", "page size": "24", "reviewer": "Ada"}
    app = open_screen("flagged", run=finished_job.key, **view)
    assert ids(app) == order[:24]
    one, other = grid(app)["groups"]
    assert one == {"from": 0, "to": first, "size": first, "off": {}, "next": [1, order[first]]}
    off = {"clean": 2, "unsure": 1, "": first + second - 27}
    next = [(first + second) // 24 + 1, order[first + second]]
    assert other == {"from": first, "to": 24, "size": second, "off": off, "next": next}
    app.session_state["page"] = -(-len(order) // 24)
    app.run()
    last = grid(app)["groups"][-1]
    assert (last["size"], last["to"], last["next"]) == (sizes[-1], len(ids(app)), None)
    assert grid(open_screen("flagged", run=finished_job.key))["groups"] is None


def test_of_a_group_only_what_the_filter_lets_through_counts(finished_job: Job, result: Result, open_screen) -> None:
    order, sizes = grouped(result)
    core.reviews.judge(finished_job.key, order[2:5], "clean", "Ada")
    view = {"order": "groups of near images", "verdict": "not judged", "reviewer": "Ada"}
    app = open_screen("flagged", run=finished_job.key, **view)
    assert ids(app) == [*order[:2], *order[5:]][: gallery.PER_PAGE]
    assert grid(app)["groups"][0]["size"] == sizes[0] - 3


def test_a_run_without_a_representation_takes_no_other_run_s_groups_away(
    finished_job: Job, gap_job: Job, open_screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    near = core.groups.near
    monkeypatch.setattr(core.groups, "near", lambda *given: [made.append(1), near(*given)][1])
    features, lost = Result.features.fget, gap_job.config
    monkeypatch.setattr(Result, "features", property(lambda self: None if self.config == lost else features(self)))
    for run in (finished_job, gap_job, gap_job, finished_job):
        app = open_screen("flagged", run=run.key, order="groups of near images")
        assert (grid(app)["groups"] is None) == (run is gap_job)
    assert len(made) == 1


def test_without_a_representation_there_are_no_groups(
    finished_job: Job, result: Result, open_screen, monkeypatch
) -> None:
    monkeypatch.setattr(Result, "features", None)
    app = open_screen("flagged", run=finished_job.key, order="groups of near images")
    assert not app.exception
    assert "there are no groups: the highest score comes first" in said(app)
    assert ids(app) == most_suspicious(result, result.flagged)[: gallery.PER_PAGE]
    assert grid(app)["groups"] is None


def test_a_verdict_on_a_group_is_one_on_all_of_its_images() -> None:
    told: list[tuple[list[int], str, bool]] = []
    reviewing = gallery.Reviewing("Ada", {}, lambda ids, verdict, over: told.append((ids, verdict, over)))
    state: dict[str, object] = {"done": {}}
    act = {"number": 1, "ids": [4, 5], "verdict": "clean", "over": False, "group": 5}
    message = {"name": "tab", "current": 5, "chosen": [4, 5], "group": 5, "acts": [act]}
    asked: list[int] = []

    def group(id: int) -> list[int]:
        asked.append(id)
        return [4, 5, 17, 18]

    gallery.carry_out(message, state, np.arange(20), reviewing, "page", 3, group)
    assert told == [([4, 5, 17, 18], "clean", False)]
    assert (state["chosen"], state["group"], set(asked)) == ([4, 5, 17, 18], 5, {5})
    gallery.carry_out({**message, "group": None, "acts": []}, state, np.arange(20), reviewing, "page", 3, group)
    assert (state["chosen"], state["group"]) == ([4, 5], None)


# --- verdicts --------------------------------------------------------------------------------------------


def test_verdicts_are_shown_filtered_and_tallied(finished_job: Job, result: Result, open_screen) -> None:
    order = most_suspicious(result, result.flagged)
    truth = result.poisoned.truth.poisoned
    right = next(id for id in order if truth[id])
    wrong = next(id for id in order if not truth[id])
    core.reviews.judge(finished_job.key, [right, wrong], "poisoned", "Ada")
    core.reviews.judge(finished_job.key, [order[9]], "unsure", "Ada")
    core.reviews.judge(finished_job.key, [right], "clean", "Bo")
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada", **{"page size": "192"})
    shown = {tile["id"]: tile["verdict"] for tile in grid(app)["tiles"]}
    assert (grid(app)["elsewhere"], grid(app)["all"], grid(app)["range"]) == (
        0,
        len(order),
        f"1 to 192 of {len(order)}",
    )
    assert shown[right] == shown[wrong] == "poisoned"
    assert "**3 verdicts** by Ada: 2 poisoned, 1 unsure · agreement with the truth **50.0%** (2 images" in words(app)
    against, between = (frame.value for frame in app.dataframe)
    assert against.set_index("Verdict").loc["poisoned"].tolist() == [1, 1]
    assert between.to_dict("records") == [{"Reviewer": "Bo", "Judged by both": 1, "Agreement": "0.0%", "κ": "0.00"}]
    app.session_state["page"] = 2
    app.run()
    assert grid(app)["elsewhere"] == 3
    app.selectbox(key="verdict").set_value("poisoned").run()
    assert ids(app) == most_suspicious(result, np.isin(np.arange(len(truth)), [right, wrong]))
    app.selectbox(key="verdict").set_value("not judged").run()
    assert not {right, wrong, order[9]} & set(ids(app))
    app.selectbox(key="verdict").set_value("any")
    app.selectbox(key="order").set_value("verdict").run()
    assert set(ids(app)[:2]) == {right, wrong}
    assert ids(app)[2] == order[9]


def words(app: AppTest) -> str:
    return " ".join(markdown.value for markdown in app.markdown)


def test_a_note_is_kept(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada")
    first = ids(app)[0]
    note = next(field for field in app.text_input if field.label == "Note")
    note.set_value("yellow corner").run()
    assert [(one.image, one.note) for one in core.reviews.of(finished_job.key)] == [(first, "yellow corner")]
    app.selectbox(key="verdict").set_value("with a note").run()
    assert ids(app) == [first]
    app = open_screen("flagged", run=finished_job.key, reviewer="Bo")
    assert any(Page(piece.proto.body).says("Ada: no verdict (yellow corner)") for piece in app.get("html"))


def test_what_others_said_is_no_markdown_and_a_notes_field_tells_no_id(
    finished_job: Job, result: Result, open_screen
) -> None:
    (first, *_) = most_suspicious(result, result.flagged)
    core.reviews.annotate(finished_job.key, first, "![](http://example.org/x) <b>see</b>", "**Ada**")
    app = open_screen("flagged", run=finished_job.key, reviewer="Bo", truth="0")
    said = "**Ada**: no verdict (![](http://example.org/x) <b>see</b>)"
    assert any(Page(piece.proto.body).says(said) for piece in app.get("html"))
    assert not any("example.org" in part.value for part in [*app.caption, *app.markdown])
    (field,) = [one for one in app.text_input if one.label == "Note"]
    handle = int(core.export.handles(result)[first])
    assert field.key == f"note {finished_job.key[:16]} Bo {handle}"


@pytest.mark.parametrize("name", ["", "a\u202eb"])
def test_a_bad_name_is_refused_with_a_message(finished_job: Job, open_screen, name: str) -> None:
    app = open_screen("flagged", run=finished_job.key)
    app.text_input(key="reviewer").set_value(name).run()
    assert not app.exception
    assert "1 to 40 printable characters" in app.error[0].value
    assert not grid(app)["judging"]
    assert len(ids(app)) == gallery.PER_PAGE


def test_what_the_grid_tells_is_carried_out_once_and_in_order(finished_job: Job, result: Result) -> None:
    told: list[tuple[list[int], str]] = []
    reviewing = gallery.Reviewing("Ada", {}, lambda ids, verdict, over: told.append((ids, verdict)))
    handles = core.export.handles(result)
    state = {"current": None, "done": {}, "trouble": ""}
    acts = [
        {"number": 1, "ids": [int(handles[4])], "verdict": "clean"},
        {"number": 2, "ids": [int(handles[5]), -1, "x", 10**9], "verdict": ""},
    ]
    message = {"name": "tab", "current": int(handles[6]), "acts": acts}
    for _ in range(2):
        gallery.carry_out(message, state, handles, reviewing, "page", 3)
    assert told == [([4], "clean"), ([5], "")]
    assert state == {"current": 6, "chosen": [], "group": None, "done": {"tab": 2}, "trouble": ""}
    gallery.carry_out({"name": "tab", "current": None, "acts": []}, state, handles, reviewing, "page", 3)
    assert state["current"] is None
    gallery.carry_out(None, state, handles, reviewing, "page", 3)
    assert len(told) == 2


def test_a_verdict_that_could_not_be_kept_is_tried_again(finished_job: Job, result: Result) -> None:
    kept: list[list[int]] = []
    busy = [core.PoisonscopeError("the ledger was in use")]

    def judge(ids: list[int], verdict: str, over: bool) -> None:
        if busy:
            raise busy.pop()
        kept.append(ids)

    state = {"current": None, "done": {}, "trouble": ""}
    acts = [{"number": 1, "ids": [4], "verdict": "clean"}, {"number": 2, "ids": [5], "verdict": "clean"}]
    message = {"name": "tab", "current": 6, "acts": acts}
    ids = np.arange(len(result.poisoned))
    gallery.carry_out(message, state, ids, gallery.Reviewing("Ada", {}, judge), "page", 1)
    assert (kept, state["trouble"], state["done"]) == ([], "The ledger was in use.", {"tab": 0})
    gallery.carry_out(message, state, ids, gallery.Reviewing("Ada", {}, judge), "page", 1)
    assert (kept, state["trouble"], state["done"]) == ([[4], [5]], "", {"tab": 2})


# --- blind review, empty and damaged states --------------------------------------------------------------


def test_blind_review_tells_nothing(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, truth="0")
    assert not app.exception
    # What the grid is made of is the same in every view; what it is given is not.
    protos = [element.proto for element in app.main if hasattr(element, "proto")]
    protos = [proto for proto in protos if getattr(proto, "component_name", "") != "poisonscope_address"]
    text = "".join(getattr(proto, "json", "") or str(proto) for proto in protos)
    text = re.sub(r"base64,[A-Za-z0-9+/=]+|<style>.*?</style>|poisonscope[-_]", "", text, flags=re.DOTALL)
    text = re.sub(r"options: .*", "", text)  # verdicts are offered by name
    assert not re.search(r"poison|✕|●|\bfrom \w+\b|source|true positive|original|benign", text, re.IGNORECASE)
    data = grid(app)
    assert len(data["tiles"]) == gallery.PER_PAGE
    assert {tile["kind"] for tile in data["tiles"]} == {""}
    handles = core.export.handles(result)
    assert ids(app) == handles[most_suspicious(result, result.flagged)[: gallery.PER_PAGE]].tolist()
    assert not any(re.search(r"\bid\b|image \d", " ".join(tile["says"])) for tile in data["tiles"])
    keys = {box.key for box in app.selectbox}
    assert not keys & {"show", "origin"}
    orders = ["highest score", "lowest score", "groups of near images", "rank in its class", "verdict"]
    assert app.selectbox(key="order").options == orders
    offered = opened(app, taking.DRAWER).get("download_button")
    assert [button.label for button in offered] == ["Scores as CSV", "Scores as Parquet"]


def test_a_blind_link_restores_its_image_and_says_no_more(finished_job: Job, result: Result, open_screen) -> None:
    wanted = most_suspicious(result, result.flagged)[7]
    handle = int(core.export.handles(result)[wanted])
    hidden = {"show": HITS, "order": "id", "origin": "seven"}  # what only the truth offers
    app = open_screen("flagged", run=finished_job.key, truth="0", image=str(handle), **hidden)
    assert grid(app)["current"] == handle
    assert len(ids(app)) == gallery.PER_PAGE


def test_nothing_flagged_is_said(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, budget="0", truth="0")
    assert "Nothing found: the budget is 0" in app.info[0].value
    assert not ids(app)
    app = open_screen("flagged", run=finished_job.key, budget="0")
    assert len(ids(show(app, MISSED))) == 31


def test_no_run_and_damaged_features(finished_job: Job, result: Result, open_screen) -> None:
    assert "No run is chosen" in open_screen("flagged").info[0].value
    (result.store.read("features", result.features_key).folder / "logits.npy").write_bytes(b"")
    app = open_screen("flagged", run=finished_job.key, detector="spectral-released")
    assert not app.exception
    assert "set aside" in app.warning[0].value
    assert not ids(app)


def test_exports_parse_back(finished_job: Job, result: Result, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key)
    assert not app.get("download_button")  # drawn where the drawer is open: thumbnails come sooner without
    opened(app, taking.DRAWER)
    labels = [button.label for button in app.get("download_button")]
    assert labels == ["Scores as CSV", "Scores as Parquet", "Keep-list"]
    found = cuts.Scored(result.detection(), result.poisoned.labels, 10)
    names = result.dataset.class_names
    blind = core.export.table(result, found.detection, result.flagged, truth=False)
    seen = core.export.table(result, found.detection, result.flagged)
    assert list(blind) == ["handle", "label", "label_name", "score", "rank", "flagged"]
    assert list(seen) == ["id", *list(blind)[1:], "dataset_row", "source_id", "source_name", "poisoned"]
    for table in (
        pd.read_csv(io.StringIO(seen.to_csv(index=False))),
        pd.read_parquet(io.BytesIO(seen.to_parquet(index=False))),
    ):
        assert table["score"].is_monotonic_decreasing
        frame = table.sort_values("id", ignore_index=True)
        assert (frame["rank"] == found.ranks).all()
        assert (frame["id"] == np.arange(len(result.poisoned))).all()
        assert (frame["score"] == found.scores).all()
        assert (frame["flagged"] == result.flagged).all()
        assert (frame["poisoned"] == result.poisoned.truth.poisoned).all()
        assert (frame["source_id"] == result.poisoned.source_ids).all()
        assert (frame["label_name"] == np.array(names)[result.poisoned.labels]).all()
        assert (frame.loc[frame["flagged"], "rank"] <= 22).all()
    kept = [int(line) for line in core.export.keep_list(result.flagged).splitlines()]
    assert kept == np.flatnonzero(~result.flagged).tolist()


@given(data=st.data(), budget=st.integers(0, 10))
def test_flagged_order(data: st.DataObject, budget: int) -> None:
    """What is flagged of a label scores at least as high as what is kept of it, and ranks begin at 1."""
    size = data.draw(st.integers(1, 40))
    scores = np.array(data.draw(st.lists(st.floats(-1e9, 1e9), min_size=size, max_size=size)))
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    found = cuts.Scored(Detection(scores), labels, 4)
    flagged = cuts.flag(found, cuts.Cut("spectral", budget, "every_class"))
    frame = pd.DataFrame({"label": labels, "score": scores, "rank": found.ranks, "flagged": flagged})
    for _, group in frame.groupby("label"):
        assert sorted(group["rank"]) == list(range(1, len(group) + 1))
        assert group.sort_values("rank")["score"].is_monotonic_decreasing
        gone, kept = group[group["flagged"]], group[~group["flagged"]]
        assert len(gone) == min(budget, len(group))
        assert not len(gone) or not len(kept) or gone["score"].min() >= kept["score"].max()


def test_how_much_a_difference_is_amplified_is_said_only_where_it_is() -> None:
    grey = np.full((2, 2, 3), 100, np.uint8)
    for step, says in ((51, ", amplified 5.0 times"), (0, "")):
        assert gallery.amplified(core.markup.changed(grey, grey + np.uint8(step))[1]) == says
    assert gallery.amplified(core.markup.changed(grey * 0, grey * 0 + np.uint8(255))[1]) == ""
