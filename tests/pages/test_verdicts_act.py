"""Flagged, the reviewer's desk: verdicts act, are taken back, make a run; views are saved and reopened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job
from core.results.result import Result
from pages.parts.around import words
from pages.parts.flagged import saved, taking, verdicts
from pages.parts.images import gallery
from tests.pages import printed, stored
from tests.pages.seen import figures, grid, ids, opened, press


@pytest.fixture
def flagged(result: Result) -> list[int]:
    return np.flatnonzero(result.flagged).tolist()


def stays(app: AppTest) -> dict[str, str]:
    """The figures of what stays."""
    (body,) = [piece.proto.body for piece in app.get("html") if "ps-staying" in piece.proto.body]
    return printed.definitions(body)


def chips(app: AppTest) -> list[str]:
    keys = [button for button in app.button if button.key and button.key.startswith("chip ")]
    return [button.label.replace("\\", "") for button in keys]


# --- what stays ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truth", ["1", "0"])
def test_the_page_says_in_figures_what_verdicts_make_of_the_cut(
    finished_job: Job, result: Result, flagged: list[int], open_screen, truth: str
) -> None:
    left = np.flatnonzero(~result.flagged).tolist()
    core.reviews.judge(finished_job.key, flagged[:3], "clean", "Ada")
    core.reviews.judge(finished_job.key, [*flagged[5:9], *left[:2]], "poisoned", "Ada")
    core.reviews.judge(finished_job.key, [flagged[4], left[3]], "unsure", "Ada")
    core.reviews.judge(finished_job.key, flagged[:50], "clean", "Bo")  # another's verdicts are not mine
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada", truth=truth)
    assert stays(app) == {
        **{"Cut": "220", "Kept after all": "3", "Added": "2"},
        **{"Removed in the end": "219", "Images that stay": f"{len(result.poisoned) - 219:,}"},
    }
    assert "220 cut, 3 kept after all, 2 added." in printed.bodies(app)


def test_a_cut_that_is_tried_on_is_what_the_verdicts_act_on(finished_job: Job, flagged: list[int], open_screen) -> None:
    core.reviews.judge(finished_job.key, flagged, "clean", "Ada")
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada", budget="2")
    assert (stays(app)["Cut"], stays(app)["Kept after all"], stays(app)["Removed in the end"]) == (
        "20",
        "20",
        "0",
    )
    assert any("All images are kept" in caption.value for caption in app.caption)
    assert not [button for button in app.button if button.key == "retrain"]


# --- the run that they make ------------------------------------------------------------------------------


def test_retraining_makes_a_run_of_its_own_that_is_known_again(
    finished_job: Job, result: Result, flagged: list[int], open_screen
) -> None:
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada")
    assert app.button(key="retrain").disabled  # nobody has said anything yet
    core.reviews.judge(finished_job.key, flagged[:3], "clean", "Ada")
    app.run()
    assert not app.button(key="retrain").disabled
    app = press(app, "Retrain with my verdicts")
    (job,) = [one for one in core.jobs.listing(start=False) if one.key != finished_job.key]
    keep = ~result.flagged
    keep[flagged[:3]] = True
    assert (job.kind, job.status) == ("run", "queued")
    assert job.key == core.run_key(core.retraining(finished_job.config, keep))
    assert any("waits in the queue" in info.value for info in app.info)
    assert app.button(key="retrain").disabled
    core.reviews.judge(finished_job.key, flagged[:3], None, "Ada")
    core.reviews.judge(finished_job.key, flagged[:3], "clean", "Bo")  # the same verdicts are the same run
    app = open_screen("flagged", run=finished_job.key, reviewer="Bo")
    assert app.button(key="retrain").disabled
    assert any("waits in the queue" in info.value for info in app.info)


def test_what_came_of_it_stands_beside_the_run_that_was_reviewed(
    finished_job: Job, result: Result, flagged: list[int], open_screen
) -> None:
    core.reviews.judge(finished_job.key, flagged[:3], "clean", "Ada")
    reviewed = retrained(result, flagged[:3])
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada")
    told = figures(app)
    alone = words.share(result.summary["asr2"])
    assert told["Backdoor success after (ASR2), the cut alone → with verdicts"] == f"{alone} → 20.1%"
    lost = (result.summary["clean_removed"], Result(reviewed.config).summary["clean_removed"])
    assert told["Clean lost, the cut alone → with verdicts"] == f"{lost[0]} → {lost[1]}"
    assert "Trained with these verdicts." in [one.value for one in app.success]
    blind = open_screen("flagged", run=finished_job.key, reviewer="Ada", truth="0")
    assert not [name for name in figures(blind) if "ASR" in name]
    app = open_screen("compare", run=reviewed.key, show="Another run")  # beside it, without being asked
    differs, figures_of = (table.value for table in app.table)
    assert differs["Setting"].tolist() == ["Reviewed"]
    success = figures_of.set_index("Figure").loc["Backdoor success after (ASR2) ↓"]
    assert success[["A", "B"]].tolist() == [alone, "20.1%"]
    assert success["B minus A"].startswith("+")  # from the cut to what came of it
    (named,) = [piece.proto.body for piece in app.get("html") if f"{reviewed.config.removed_by}," in piece.proto.body]
    assert named.index("<b>A</b>") < named.index("<b>B</b>") < named.index(reviewed.config.removed_by)
    runs = open_screen("compare", run=reviewed.key, show="All runs")
    listed = next(frame.value for frame in runs.dataframe if "Detector" in frame.value)
    assert {"spectral", reviewed.config.removed_by} <= set(listed["Detector"])


def test_the_run_that_was_made_has_the_same_desk(
    finished_job: Job, result: Result, flagged: list[int], open_screen
) -> None:
    core.reviews.judge(finished_job.key, flagged[:3], "clean", "Ada")
    reviewed = retrained(result, flagged[:3])
    app = open_screen("flagged", run=reviewed.key, reviewer="Ada")
    assert "reviewed image by image: 220 cut, 3 kept after all, 0 added." in app.markdown[0].value
    assert stays(app)["Kept after all"] == "3"
    assert app.button(key="retrain").disabled
    core.reviews.judge(finished_job.key, flagged[3:4], "clean", "Ada")
    app = press(app.run(), "Retrain with my verdicts")
    keep = ~result.flagged
    keep[flagged[:4]] = True
    assert core.jobs.find(core.run_key(core.retraining(finished_job.config, keep)), start=False) is not None


def retrained(result: Result, spared: list[int]) -> Job:
    """The run that verdicts made, done; a fifth of the triggered images still go to the target."""
    made = core.keeping.decided(result.flagged, dict.fromkeys(spared, "clean"))
    wanted = core.retraining(result.config, made.keep)
    truth = result.poisoned.truth.poisoned
    summary = result.summary | {
        **{"asr2": 0.2011, "flagged": made.removed, "config": wanted.model_dump(mode="json")},
        "poisons_left": int((truth & made.keep).sum()),
        "clean_removed": int((~truth & ~made.keep).sum()),
        "reviewed": {"cut": int(made.flagged.sum()), "spared": made.spared, "added": made.added},
    }
    key = core.run_key(wanted)
    result.store.write("run", key, arrays={"flagged": ~made.keep}, document=summary | {"run": key})
    return core.submit(wanted)


# --- taken back ------------------------------------------------------------------------------------------


def acts(app: AppTest, reviewing: gallery.Reviewing, *told: dict[str, Any]) -> dict[str, Any]:
    state = {"current": None, "done": {}, "trouble": ""}
    handles = np.arange(10_000)
    numbered = [{"number": number, **one} for number, one in enumerate(told, 1)]
    gallery.carry_out({"name": "tab", "current": 1, "acts": numbered}, state, handles, reviewing, "page", 1)
    return state


def test_verdicts_are_taken_back_step_by_step(finished_job: Job, result: Result, monkeypatch) -> None:
    import streamlit as st

    monkeypatch.setattr(st, "session_state", {})
    core.reviews.judge(finished_job.key, [2], "poisoned", "Ada")
    book = verdicts.book(result, "Ada")
    reviewing = verdicts.reviewing(book)
    told = [{"ids": [1], "verdict": "clean"}, {"ids": [1, 2, 3], "verdict": "unsure", "over": True}]
    acts(None, reviewing, *told)
    assert core.reviews.verdicts(book.run, "Ada") == {1: "unsure", 2: "unsure", 3: "unsure"}
    state = acts(None, reviewing, {"undo": True})
    assert core.reviews.verdicts(book.run, "Ada") == {1: "clean", 2: "poisoned"}
    assert state["back"] == {"name": "tab", "number": 1, "id": 1}
    acts(None, reviewing, {"undo": True})
    assert core.reviews.verdicts(book.run, "Ada") == {2: "poisoned"}
    state = acts(None, reviewing, {"undo": True})  # there is nothing more to take back
    assert core.reviews.verdicts(book.run, "Ada") == {2: "poisoned"}
    assert "back" not in state


def test_several_at_once_leave_other_verdicts_alone_unless_told(finished_job: Job, result: Result, monkeypatch) -> None:
    import streamlit as st

    monkeypatch.setattr(st, "session_state", {})
    core.reviews.judge(finished_job.key, [2], "poisoned", "Ada")
    reviewing = verdicts.reviewing(verdicts.book(result, "Ada"))
    acts(None, reviewing, {"ids": [1, 2, 3], "verdict": "clean", "over": False})
    assert core.reviews.verdicts(finished_job.key, "Ada") == {1: "clean", 2: "poisoned", 3: "clean"}


# --- filters and views -----------------------------------------------------------------------------------


def test_filters_are_chips_and_go_one_by_one_or_all_at_once(finished_job: Job, open_screen) -> None:
    app = open_screen("flagged", run=finished_job.key, **{"label": "three", "verdict": "not judged", "score from": "1"})
    assert chips(app) == ["verdict not judged", "label three", "score at least 1"]
    app.button(key="chip label").click().run()
    assert chips(app) == ["verdict not judged", "score at least 1"]
    app = press(app, "Clear all")
    assert chips(app) == []
    assert len(ids(app)) == 96


@pytest.mark.parametrize(("truth", "menu"), [("1", "show"), ("0", "part")])
def test_what_the_cut_leaves_can_be_looked_at(
    finished_job: Job, result: Result, open_screen, truth: str, menu: str
) -> None:
    app = open_screen("flagged", run=finished_job.key, truth=truth)
    app.selectbox(key=menu).set_value("Not flagged").run()
    handles = np.arange(len(result.poisoned)) if truth == "1" else core.export.handles(result)
    left = handles[~result.flagged]
    assert set(ids(app)) <= set(left.tolist())
    assert chips(app) == ["Not flagged"]


def views(app: AppTest) -> AppTest:
    return opened(app, saved.MENU)


@pytest.mark.parametrize("name", ["name", "to open", "trouble"])
def test_a_view_may_be_called_anything(finished_job: Job, open_screen, name: str) -> None:
    core.saved_views.save(finished_job.key, name, {"label": "three"})
    app = views(open_screen("flagged", run=finished_job.key))
    assert chips(press(app, name)) == ["label three"]


def test_views_are_read_where_somebody_looks_at_them(finished_job: Job, open_screen, monkeypatch) -> None:
    asked: list[str] = []
    known = core.saved_views.of
    monkeypatch.setattr(core.saved_views, "of", lambda run: [asked.append(run), known(run)][1])
    app = open_screen("flagged", run=finished_job.key)
    assert not asked
    views(app)
    assert asked == [finished_job.key]


def test_a_view_is_saved_by_name_and_opened_by_its_link(finished_job: Job, open_screen) -> None:
    asked = {"label": "three", "order": "lowest score", "score from": "2.5", "size": "64", "budget": "9"}
    app = open_screen("flagged", run=finished_job.key, reviewer="Ada", **asked)
    before = ids(app)
    assert before
    app = views(app)
    app.text_input(key="view name").set_value("doubtful threes").run()
    app = press(app, "Save")
    (one,) = core.saved_views.of(finished_job.key)
    assert one.name == "doubtful threes"
    assert app.code[0].value.endswith(f"run={finished_job.key[:16]}&view=doubtful%20threes&reviewer=Ada")
    other = open_screen("flagged", run=finished_job.key, view="doubtful threes")  # another browser
    assert not other.exception
    assert ids(other) == before
    assert (grid(other)["size"], other.selectbox(key="order").value) == (64, "lowest score")
    assert "90 images flagged" in other.markdown[0].value
    assert chips(other) == ["label three", "score at least 2.5"]
    assert "view" not in other.query_params  # the address says all of it by now
    assert other.query_params["budget"] == "9"


def test_a_view_is_opened_over_another_replaced_and_deleted(finished_job: Job, open_screen) -> None:
    core.saved_views.save(finished_job.key, "threes", {"label": "three"})
    app = open_screen("flagged", run=finished_job.key, label="five", verdict="not judged", page="2")
    app = press(views(app), "threes")
    assert chips(app) == ["label three"]
    app.selectbox(key="label").set_value("seven").run()
    app.text_input(key="view name").set_value("threes").run()
    app = press(app, "Replace")
    assert [one.view for one in core.saved_views.of(finished_job.key)] == [{"label": "seven"}]
    app.button(key="forget view threes").click().run()
    assert core.saved_views.of(finished_job.key) == []
    gone = open_screen("flagged", run=finished_job.key, view="threes")
    assert "The saved view of this link is not here" in gone.warning[0].value
    assert len(ids(gone)) == 96


def test_a_blind_view_stays_blind_and_one_with_the_truth_does_not_tell_it(finished_job: Job, open_screen) -> None:
    core.saved_views.save(finished_job.key, "blind", {"truth": "0", "part": "Not flagged"})
    core.saved_views.save(finished_job.key, "told", {"show": "Missed poisons ✕", "order": "original class"})
    app = open_screen("flagged", run=finished_job.key, view="blind")
    assert app.query_params["truth"] == ["0"] or app.query_params["truth"] == "0"
    assert "show" not in {box.key for box in app.selectbox}
    assert chips(app) == ["Not flagged"]
    app = open_screen("flagged", run=finished_job.key, view="told", truth="0")
    assert not app.exception
    assert app.selectbox(key="order").value == "highest score"
    assert chips(app) == []


def test_a_view_that_was_tampered_with_is_passed_over(finished_job: Job, open_screen) -> None:
    nonsense = {
        "label": "elephant",
        "size": "huge",
        "score from": "x",
        "detector": "luck",
        "budget": "-3",
        "order": "?",
    }
    core.saved_views.save(finished_job.key, "odd", nonsense)
    app = open_screen("flagged", run=finished_job.key, view="odd")
    assert not app.exception
    assert "220 images flagged" in app.markdown[0].value
    assert len(ids(app)) == 96


def test_a_names_markdown_is_not_carried_out(finished_job: Job, open_screen) -> None:
    core.saved_views.save(finished_job.key, "**loud** [x](http://example.org)", {"label": "three"})
    app = views(open_screen("flagged", run=finished_job.key))
    (label,) = [button.label for button in app.button if button.key and button.key.startswith("open view ")]
    assert "**loud**" not in label
    app = next(button for button in app.button if button.label == label).click().run()
    assert chips(app) == ["label three"]


# --- exports of a part -----------------------------------------------------------------------------------


def test_what_is_exported_is_chosen_by_what_is_there(finished_job: Job, open_screen) -> None:
    app = opened(open_screen("flagged", run=finished_job.key, label="three"), taking.DRAWER)
    assert which(app).options[1:] == [f"The {len(ids(app))} filtered"]
    which(app).set_value("filtered").run()
    empty = app.number_input(key="score from").set_value(1e9).run()
    assert not empty.exception
    assert ids(empty) == []
    assert which(empty).value == "all"


def test_what_was_chosen_and_is_out_of_sight_is_not_offered(finished_job: Job, open_screen) -> None:
    app = opened(open_screen("flagged", run=finished_job.key), taking.DRAWER)
    for leave in (
        lambda: app.selectbox(key="show").set_value("True positives ✕"),
        lambda: app.selectbox(key="show").set_value("Missed poisons ✕"),  # none: no grid at all
        lambda: app.session_state.__setitem__("page", 2),
        lambda: app.text_input(key="reviewer").set_value("Bo"),
    ):
        app.selectbox(key="show").set_value("All flagged")
        app.session_state["page"] = 1
        app.run()
        benign = [tile["id"] for tile in grid(app)["tiles"] if tile["kind"] == "benign"][:2]
        app.session_state["grid board"]["chosen"] = benign  # as carry_out keeps what the grid told
        app.run()
        assert which(app).options[-1] == "The 2 chosen"
        which(app).set_value("chosen").run()
        leave()
        app.run()
        assert not app.exception
        assert "chosen" not in " ".join(which(app).options)
        assert which(app).value == "all"


def which(app: AppTest) -> Any:
    (control,) = [one for one in app.segmented_control if one.label == "Which images"]
    return control


def test_the_benign_control_run_has_a_desk_too(open_screen) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    app = open_screen("flagged", run=job.key, budget="0")
    assert not app.exception
    assert stays(app)["Removed in the end"] == "0"
