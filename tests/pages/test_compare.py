"""The Compare screen: the figures it shows are those of the store, and each stands beside what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import Job, jobs
from core.jobs.ledger import change
from pages.parts.around import cuts, words
from pages.parts.compare import ledger, side_by_side
from tests.hostile import Page
from tests.pages import stored
from tests.pages.seen import fine, labels, press, said, table

APP = Path(__file__).resolve().parents[2] / "app.py"
OTHERS, REPORT, BESIDE, RUNS = "Other filters", "The report", "Another run", "All runs"


def compare(run: str | None = None, show: str = "", **address: str) -> AppTest:
    """The screen at a run's address, with one of its tabs open."""
    screen = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in ({"run": (run or "")[:16], "show": show} | address).items():
        if value:
            screen.query_params[name] = value
    screen.switch_page("pages/compare.py")
    return fine(screen.run())


def asked(screen: AppTest, name: str) -> str:
    """What the address says: AppTest keeps a list of what came with it, and a word of what was set."""
    value = screen.query_params[name]
    return value[0] if isinstance(value, list) else value


def bodies(screen: AppTest) -> list[str]:
    """What the screen holds as HTML of its own."""
    return [element.proto.body for element in screen.get("html")]


def test_without_a_run_it_says_what_to_do() -> None:
    screen = compare()
    assert "No run is chosen yet" in screen.info[0].value
    assert not screen.metric


def test_an_unknown_link_is_explained() -> None:
    assert "No run here is called 0123456789abcdef" in compare("0123456789abcdef").warning[0].value


def test_a_run_that_is_not_finished_says_how_far_it_is() -> None:
    job = core.submit(stored.config())
    assert "waits in the queue" in compare(job.key).info[0].value


def test_the_figures_are_those_of_the_store() -> None:
    job = stored.finished(stored.config())
    found = core.Result(job.config).summary
    screen = compare(job.key)
    shown = {metric.label: (metric.value, metric.delta) for metric in screen.metric}
    asr = words.figure("ASR")
    before, after = asr.write(found["asr1"]), asr.write(found["asr2"])
    points = Decimal(after.rstrip("%")) - Decimal(before.rstrip("%"))
    assert shown["Backdoor success (ASR), before → after"] == (f"{before} → {after}", f"{points:+} points")
    (cards,) = [text for text in bodies(screen) if "ps-figures" in text]
    for name, value in (
        ("Poison left", f"{found['poisons_left']}"),
        ("Clean lost", f"{found['clean_removed']}"),
        ("Poison found (TPR)", f"{100 * found['tpr']:.1f}%"),
        ("Ranking (AUROC)", f"{found['auroc']:.3f}"),
    ):
        assert f"<dt>{name}</dt><dd class='ps-value'>{value}</dd>" in cards


def test_assumption_budget_and_scope_are_said_in_words() -> None:
    job = stored.finished(stored.config())
    text = said(compare(job.key, OTHERS))
    assert "**ε = 15** poisoned images" in text
    assert "**1.5·ε = 22** with the highest scores were removed from **every class**: 220 images in all" in text
    assert "In truth the attacker had poisoned 31" in text


def test_a_cut_at_the_gap_assumes_nothing_and_says_what_went_of_which_class() -> None:
    job = stored.finished(stored.gap_config())
    removed = core.Result(job.config).summary["flagged"]
    screen = compare(job.key, OTHERS)
    text = said(screen)
    assert (
        "The cut was made where the two groups of the class three part, with no number of poisoned images assumed"
        in text
    )
    assert f"this removed {removed} images labelled three. In truth the attacker had poisoned 31" in text
    assert "As many images, taken at random" in text
    assert "This run is cut at the gap, the others at 1.5·ε for an assumed ratio of 10%." in text
    assert "The defender assumed" not in text
    assert "**Pattern → three, 20% of the class** · whitened-spectral at the gap" in text
    (own,) = [row for row in table(screen, "Detector").itertuples() if "this run" in row.Index]
    assert own.Cut == "at the gap"


def test_two_runs_that_differ_in_the_cut_alone_do_not_look_alike() -> None:
    gap = stored.finished(stored.gap_config())
    budget = stored.finished(stored.config(detector="whitened-spectral"))
    assert words.label(gap) != words.label(budget)
    assert words.label(gap, blind=True).endswith("whitened-spectral at the gap")
    assert set(ledger.frame([gap, budget])["Detector"]) == {"whitened-spectral at the gap", "whitened-spectral"}
    screen = compare(gap.key, BESIDE)
    (settings,) = [one.value for one in screen.table if "Setting" in one.value.columns]
    assert settings.set_index("Setting").loc["Cut"].tolist() == ["at the gap; no number is assumed", "at the budget"]


def test_a_named_class_is_named() -> None:
    job = stored.finished(stored.config(detector="whitened-spectral"))
    assert "the classes that the detector calls suspicious, **three**: 22 in all" in said(compare(job.key, OTHERS))


def test_random_and_perfect_filters_stand_beside() -> None:
    job = stored.finished(stored.config())
    filters = table(compare(job.key, OTHERS), "Filter")
    assert list(filters.index) == ["this filter", "random filter", "perfect filter"]
    left = filters["#Pois left"]
    assert left["perfect filter"] == 0 < left["this filter"] < left["random filter"] < 31
    assert filters.loc["perfect filter", "TPR"] == 100


def scoring_buttons(screen: AppTest) -> list[str]:
    return [button.key for button in screen.button if (button.key or "").startswith("score ")]


FROM_NETWORK = {"losses", "entropies", "attributions"}
NEEDING_MORE = [name for name, entry in core.DETECTORS.items() if FROM_NETWORK & {*entry.needs, *entry.may}]


def test_every_detector_is_listed_and_what_is_stored_is_shown_at_once() -> None:
    job = stored.finished(stored.config())
    found = core.Result(job.config).summary
    screen = compare(job.key, OTHERS)
    rows = table(screen, "Detector")
    assert [name.removesuffix(" (this run)") for name in rows.index] == list(core.DETECTORS)
    assert rows.loc["spectral (this run)", "AUROC"] == pytest.approx(found["auroc"])
    assert rows.loc["spectral (this run)", "#Pois left"] == found["poisons_left"]
    assert rows.loc["whitened-spectral", "Removed from"] == "named classes"
    others = [name for name in core.DETECTORS if name != "spectral"]
    assert rows.loc[others, ["AUROC", "AP", "#Pois left", "Clean removed"]].isna().all(axis=None), "nobody has asked"
    able = [name for name in others if name not in NEEDING_MORE]
    assert scoring_buttons(screen) == [*(f"score {name}" for name in able), "score all"]
    said = [caption.value for caption in screen.caption]
    assert any(why.startswith("Loss-isolation reads the losses of the training, and none were kept") for why in said)
    assert any("Strip asks the network" in why and "the network is not stored" in why for why in said)


def test_a_detector_scores_when_it_is_asked_and_its_figures_stay() -> None:
    job = stored.finished(stored.config())
    result = core.Result(job.config)
    screen = fine(compare(job.key, OTHERS).button("score spectral-top-k").click().run())
    defence = cuts.defence_of(result, "spectral-top-k")
    assert result.has_scores(defence)
    keep = core.filter.keep_mask(result.detection(defence), result.poisoned.labels, defence)
    left = int((keep & result.poisoned.truth.poisoned).sum())
    for again in (screen, compare(job.key, OTHERS)):
        assert table(again, "Detector").loc["spectral-top-k", "#Pois left"] == left
        assert "score spectral-top-k" not in scoring_buttons(again)
        assert pd.isna(table(again, "Detector").loc["spectre", "AUROC"])


def test_all_detectors_score_at_one_click() -> None:
    job = stored.finished(stored.few(training={"per_class": 20}), weights=True)
    screen = fine(compare(job.key, OTHERS).button("score all").click().run())
    rows = table(screen, "Detector")
    assert rows["AUROC"].notna().all()
    assert rows.loc["loss-isolation", "AUROC"] == 1.0
    assert rows.loc["scan", "AUROC"] > 0.95
    assert not scoring_buttons(screen)
    assert not screen.warning


def test_a_detector_that_cannot_score_says_why_and_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    job = stored.finished(stored.few(training={"per_class": 20}))
    monkeypatch.setattr("core.results.result.detect", refuse_knn(core.detect))
    screen = fine(compare(job.key, OTHERS).button("score all").click().run())
    assert screen.warning[0].value == "knn: Too many images."
    rows = table(screen, "Detector")
    assert rows["AUROC"].isna().tolist() == [name in ("knn", *NEEDING_MORE) for name in core.DETECTORS]
    assert scoring_buttons(screen) == ["score knn"]


def refuse_knn(detect: Callable[..., core.Detection]) -> Callable[..., core.Detection]:
    def refuse(detector: str, *given: object) -> core.Detection:
        if detector == "knn":
            raise core.BadRequest("too many images")
        return detect(detector, *given)

    return refuse


def test_a_back_door_that_was_hardly_learned_is_warned_of() -> None:
    job = stored.finished(stored.config(), asr1=0.3)
    assert "The backdoor was hardly learned: only 30.1%" in compare(job.key).warning[0].value
    assert not compare(stored.finished(stored.config(seed=1)).key).warning


def test_the_benign_reference_is_offered_then_shown() -> None:
    wanted = stored.config()
    job = stored.finished(wanted)
    screen = compare(job.key, OTHERS)
    (offer,) = [button for button in screen.button if "benign reference" in button.label]
    assert offer.label == "Train the benign reference (30 to 70 s)"
    fine(offer.click().run())
    (asked,) = [one for one in jobs.listing() if one.kind == "benign"]
    assert asked.key == core.benign_key(wanted)
    assert "Waits for its turn" in said(screen)
    stored.benign(wanted)
    change(asked.id, "status = 'done'")
    assert "takes **3.0%** of the same triggered images" in said(compare(job.key, OTHERS))


def test_the_reports_row_or_that_there_is_none() -> None:
    assert "The report has no row for this setting" in said(compare(stored.finished(stored.config()).key, REPORT))


def test_the_reports_row_for_cifar10(cifar10_home: Path) -> None:
    attack = dict(trigger="pattern", target="dog", ratio=0.1)
    wanted = core.configure(**attack, detector="whitened-spectral", training={"per_class": 40, "epochs": 2})
    job = stored.finished(wanted)
    screen = compare(job.key, REPORT)
    rows = table(screen, "")
    assert rows.loc["the report"].tolist() == ["92.2%", "93.2%", "3", "92.6%", "0.4%"]
    assert rows.loc["this run", "ASR1"] == f"{100 * core.Result(wanted).summary['asr1']:.1f}%"
    measured = core.reference.measured(wanted)
    ours = rows.loc[f"recipe quick, {words.count(measured.runs, 'seed')}", "Nat1"]
    assert ours.startswith(f"{100 * measured.mean['nat1']:.1f}")
    assert ("±" in ours) == (measured.runs > 1)
    assert "**measured** on" in said(screen)


def test_the_answers_of_both_networks_stand_as_matrices() -> None:
    job = stored.finished(stored.config())
    screen = compare(job.key)
    before, after = matrices(screen)
    assert "Before: the poisoned network, triggered test images" in before
    assert before.count("class='ps-target ps-full'") >= 8  # nearly everything is taken for the target class
    assert after.count("class='ps-target ps-full'") <= 2  # all but the target class itself are right again
    for drawn in (before, after):
        assert drawn.startswith("<style>")
        assert drawn.count("<style>") == drawn.count("</style>") == 1
    fine(screen.segmented_control("confusion images").set_value("clean").run())
    assert "ps-target'" not in "".join(matrices(screen))


def matrices(screen: AppTest) -> list[str]:
    return [text for text in bodies(screen) if "<table class='ps-matrix'>" in text]


def test_what_differs_between_two_runs_stands_before_their_figures() -> None:
    first = stored.finished(stored.config())
    second = stored.finished(stored.config(detector="whitened-spectral"))
    stored.finished(stored.config(seed=3))
    screen = compare(first.key, BESIDE)
    assert screen.selectbox("second run").value == second.key[:16]  # the same network, another detector
    settings, figures = (element.value for element in screen.table)
    assert settings["Setting"].tolist() == ["Detector", "Detector's threshold", "Removed from"]
    one, two = (core.Result(job.config).summary for job in (first, second))
    rows = figures.set_index("Figure")
    assert rows.loc["Poison left ↓", ["A", "B"]].tolist() == [str(one["poisons_left"]), str(two["poisons_left"])]
    assert rows.loc["Clean lost ↓", "B minus A"] == f"{two['clean_removed'] - one['clean_removed']:+,}"
    assert rows.loc["Backdoor success before (ASR1) ↓", "B minus A"] == "the same"


def test_a_runs_name_is_no_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stored.finished(stored.config()), stored.finished(stored.config(detector="whitened-spectral"))
    name = "**loud** ![](http://example.org/x)"
    core.jobs.rename(second.id, name)
    screen = compare(first.key, BESIDE)
    assert any(Page(body).says(name) for body in bodies(screen))
    assert not any("example.org" in part.value for part in screen.markdown)
    with ticked(monkeypatch, first.key, second.key):
        screen = compare(first.key, RUNS)
        (settings,) = [table.value for table in screen.table]
        assert words.plain(f"2 · {name}") in settings.columns
        press(screen, "Delete …")
        assert any(Page(body).says(name) for body in bodies(screen))
    assert not any("example.org" in part.value for part in screen.markdown)


def test_the_second_run_is_the_one_that_the_link_names() -> None:
    first, second = stored.finished(stored.config()), stored.finished(stored.config(seed=5))
    stored.finished(stored.config(detector="whitened-spectral"))
    screen = compare(first.key, BESIDE, **{"with": second.key[:16]})
    assert screen.selectbox("second run").value == second.key[:16]
    assert "Seed" in screen.table[0].value["Setting"].tolist()
    fine(screen.selectbox("second run").set_value(None).run())
    assert asked(screen, "with") == "none"
    assert not screen.table
    assert "Choose a second run" in said(screen)


def test_a_second_run_that_is_gone_is_explained_and_another_offered() -> None:
    first = stored.finished(stored.config())
    assert "no second finished run" in said(compare(first.key, BESIDE))
    stored.finished(stored.config(seed=5))
    screen = compare(first.key, BESIDE, **{"with": "0123456789abcdef"})
    assert "is not here" in screen.warning[0].value
    assert len(screen.table) == 2


def test_all_runs_stand_in_the_table_newest_first() -> None:
    first = stored.finished(stored.config())
    core.submit(stored.config(trigger="pixel"))
    rows = table(compare(first.key, RUNS), "Status")
    assert rows["Trigger"].tolist() == ["pixel", "pattern"]
    assert rows.loc["✓ done", "ASR1"] == pytest.approx(100 * core.Result(first.config).summary["asr1"])
    assert pd.isna(rows.loc["◷ queued", "ASR1"])


def five() -> list[Job]:
    """Five runs: two done, one of them pinned and named, two that wait, and one cancelled."""
    done = [stored.finished(stored.config()), stored.finished(stored.config(detector="whitened-spectral"))]
    rest = [core.submit(stored.config(trigger="pixel", seed=seed)) for seed in (1, 2, 3)]
    jobs.cancel(rest[2].id)
    jobs.pin(done[0].id)
    jobs.rename(done[0].id, "The one to show")
    return [jobs.get(job.id) for job in (*done, *rest)]


def test_runs_are_narrowed_by_word_and_by_widget_and_pinned_ones_come_first() -> None:
    runs = five()
    screen = compare(runs[0].key, RUNS)
    assert table(screen, "Status")["Name"].tolist()[0] == "The one to show"
    screen.multiselect("list_trigger").set_value(["pixel"])
    assert set(table(fine(screen.run()), "Status")["Trigger"]) == {"pixel"}
    screen.multiselect("list_status").set_value(["cancelled"])
    assert table(fine(screen.run()), "Status").index.tolist() == ["■ cancelled"]
    screen = compare(runs[0].key, RUNS, list_text="one SHOW")
    assert table(screen, "Status")["Name"].tolist() == ["The one to show"]
    screen = compare(runs[0].key, RUNS, list_text="nothing like it")
    assert "No run fits" in said(screen)


def test_the_order_is_as_asked_and_what_a_run_does_not_have_stands_last() -> None:
    runs = five()
    rows = ledger.ordered(ledger.frame(runs), "most poison left")
    assert rows["Name"].iloc[0] == "The one to show"
    assert rows["#Pois left"].isna().tolist() == [False, False, True, True, True]
    rows = ledger.ordered(ledger.frame(runs[1:]), "oldest first")
    assert rows["id"].tolist() == [job.id for job in runs[1:]]
    jobs.pin(runs[3].id)
    rows = ledger.ordered(ledger.frame([jobs.get(job.id) for job in runs]), "name")
    assert rows["Name"].tolist()[:2] == ["The one to show", ""]  # both pinned; without a name behind with one
    assert rows["Pin"].tolist() == ["★", "★", "", "", ""]


@contextmanager
def ticked(monkeypatch: pytest.MonkeyPatch, *keys: str) -> Iterator[None]:
    """As if a person had ticked these runs' boxes: AppTest has no hand for that."""
    with monkeypatch.context() as patch:
        patch.setattr(
            ledger,
            "_rows",
            lambda table, known, columns: [known[id] for key in keys for id in table["id"][table["Run"] == key[:16]]],
        )
        yield


def ready(screen: AppTest) -> set[str]:
    """The buttons that can be pressed."""
    return {button.label for button in screen.button if not button.disabled}


def test_every_button_has_its_place_whether_a_row_is_ticked_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = five()
    actions = ["Open", "Side by side", "Rename", "Pin or unpin", "Cancel", "Resume", "Delete …"]
    screen = compare(runs[0].key, RUNS)
    assert [button.label for button in screen.button if button.label in actions] == actions
    assert not set(actions) & ready(screen)
    with ticked(monkeypatch, runs[0].key, runs[1].key):
        screen = compare(runs[0].key, RUNS)
        assert [button.label for button in screen.button if button.label in actions] == actions
        assert set(actions) & ready(screen) == {"Side by side", "Pin or unpin", "Delete …"}


def test_the_columns_are_a_choice_and_the_usual_ones_have_both_sides_of_the_defence() -> None:
    runs = five()
    screen = compare(runs[0].key, RUNS)
    shown = table(screen, "Status").columns.tolist()
    assert shown == [name for name in ledger.USUAL if name != "Status"]
    screen.multiselect("list_columns").set_value(["Seed", "ASR2", "Status"])
    assert table(fine(screen.run()), "Status").columns.tolist() == ["ASR2", "Seed"]
    screen.multiselect("list_data").set_value(["digits"])
    assert len(table(fine(screen.run()), "Status")) == len(runs)


def test_a_ticked_run_is_opened_pinned_and_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = five()
    with ticked(monkeypatch, runs[1].key):
        screen = compare(runs[0].key, RUNS)
        assert {"Open", "Pin or unpin", "Delete …"} <= ready(screen)
        assert not {"Cancel", "Resume", "Side by side"} & ready(screen)
        press(screen, "Pin or unpin")
        assert jobs.get(runs[1].id).pinned
        (name,) = [field for field in screen.text_input if field.label == "Name"]
        name.set_value("  named   by hand ")
        press(screen, "Save")
        assert jobs.get(runs[1].id).name == "named by hand"
        press(screen, "Open")
        assert asked(screen, "run") == runs[1].key[:16]


def test_active_runs_are_cancelled_and_ended_ones_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = five()
    with ticked(monkeypatch, runs[2].key, runs[4].key):
        screen = press(compare(runs[0].key, RUNS), "Cancel")
        assert jobs.get(runs[2].id).status == "cancelled"
        press(screen, "Resume")
        assert {jobs.get(runs[place].id).status for place in (2, 4)} == {"queued"}


def test_deleting_asks_first_and_keeps_what_other_runs_may_share(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = five()
    with ticked(monkeypatch, runs[1].key):
        screen = press(compare(runs[0].key, RUNS), "Delete …")
        assert "**Deleted**" in said(screen)
        assert "**Kept**" in said(screen)
        assert jobs.get(runs[1].id).status == "done"
        assert {"Delete", "Keep"} <= set(labels(screen))
    ledger.strike([runs[1]])  # AppTest answers no dialog
    assert runs[1].id not in [job.id for job in jobs.listing()]
    result = core.Result(runs[1].config)
    assert result.summary is None
    assert result.features is not None
    assert core.Result(runs[0].config).summary


def test_two_ticked_runs_open_side_by_side_and_their_figures_stand_below(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = five()
    with ticked(monkeypatch, runs[1].key, runs[0].key):
        screen = compare(runs[0].key, RUNS)
        (figures,) = [frame.value for frame in screen.dataframe if frame.value.columns[0] == "Figure"]
        assert figures.columns[2] == "2 · The one to show"
        assert figures.set_index("Figure").loc["Poisoned images"].tolist() == ["31", "31"]
        press(screen, "Side by side")
    assert asked(screen, "run") == runs[1].key[:16]
    assert asked(screen, "with") == runs[0].key[:16]
    assert screen.selectbox("second run").value == runs[0].key[:16]


def test_settings_that_differ_have_names_a_person_knows() -> None:
    one, two = stored.config(), stored.config(target="four", training={"lr": 0.01}, seed=2)
    settings = [core.report.settings(config) for config in (one, two)]
    assert side_by_side._differing(settings) == ["Target class", "Learning rate, at its peak", "Seed"]


def test_blind_review_shows_no_figure_and_a_list_that_tells_nothing() -> None:
    runs = five()
    screen = compare(runs[0].key, truth="0")
    assert not screen.metric
    assert not screen.get("plotly_chart")
    rows = table(screen, "Status")
    assert set(rows.columns) == {"Pin", "Name", "Data", "Recipe", "Detector", "Asked", "Run"}
    everything = said(screen) + rows.to_string() + "".join(bodies(screen))
    for secret in ("pattern", "pixel", "three", "The one to show", "ASR1"):
        assert secret not in everything
    fine(screen.toggle("truth switch").set_value(True).run())
    assert screen.metric


def test_what_is_damaged_is_said_and_offered_again() -> None:
    job = stored.finished(stored.config())
    (flags,) = (core.Store().folder / "run" / job.key).glob("flagged.npy")
    flags.write_bytes(flags.read_bytes()[:-1] + b"\x07")
    screen = compare(job.key)
    assert "damaged or missing" in screen.warning[0].value
    fine(screen.button("again this run").click().run())
    assert jobs.get(job.id).status == "queued"


def test_damaged_representations_leave_the_rest_readable() -> None:
    job = stored.finished(stored.config())
    core.Store().delete("features", core.Result(job.config).features_key)
    screen = compare(job.key, OTHERS)
    assert "the representations is damaged or missing" in screen.warning[0].value
    assert len(screen.metric) == 2
    assert len(table(screen, "Filter")) == 3
