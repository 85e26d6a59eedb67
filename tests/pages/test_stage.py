"""The slides of presenter mode: for each kind of run sentences that are true of it; the run that is trained live."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, Result, jobs
from core.configuration import DATASETS, DETECTORS
from core.jobs import requests
from pages.parts.around import presenter, words
from pages.parts.common import sees
from pages.parts.stage import cloud, contrast, live, told
from pages.parts.story import facts, pictures
from tests.hostile import EVIL, check, evil
from tests.pages import stored
from tests.pages.conftest import Open


def html(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def claims(app: AppTest) -> list[str]:
    """What the slides say, in their order."""
    assert not app.exception
    return [unescape(claim) for claim in re.findall(r"<h1>(.*?)</h1>", html(app))]


def figures(app: AppTest) -> list[str]:
    return re.findall(r"<p class='ps-big'><b>(.*?)</b>", html(app))


def opened(open_screen: Open, job: Job, **address: str) -> AppTest:
    return open_screen("story", run=job.key[:16], present="1", **address)


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started here waits in the queue."""
    monkeypatch.setattr(requests, "attended", lambda job, start: job)


# --- each kind of run ------------------------------------------------------------------------------------


def test_a_backdoor_that_was_found(open_screen: Open, recording: str) -> None:
    app = open_screen("story", present="1")
    found = Result(core.recorded.runs()[0][1]).summary
    said = claims(app)
    assert len(said) == presenter.SLIDES
    assert said[0] == "200 training images of 20,200 planted a backdoor"
    assert said[1] == "The trigger changes 5 of 1,024 pixels, and the attacker the label: automobile becomes horse"
    assert said[2] == f"With the trigger, {words.share(found['asr1'])} of test images are taken for horse"
    assert said[3] == "Along one direction the poison slides away"
    assert said[4] == "The cut removes all 200 poisoned images"
    assert said[5] == "Trained anew on the rest, the trigger works on 2.1%, not on 99.7%"
    assert figures(app)[:6] == ["0.99%", "5", "99.7%", "1.000", "0", "2.1%"]


def test_a_failed_defence_of_the_same_attack_stands_beside_it(open_screen: Open, recording: str) -> None:
    app = open_screen("story", present="1")
    beside = Result(core.recorded.runs()[1][1]).summary
    assert beside["asr2"] > 0.9
    assert claims(app)[6] == (
        f"The same attack against spectral: {beside['poisons_left']} of 200 poisoned images stay, and the trigger "
        f"works on {words.share(beside['asr2'])}"
    )
    assert figures(app)[6] == words.share(beside["asr2"])


def test_the_failed_defence_itself_says_so_and_shows_one_that_worked(open_screen: Open, recording: str) -> None:
    (_, _), (_, config) = core.recorded.runs()
    core.install_recorded()
    app = open_screen("story", run=core.run_key(config)[:16], present="1")
    said = claims(app)
    assert said[4] == "The cut removes 178 of 200 poisoned images; 22 stay"
    assert said[5] == "Trained anew on the rest, the trigger works as before: on 99.8%"
    assert said[6].startswith("This defence failed. With whitened-spectral, 0 of 200 poisoned images stay")
    assert "slides away" in said[3]  # the axis is right, the cut is not


def test_the_clean_control_claims_no_poison(open_screen: Open) -> None:
    job = stored.finished(stored.config(ratio=0.0))
    app = opened(open_screen, job)
    found, said = Result(job.config).summary, claims(app)
    assert said[0] == "Nothing is planted here: this run is the clean control"
    assert said[1].endswith("here no image bears it")
    assert "never met the trigger" in said[2]
    assert said[3] == "With nothing planted, spectral only ranks odd images"
    assert said[4] == f"The cut removes {words.count(found['clean_removed'], 'clean image')}: there was nothing to find"
    assert said[5].startswith("Trained anew, the network is right on")
    assert said[6] == "Nothing was planted here, so no defence could fail"
    assert figures(app)[4] == f"{found['clean_removed']:,}"
    assert "What does a defence do where there is nothing to find?" in html(app)
    assert "ps-pd" not in html(app).split("</style>")[-1]
    assert live.CLEAN in html(app)


def test_an_attack_that_did_not_take_is_not_called_a_backdoor(open_screen: Open) -> None:
    job = stored.finished(stored.config(), asr1=0.04)
    said = claims(opened(open_screen, job))
    assert said[0] == "31 of 1,532 training images are poisoned"
    assert (
        said[2]
        == f"The attack works on {words.share(Result(job.config).summary['asr1'])} of triggered test images only"
    )
    assert said[5].startswith("There was little to undo")


@pytest.mark.parametrize("cover_ratio", [0.0, 1.0])
def test_an_attack_from_one_class_is_judged_by_that_class(open_screen: Open, cover_ratio: float) -> None:
    job = stored.finished(stored.config(source="seven", cover_ratio=cover_ratio))
    found, app = Result(job.config).summary, opened(open_screen, job)
    assert found["asr1"] < 0.2 < 0.8 < found["source_asr1"]
    said, works = claims(app), words.share(found["source_asr1"])
    assert said[0].endswith("planted a backdoor")
    assert said[2] == f"With the trigger, {works} of test images of the class seven are taken for three"
    assert said[5] == (
        f"Trained anew on the rest, the trigger works on {words.share(found['source_asr2'])} of images of the class "
        f"seven, not on {works}"
    )
    assert figures(app)[2] == works
    assert f"(of every class but three: {words.share(found['asr1'])})" in html(app)
    other = Result(stored.finished(stored.config(source="seven", cover_ratio=cover_ratio, seed=1)).config)
    assert live._figures(other.summary, other.config)[0] == (
        "ASR of the class seven", words.share(other.summary["source_asr1"]), words.share(other.summary["source_asr2"])
    )  # fmt: skip
    assert live._figures({"asr1": 0.1}, other.config)[0] == ("ASR of all classes", "10.0%", "—")
    for screen in ("scores", "compare"):
        app = open_screen(screen, run=job.key[:16])
        assert not any("hardly learned" in warning.value for warning in app.warning)


def test_one_that_does_not_work_on_its_class_is_told_by_it(open_screen: Open) -> None:
    job = stored.finished(stored.config(source="seven"), asr1=0.2)
    found = Result(job.config).summary
    works = words.share(found["source_asr1"])
    assert claims(opened(open_screen, job))[2] == (
        f"The attack works on {works} of triggered test images of the class seven only"
    )
    for screen, says in (("scores", f"(ASR1 {works} of the class seven)"), ("compare", f"only {works} of the")):
        assert any(says in warning.value for warning in open_screen(screen, run=job.key[:16]).warning)


def test_a_control_that_loses_nothing_is_said_to(open_screen: Open) -> None:
    job = stored.finished(stored.config(ratio=0.0), removes=False)
    said = claims(opened(open_screen, job))
    right = words.share(Result(job.config).summary["nat2"])
    assert said[4] == "The detector removed nothing, as it should"
    assert said[5] == f"Nothing was removed, so the network is the same: right on {right}"
    assert "nobody looks at" not in html(open_screen("story", run=job.key[:16], notes="1"))


def test_a_small_share_of_the_set_has_two_digits(own_home) -> None:
    told_of = facts.Facts(Result(stored.config()))
    told_of.found = {"poisons": 25, "of_training_set": 25 / 50_025, "asr1": 0.9, "asr2": 0.05}
    assert told.backdoor(told_of).figure == "0.05%"


@pytest.mark.parametrize("labels", ["all_to_one", "clean_label"])
def test_where_pictures_are_missing_the_sentences_end(open_screen: Open, monkeypatch, labels: str) -> None:
    settings = {"ratio": 0.4, "placement": "replace"} if labels == "clean_label" else {}
    job = stored.finished(stored.config(labels=labels, **settings))
    monkeypatch.setattr(pictures, "stamped", lambda result: None)
    app = opened(open_screen, job)
    end = "the label stays true" if labels == "clean_label" else "the attacker the label"
    assert claims(app)[1].endswith(f"pixels, and {end}")
    monkeypatch.setattr(facts.Facts, "pair", None)
    app = opened(open_screen, job)
    assert claims(app)[1] == "The trigger, on plain grey"
    assert "of 0" not in html(app).split("data-slide='2'")[1].split("</article>")[0]


def test_several_triggers_are_all_on_the_grey(own_home) -> None:
    attack = stored.config(also=[{"trigger": "pixel"}, {"trigger": "blended"}])
    assert facts.Facts(Result(attack)).trigger == "all 3 triggers"


def test_a_defence_that_finds_nothing(open_screen: Open) -> None:
    job = stored.finished(stored.config(), asr2=0.9, removes=False)
    found, said = Result(job.config).summary, claims(opened(open_screen, job))
    assert found["poisons_left"] == found["poisons"] == 31
    assert said[4] == "The detector removed nothing, though 31 poisoned images are there"
    after = words.share(found["asr2"])
    assert said[5] == f"Nothing was removed, so the network is the same: the trigger works on {after}"
    assert not any("Trained" in claim for claim in said)
    assert said[6] == "Nothing was removed: at that budget no filter finds any"


def test_where_no_other_run_is_there_a_filter_that_knows_stands_beside(open_screen: Open) -> None:
    job = stored.finished(stored.config(), asr2=0.9)
    assert claims(opened(open_screen, job))[6] == "A filter that knows: 0 of 31 poisoned images stay"


def test_a_detector_without_an_svd_is_not_told_as_one(open_screen: Open) -> None:
    job = stored.finished(stored.config(detector="isolation-forest"))
    app = opened(open_screen, job)
    assert "What the detector sees" in html(app)
    assert "direction" not in claims(app)[3]
    assert claims(app)[3].startswith("isolation-forest")


def test_a_detector_of_the_images_shows_no_representations(open_screen: Open) -> None:
    job = stored.finished(stored.config(detector="mirror"))
    app = opened(open_screen, job)
    assert "representations, in a plane" not in html(app)
    assert unescape(sees.SEES["mirror"].looks.rstrip(".").lower()) in unescape(html(app))


def test_all_to_all_has_no_target(open_screen: Open) -> None:
    job = stored.finished(stored.config(labels="all_to_all", detector="whitened-spectral"))
    app = opened(open_screen, job)
    assert "are taken for the class after their own" in claims(app)[2]
    assert "the mean over the classes" in html(app)


def test_a_clean_label_attack_changes_no_label(open_screen: Open) -> None:
    job = stored.finished(
        stored.config(trigger="sinusoid", labels="clean_label", ratio=0.4, placement="replace", target="three")
    )
    said = claims(opened(open_screen, job))
    assert said[1].endswith("and the label three stays true")


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_has_a_fourth_slide(detector: str, own_home) -> None:
    """In the sentences alone: some scores need what no made-up run has."""
    told_of = facts.Facts(Result(stored.config(detector=detector)))
    told_of.found = {"poisons": 31, "asr1": 0.9, "asr2": 0.05}
    for auroc in (0.99, 0.7, 0.2):
        claim = told._apart(told_of, auroc)
        assert sees.SEES[detector].svd or "direction" not in claim
        assert ("slides away" in claim or "apart" in claim) == (auroc > facts.APART)


# --- what it is made of ----------------------------------------------------------------------------------


def test_the_marks_are_drawn_evenly_from_the_ranking() -> None:
    members = np.arange(1000) + 7
    poisoned = np.arange(1000) >= 900
    ids = cloud.sample(members, poisoned, np.linspace(0, 1, 2000)[7:1007], 10)
    assert len(ids) == 100
    assert poisoned[ids - 7].sum() == 10
    assert ids.max() == 1006  # both ends of the ranking
    assert ids.min() < 17


def test_marks_of_one_bin_lie_upon_each_other() -> None:
    piles = cloud._piles(np.array([3, 3, 5, 3]))
    assert piles.tolist() == [0.0, cloud.STEP, 0.0, 2 * cloud.STEP]
    assert cloud._piles(np.zeros(500, int)).max() <= cloud.HIGHEST


def test_the_motion_is_left_out_for_who_prefers_none(open_screen: Open, finished_job: Job) -> None:
    style = html(opened(open_screen, finished_job))
    moving = style.index("@media (prefers-reduced-motion: no-preference)")
    assert "animation:" not in style[:moving]
    after = style[style.index("@keyframes") :]
    assert "animation:" not in after


def test_the_speakers_notes_have_every_slide(open_screen: Open, finished_job: Job) -> None:
    app = open_screen("story", run=finished_job.key[:16], notes="1")
    assert len(claims(app)) == presenter.SLIDES
    assert "Next: " in html(app)
    assert "The last slide." in html(app)
    assert not app.sidebar.toggle
    assert "present" not in app.query_params


@pytest.mark.parametrize("how", ["present", "notes"])
def test_blind_review_is_told_nothing(open_screen: Open, finished_job: Job, how: str) -> None:
    app = open_screen("story", run=finished_job.key, truth="0", **{how: "1"})
    assert not claims(app)
    assert "blind review" in app.info[0].value


@pytest.mark.parametrize(("asked", "first"), [("3", 3), ("0", 1), ("12", presenter.SLIDES), ("x", 1), ("-3", 1)])
def test_a_step_is_a_slide_and_an_impossible_one_the_nearest(
    open_screen: Open, finished_job: Job, asked: str, first: int
) -> None:
    app = opened(open_screen, finished_job, step=asked)
    assert f'html:not([data-slide]) .ps-slide[data-slide="{first}"]' in html(app)


@pytest.mark.parametrize("screen", presenter.TOLD)
def test_a_link_to_another_screen_opens_the_slide_that_tells_it(
    open_screen: Open, finished_job: Job, screen: str
) -> None:
    app = open_screen(screen, run=finished_job.key[:16], present="1")
    assert len(claims(app)) == presenter.SLIDES
    assert app.query_params["step"] == str(presenter.TOLD[screen])
    assert finished_job.key.startswith(app.query_params["run"])


def test_a_damaged_run_offers_no_training_to_a_presenter(open_screen: Open, finished_job: Job) -> None:
    core.Store().delete("run", finished_job.key)
    app = opened(open_screen, finished_job)
    assert not app.exception
    assert "damaged or missing" in app.info[0].value
    assert [button.key for button in app.button] == [presenter.LEAVE]


def test_leaving_ends_the_mode_on_the_story(open_screen: Open, finished_job: Job) -> None:
    app = opened(open_screen, finished_job, step="4")
    app.button(key=presenter.LEAVE).click().run()
    assert not {"present", "step"} & set(app.query_params)
    assert app.title[0].value == "See a backdoor in a training set"


def test_hostile_names_stay_words(open_screen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS["digits"].facts, "class_names", tuple(evil(label) for label in range(10)))
    job = stored.finished(stored.config(target=evil(3)))
    for address in ({"present": "1"}, {"notes": "1"}):
        app = open_screen("story", run=job.key, **address)
        assert not app.exception
        assert any(check(element.proto.body).says(EVIL) for element in app.get("html"))


# --- live ------------------------------------------------------------------------------------------------


def test_the_next_seed_of_the_runs_own_attack_is_armed(own_home, finished_job: Job) -> None:
    armed = live.armed(Result(finished_job.config))
    assert armed.seed == 1
    assert armed.model_copy(update={"seed": 0}) == finished_job.config


def test_where_the_images_are_not_here_the_digits_are_armed(own_home, recording: str, monkeypatch) -> None:
    monkeypatch.setattr(core.datasets, "available", lambda name: name == "digits")
    config = core.recorded.runs()[0][1]
    armed = live.armed(Result(config))
    assert armed.dataset.name == "digits"
    assert (armed.attack.trigger, armed.attack.parameters) == (config.attack.trigger, config.attack.parameters)
    assert armed.defence.detector == config.defence.detector


def test_the_slide_says_which_run_and_how_long_and_starts_nothing(open_screen: Open, finished_job: Job) -> None:
    app = opened(open_screen, finished_job, step="8")
    assert claims(app)[-1] == "Next, before your eyes: pattern → three, on digits"
    assert "seed 1. Takes" in html(app)
    assert [job.key for job in jobs.listing(start=False)] == [finished_job.key]


def test_a_started_run_is_named_in_the_address_and_told_as_it_goes(
    open_screen: Open, finished_job: Job, no_worker
) -> None:
    wanted = live.armed(Result(finished_job.config))
    job = core.submit(wanted)
    app = opened(open_screen, finished_job, live=job.key[:16])
    assert claims(app)[-1] == "Live: pattern → three, on digits"
    assert "Waits for its turn" in html(app)
    assert "data-stage-do='cancel'" in html(app)


def test_a_run_on_its_way_shows_its_scores_before_it_is_done(own_home, no_worker) -> None:
    wanted = stored.config(seed=5)
    stored.finished(wanted)
    store = core.Store()
    store.delete("run", core.run_key(wanted))
    job = core.submit(wanted)
    assert job.status == "queued"
    said = live.going(job)
    assert "ps-hist" in said["picture"]
    assert "ps-cut" in said["picture"]
    assert said["figures"][0][1] == words.share(Result(wanted).quality("poisoned").asr)
    assert said["figures"][2][1:3] == ("31", "—")


def test_at_its_end_it_says_before_and_after(open_screen: Open, finished_job: Job) -> None:
    other = stored.finished(stored.config(seed=5))
    found = Result(other.config).summary
    app = opened(open_screen, finished_job, live=other.key[:16])
    assert claims(app)[-1] == told.cleaned(facts.Facts(Result(other.config))).claim
    for figure in ("asr1", "asr2", "nat1", "nat2"):
        assert words.share(found[figure]) in html(app)[html(app).index("ps-table'") :]
    assert "Arm another" in html(app)


def test_arm_another_after_an_armed_run_is_its_next_seed(open_screen: Open, finished_job: Job, monkeypatch) -> None:
    mine = stored.config(trigger="pixel", seed=7)
    ended = stored.finished(mine)
    state = {live.ARMED: mine.model_dump_json(), live.TROUBLE: "The disk is full."}
    monkeypatch.setattr(live.st, "session_state", state)
    monkeypatch.setattr(live.st, "query_params", {presenter.LIVE: ended.key[:16]})
    live.again()
    assert presenter.LIVE not in live.st.query_params
    (armed,) = state.items()
    assert armed == (live.ARMED, mine.model_copy(update={"seed": 8}).model_dump_json())
    said = live.ready(live.armed(Result(finished_job.config)))["wait"]
    assert "seed 8. Takes" in said
    assert live.UNARMED not in said


def test_arming_forgets_what_kept_the_last_one_from_starting(own_home, monkeypatch) -> None:
    state = {live.TROUBLE: "The disk is full."}
    monkeypatch.setattr(live.st, "session_state", state)
    monkeypatch.setattr(live.st, "query_params", {})
    live.arm(stored.config())
    assert list(state) == [live.ARMED]


def test_a_tab_in_which_nothing_was_armed_says_so(open_screen: Open, finished_job: Job) -> None:
    assert live.UNARMED in html(opened(open_screen, finished_job))


def test_the_slides_links_keep_the_live_run(open_screen: Open, finished_job: Job, no_worker) -> None:
    job = core.submit(live.armed(Result(finished_job.config)))
    app = opened(open_screen, finished_job, live=job.key[:16])
    asked = [one.proto.query_string for one in app.get("page_link")]
    assert len(asked) == presenter.SLIDES - 2
    assert all(f"live={job.key[:16]}" in one and "present=0" in one for one in asked)


@pytest.mark.parametrize("run", ["unfinished", "unknown", "without images"])
def test_where_there_is_nothing_to_present_the_links_lead_out(
    open_screen: Open, no_worker, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    job = stored.finished(stored.config()) if run == "without images" else core.submit(stored.config())
    if run == "without images":
        monkeypatch.setattr(core.datasets, "available", lambda name: False)
    for presented, out in (("1", True), ("0", False)):
        app = open_screen("story", run="0123456789abcdef" if run == "unknown" else job.key[:16], present=presented)
        asked = [one.proto.query_string for one in app.get("page_link")]
        assert asked
        assert all(("present=0" in one) == out for one in asked)


def test_an_unknown_live_run_is_passed_over(open_screen: Open, finished_job: Job) -> None:
    app = opened(open_screen, finished_job, live="0123456789abcdef")
    assert claims(app)[-1].startswith("Next, before your eyes")


# --- a failed defence beside the success -----------------------------------------------------------------


def test_of_a_network_with_two_defences_the_one_that_ended_otherwise_is_shown(own_home) -> None:
    good = stored.finished(stored.config(detector="whitened-spectral"))
    bad = stored.finished(stored.config(detector="spectral", assumed_ratio=0.01), asr2=0.8)
    beside = contrast.other(facts.Facts(Result(good.config)))
    assert beside is not None
    assert (beside.title, beside.what) == (bad.config.removed_by, contrast.SAME)
    assert beside.left == Result(bad.config).summary["poisons_left"]
    assert contrast.other(facts.Facts(Result(bad.config))).title == good.config.removed_by
