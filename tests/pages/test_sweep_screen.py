"""Sweeps on the Sensitivity screen: they are core's, nothing starts by itself, figures are drawn."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import core
from core import BadRequest, Job, Store, jobs
from core.configuration import grid
from core.sweeps import planning
from core.sweeps.planning import Sweep
from pages.parts.sensitivity import (
    axes,
    curves,
    sweep_cells,
    sweep_curves,
    sweep_heading,
    sweep_heatmap,
    sweep_list,
    sweep_metrics,
    sweep_runs,
)
from tests.pages import stored
from tests.pages.seen import fine, pictures, said, values

SWEEPS = "Sweeps"


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "RECORDS", tmp_path / "no records")


def sweep(**changes: object) -> Sweep:
    settings = dict(
        name="how little",
        base={"dataset": "digits", "trigger": "pattern", "target": "three", "detector": "whitened-spectral"},
        axes={"ratio": [0.05, 0.2], "trigger.size": [2, 3]},
        seeds=(0, 1),
    )
    return Sweep(**{**settings, **changes})


def keep(wanted: Sweep, *cells: int, **figures: float) -> None:
    """Figures of some cells, as a worker would have kept them; AUROC is 0.5 plus a tenth of the cell's number."""
    for number in cells:
        cell = grid.cells(wanted)[number]
        document = dict(nat1=0.9, asr1=0.8, auroc=0.5 + number / 20, average_precision=0.5, tpr_at_1=0.25, gap=1.5)
        document |= dict(poisons=8, poisons_left=3, clean_removed=4, fpr=0.1, nat2=0.9, asr2=0.1, named=[3])
        Store().write("cell", grid.cell_key(cell.config, wanted), document={**document, **figures})


def queued(wanted: Sweep) -> Job:
    return planning.submit(wanted, start=False)


def screen(open_screen, job: Job, **address: str) -> AppTest:
    return fine(open_screen("sensitivity", run=job.key, part=SWEEPS, **address))


def cells(app: AppTest) -> pd.DataFrame:
    """The table of cells."""
    (found,) = [frame.value for frame in app.dataframe if "n" in frame.value]
    return found


def keys(app: AppTest) -> list[str]:
    return [button.key for button in app.button]


# --- putting one together --------------------------------------------------------------------------------


def test_what_is_put_together_is_priced_and_starts_when_asked(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    assert "No sweep yet" in said(app)
    app.text_input("sweep first ratio").set_value("5%, 0.2")
    app.number_input("sweep seeds").set_value(2)
    app.selectbox("sweep second").set_value("Detector")
    app = fine(app.run())
    app.multiselect("sweep second detector digits").set_value(["spectral", "scan"])
    app = fine(app.run())
    assert "**8 runs, " in said(app)
    assert not planning.listing()
    app = fine(app.button("sweep start").click().run())
    (job,) = planning.listing()
    assert job.sweep.axes == {"ratio": [0.05, 0.2], "detector": ["spectral", "scan"]}
    assert job.sweep.seeds == (0, 1)
    assert job.sweep.base["assumed_ratio"] == "ratio"
    assert job.sweep.base["target"] == "three"
    assert job.status == "queued"
    assert app.query_params["sweep"] == job.key[:16]


def test_a_run_of_the_sweep_that_is_stored_is_not_run_again(finished_job: Job, open_screen) -> None:
    base = grid.base_of(finished_job.config, ["ratio"])
    configs = [cell.config for cell in grid.cells(Sweep(base=base, axes={"ratio": [0.2]}))]
    assert [core.run_key(config) for config in configs] == [finished_job.key]


def test_what_cannot_be_run_is_said_and_nothing_can_start(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    app = fine(app.text_input("sweep first ratio").set_value("5").run())
    assert app.error[0].value == (
        "Poisoning ratio must be shares from 0 to 1, or percentages with their sign (0.05 or 5%), got 5."
    )
    assert app.text_input("sweep first ratio").label == "Values: shares, or percentages with their sign"
    assert "sweep start" not in keys(app)
    app = fine(app.text_input("sweep first ratio").set_value(" , ").run())
    assert "at least one value" in app.error[0].value


def test_two_axes_cannot_set_the_same(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    app.selectbox("sweep second").set_value("Attack")
    app = fine(app.run())
    assert not app.error
    app = fine(app.multiselect("sweep second attack digits").set_value(["pixel", "clean-label"]).run())
    assert app.error[0].value == ("The axes 'ratio' and 'attack' both set 'ratio': points would not be what they say.")
    app = fine(app.text_input("sweep first ratio").set_value("nan").run())
    assert "Poisoning ratio must be shares from 0 to 1" in app.error[0].value


def test_the_data_set_and_the_recipe_can_be_others_than_the_run_s(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    assert app.selectbox("sweep dataset digits").value == "digits"
    assert app.selectbox("sweep recipe quick").value == "quick"
    assert "Everything else as in this run: Pattern → three, 20% of the class, digits, quick, spectral." in said(app)
    app = fine(app.selectbox("sweep dataset digits").set_value("cifar10").run())
    assert "cifar10 has other classes: the target is bird." in said(app)
    assert "cifar10 is not on this machine" in said(app)
    assert app.button("sweep start").disabled
    assert "dataset: cifar10" in app.code[0].value
    assert "target: bird" in app.code[0].value
    app.selectbox("sweep dataset digits").set_value("digits")
    app = fine(app.selectbox("sweep recipe quick").set_value("fast").run())
    app = fine(app.button("sweep start").click().run())
    (job,) = planning.listing()
    assert (job.sweep.base["dataset"], job.sweep.base["recipe"], job.sweep.base["target"]) == (
        "digits",
        "fast",
        "three",
    )
    assert {cell.config.training.recipe for cell in grid.cells(job.sweep)} == {"fast"}


def test_numbers_that_a_run_changed_of_its_recipe_stay_with_it(own_home, open_screen) -> None:
    job = stored.finished(stored.config(training={"epochs": 3}))
    app = screen(open_screen, job)
    assert "training.epochs: 3" in app.code[0].value
    app = fine(app.selectbox("sweep recipe quick").set_value("instant").run())
    assert "training.epochs" not in app.code[0].value


@pytest.mark.parametrize("title", list(axes.AXES))
def test_every_axis_s_first_values_can_be_run(title: str) -> None:
    config = stored.config()
    axis = axes.AXES[title]
    chosen = {axis.name: axes.values(axis, axis.usual(config))}
    wanted = Sweep(base=grid.base_of(config, axes.settings(chosen)), axes=chosen)
    assert len(grid.cells(wanted)) == len(axis.usual(config)) > 1
    assert grid.parse(grid.text(wanted)) == wanted
    if axis.options is None:
        assert axes.read(axes.write(axis.usual(config))) == list(axis.usual(config))
    else:
        assert set(axis.usual(config)) <= set(axis.options(config))


def test_a_run_s_settings_come_back_from_the_base() -> None:
    for config in (
        stored.config(),
        stored.gap_config(training={"epochs": 2, "flip": True}, source="four", placement="replace"),
        stored.config(detector="spectre", detector_parameters={"assumed_share": 0.2}, scope="every_class"),
        stored.config(labels="all_to_all"),
        stored.config(labels="clean_label", placement="replace", cover_ratio=0.5),
        stored.config(also=[{"trigger": "pixel", "parameters": {"row": 1}}]),
        stored.config(trigger="drawing", representation="block2", multiplier=2.0, ratio_of="training_set", ratio=0.01),
    ):
        (cell,) = grid.cells(Sweep(base=grid.base_of(config), seeds=(config.seed,)))
        assert cell.config == config


def test_values_are_read_as_they_are_written() -> None:
    assert axes.read("5%, 0.1, 2, true, add") == [0.05, 0.1, 2, True, "add"]
    for wrong, what in (("", "at least one"), ("1, 1", "stand once"), ("x%", "begin with a number")):
        with pytest.raises(BadRequest, match=what):
            axes.read(wrong)


# --- watching it -----------------------------------------------------------------------------------------


def test_what_was_to_go_goes_also_where_another_screen_was_open_and_not_after_a_resume(
    finished_job: Job, open_screen
) -> None:
    job = queued(sweep())
    jobs.cancel(job.id)  # it has stopped meanwhile
    app = open_screen("sensitivity", run=finished_job.key)
    app.session_state[sweep_list.STRIKE] = job.id
    app.query_params["part"] = SWEEPS
    fine(app.run())
    assert not planning.listing()
    job = queued(sweep())
    jobs.cancel(job.id)
    app = screen(open_screen, finished_job)
    fine(app.button("sweep resume").click().run())
    assert sweep_list.STRIKE not in app.session_state
    assert [one.id for one in planning.listing()] == [job.id]


def test_a_sweep_is_paused_resumed_and_deleted(finished_job: Job, open_screen) -> None:
    job = queued(sweep())
    app = screen(open_screen, finished_job)
    assert "Waits for its turn" in said(app)
    fine(app.button("sweep pause").click().run())
    assert jobs.get(job.id).status == "cancelled"
    app = screen(open_screen, finished_job)
    assert "Paused" in said(app)
    fine(app.button("sweep resume").click().run())
    assert jobs.get(job.id).status == "queued"
    sweep_list.strike(jobs.get(job.id))
    assert not planning.listing()


def test_partial_results_are_drawn_and_lead_to_their_runs(finished_job: Job, open_screen) -> None:
    wanted = sweep()
    whole = grid.cells(wanted)[0].config
    stored.finished(whole)
    keep(wanted, 0, 1, 2)
    queued(wanted)
    app = screen(open_screen, finished_job, cell="0")
    assert "**3 of 8 runs finished** · 5 waiting" in said(app)
    (matrix,) = pictures(app)
    heat = matrix["data"][0]
    assert heat["x"] == ["5%", "20%"]
    assert heat["y"] == ["2", "3"]
    assert heat["z"] == [[pytest.approx(0.525), None], [pytest.approx(0.6), None]]
    assert [note["text"] for note in matrix["layout"]["annotations"]] == ["0.525<br>± 0.025", "0.600<br>n = 1"]
    assert matrix["data"][1]["text"] == ["0.525 ± 0.025", "not yet", "0.600 n = 1", "not yet"]
    assert matrix["layout"]["xaxis"]["title"]["text"] == "Poisoning ratio"
    assert matrix["layout"]["yaxis"]["title"]["text"] == "Trigger size"
    assert len(matrix["layout"]["shapes"]) == 2, "the chosen cell has a frame"
    links = [link.proto.page_link if hasattr(link.proto, "page_link") else link.proto for link in app.get("page_link")]
    assert [link.label for link in links] == ["seed 0"]
    assert core.run_key(whole)[:16] in str(links[0])


def test_a_cell_without_a_whole_run_fills_the_attack_form(finished_job: Job, open_screen) -> None:
    wanted = sweep(retrain=False, axes={"ratio": [0.05, 0.3]}, seeds=(4,))
    keep(wanted, 0, 1)
    queued(wanted)
    app = screen(open_screen, finished_job, cell="1")
    cell = grid.cells(wanted)[1]
    app = fine(app.button(f"cell {cell.run}").click().run())
    assert app.title[0].value == "Attack"
    assert app.number_input("ratio").value == 30
    assert app.number_input("seed").value == 4
    assert app.selectbox("detector").value == "whitened-spectral"
    assert not jobs.find(cell.run, start=False), "nothing starts by itself"
    app = fine(app.switch_page("pages/attack.py").run())  # AppTest itself stayed where it was
    fine(app.button("start").click().run())
    assert jobs.find(cell.run, start=False).config == cell.config


def test_references_are_asked_for_on_the_form_and_drawn(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    before = planning.plan(grid.Sweep(base=grid.base_of(finished_job.config), seeds=(7,))).trainings
    app = fine(app.toggle("sweep references").set_value(True).run())
    app = fine(app.toggle("sweep benign").set_value(True).run())
    app = fine(app.button("sweep start").click().run())
    (job,) = planning.listing()
    assert before == 2
    assert job.sweep.references
    assert job.sweep.benign
    each = 4 * job.sweep.count - 1  # one cell's poisoned network is stored
    assert planning.plan(job.sweep).trainings == each + len(job.sweep.seeds)
    keep(job.sweep, 0, random_asr2=0.7, perfect_asr2=0.0)
    app = screen(open_screen, finished_job, metric="ASR after a random filter", cell="0")
    assert values(pictures(app)[0]["data"][0]["y"]) == pytest.approx([70])
    assert "ASR after the perfect filter 0.0%" in said(app)


def test_a_third_axis_is_looked_at_one_value_at_a_time(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [0.05, 0.2], "trigger.size": [2, 3], "multiplier": [1.0, 2.0]}, seeds=(0,))
    keep(wanted, 0, 2, 4)  # all of multiplier 1
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16])
    assert app.selectbox("sweep rest axis3").value == 0
    assert cells(app)["multiplier"].unique().tolist() == ["1"]
    assert len(cells(app)) == 4
    app = fine(app.selectbox("sweep rest axis3").set_value(1).run())
    assert "Nothing of this part of the grid is finished yet" in said(app)
    assert not pictures(app)
    assert cells(app)["multiplier"].unique().tolist() == ["2"]
    assert app.query_params["axis3"] == "1"
    points = sweep_cells.points_of(wanted, {"multiplier": 2.0})
    assert [dict(cell.point) for cell in points][3] == {"ratio": 0.2, "trigger.size": 3, "multiplier": 2.0}


def test_a_figure_that_is_nowhere_in_a_part_of_the_grid_is_no_obstacle(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [0.0, 0.2], "trigger.size": [2, 3], "multiplier": [1.0, 2.0]}, seeds=(0,))
    keep(wanted, 1)
    keep(wanted, 0, auroc=None, tpr_at_1=None)
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16], metric="AUROC")
    assert "AUROC: not defined in this part of the grid" in said(app)
    assert not pictures(app)
    assert len(pictures(screen(open_screen, finished_job, sweep=job.key[:16], metric="AUROC", axis3="1"))) == 1


def test_an_axis_with_no_class_in_particular_has_its_words_everywhere(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"source": [None, "four"], "detector": ["spectral", "scan"]}, seeds=(0,))
    keep(wanted, 0, 1, 2, 3)
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16])
    assert "nan" not in said(app)
    assert "any class (scan, 0.550)" in said(app)
    alone = queued(sweep(axes={"source": [None, "four"]}, seeds=(0, 1)))
    keep(alone.sweep, 0, 1, 2)
    app = screen(open_screen, finished_job, sweep=alone.key[:16])
    assert pictures(app)[0]["data"][0]["x"] == ["any class", "four"]


def test_a_waiting_run_is_waiting_also_beside_a_failed_one() -> None:
    row = pd.Series({"status": "waiting", "error": float("nan")})
    assert sweep_runs.figures_of(row) == "waiting"
    assert sweep_runs.figures_of(pd.Series({"status": "failed", "error": "no room"})) == "no room"


def test_names_are_no_markdown(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"what": {"1.5*eps $a$ [b]": {}}, "detector": ["spectral", "scan"]}, seeds=(0,))
    keep(wanted, 0, 1, auroc=0.99)
    job = queued(wanted)
    told = said(screen(open_screen, finished_job, sweep=job.key[:16]))
    assert r"1\.5\*eps \$a\$ \[b\] (scan, 0.990)" in told


def test_one_axis_is_a_curve_with_its_spread(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [0.05, 0.2]}, seeds=(0, 1, 2))
    keep(wanted, *range(6))
    queued(wanted)
    app = screen(open_screen, finished_job, metric="AUROC")
    picture = pictures(app)[0]
    curve = picture["data"][0]
    assert values(curve["x"]) == [0.05, 0.2]
    assert picture["layout"]["xaxis"]["type"] == "log"
    assert picture["layout"]["xaxis"]["ticktext"] == ["5%", "20%"]
    assert values(curve["y"]) == pytest.approx([0.55, 0.7])
    assert values(curve["error_y"]["array"]) == pytest.approx([np.std([0, 0.05, 0.1])] * 2)


def test_values_without_a_class_have_a_place_in_the_grid() -> None:
    wanted = sweep(axes={"source": [None, "four"], "placement": ["add", "replace"]}, seeds=(0,))
    keep(wanted, 0, 3)
    found = sweep_metrics.spread(done(wanted), ["source", "placement"], sweep_metrics.METRICS["AUROC"])
    means, texts = sweep_heatmap.grid(
        found, done(wanted), "source", "placement", [None, "four"], ["add", "replace"], sweep_metrics.METRICS["AUROC"]
    )
    texts = [[text.removesuffix("<br>n = 1") for text in row] for row in texts]
    assert texts == [["0.500", ""], ["", "0.650"]]
    assert np.isnan(means[0, 1])


def done(wanted: Sweep) -> pd.DataFrame:
    table = planning.table(wanted)
    return table[table["status"] == "done"]


def test_the_csv_has_a_row_for_each_run() -> None:
    keep(sweep(), 0)
    rows = pd.read_csv(io.BytesIO(sweep_list.as_csv(planning.table(sweep()))))
    assert rows["status"].tolist() == ["done"] + 7 * ["waiting"]
    assert rows["trigger.size"].tolist() == 2 * [2, 2, 3, 3]


def test_figures_that_come_with_the_program_are_shown_without_a_job(
    finished_job: Job, open_screen, tmp_path, monkeypatch
) -> None:
    wanted = sweep(axes={"ratio": [0.05, 0.2]})
    (tmp_path / "one.yaml").write_text(grid.text(wanted))
    keep(wanted, 0, 1, 2, 3)
    planning.record(tmp_path / "one.yaml")
    for cell in grid.cells(wanted):
        Store().delete("cell", grid.cell_key(cell.config, wanted))
    monkeypatch.setattr(planning, "RECORDS", tmp_path)
    app = screen(open_screen, finished_job)
    assert app.selectbox("sweep picker").options == ["how little · 4 runs · recorded"]
    assert "**4 of 4 runs finished**" in said(app)
    assert not {"sweep pause", "sweep delete", "sweep resume"} & set(keys(app))
    assert not planning.listing()
    app.session_state["sweep here"] = True
    app = fine(app.run())
    fine(app.button("sweep run here").click().run())
    (job,) = planning.listing()
    assert job.sweep == wanted


def test_a_cluster_s_address_goes_into_the_sweep(finished_job: Job, open_screen) -> None:
    app = screen(open_screen, finished_job)
    app = fine(app.text_input("sweep cluster").set_value(" auto?cpus=2 ").run())
    fine(app.button("sweep start").click().run())
    (job,) = planning.listing()
    assert job.sweep.cluster == "auto?cpus=2"


def test_a_link_to_a_sweep_that_is_gone_is_explained(finished_job: Job, open_screen) -> None:
    queued(sweep())
    app = screen(open_screen, finished_job, sweep="0123456789abcdef")
    assert "is not here" in app.warning[0].value


def test_the_page_says_which_detector_finds_what_and_what_none_does(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"trigger": ["pattern", "pixel"], "detector": ["spectral", "whitened-spectral"]}, seeds=(0,))
    job = queued(wanted)
    for number, auroc in enumerate([0.7, 0.99, 0.6, 0.8]):
        keep(wanted, number, auroc=auroc, asr1=0.2 if number > 1 else 0.9, asr2=0.02)
    told = said(screen(open_screen, finished_job, sweep=job.key[:16]))
    assert "**Found**, with the best detector and its AUROC: pattern (whitened-spectral, 0.990)." in told
    assert "**Found by none of them** (AUROC below 0.95)" in told
    assert "pixel (whitened-spectral, 0.800; hardly learned, ASR 20.0%)" in told
    assert "Left by all of them" not in told
    assert "**Gone after cleaning** (mean ASR below 10%), and by whom: pattern (spectral, whitened-spectral)." in told


def test_nothing_is_said_of_all_while_some_are_to_come(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"trigger": ["pattern", "pixel"], "detector": ["spectral", "whitened-spectral"]}, seeds=(0,))
    job = queued(wanted)
    keep(wanted, 0, auroc=0.6, asr1=0.9, asr2=0.8)
    keep(wanted, 2, auroc=0.99, asr1=0.9, asr2=0.01)
    told = said(screen(open_screen, finished_job, sweep=job.key[:16]))
    assert "none of them" not in told
    assert "all of them" not in told
    assert "**Found**, with the best detector and its AUROC: pixel (spectral, 0.990)." in told


def test_the_page_says_after_whose_filter_a_backdoor_is_gone_and_what_all_leave(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"trigger": ["pattern", "pixel"], "detector": ["spectral", "whitened-spectral"]}, seeds=(0,))
    job = queued(wanted)
    for number, asr in enumerate([0.7, 0.02, 0.6, 0.34]):
        keep(wanted, number, asr2=asr, asr1=0.9)
    told = said(screen(open_screen, finished_job, sweep=job.key[:16]))
    assert "by whom: pattern (whitened-spectral)." in told
    assert "**Left by all of them**, though learned: pixel (at best 34.0%, whitened-spectral)." in told


# --- the desk: what is looked at, and how it is chosen ---------------------------------------------------


def test_a_sweep_is_headed_by_what_it_is_of_and_not_by_the_current_run(finished_job: Job, open_screen) -> None:
    base = {"dataset": "cifar10", "trigger": "pixel", "target": "horse", "recipe": "quick", "training.per_class": 500}
    job = queued(sweep(name="*far* off", base=base, axes={"detector": ["spectral", "scan"]}))
    told = said(screen(open_screen, finished_job, sweep=job.key[:16])).replace("\\", "")
    rest = "quick, 500 images of each class · spectral and scan · pixel → horse · 2 seeds"
    assert f"***far* off** · cifar10 · {rest}" in told
    assert "**Pattern → three" not in told, "the current run's heading"
    assert "**Pattern → three" in said(fine(open_screen("sensitivity", run=finished_job.key, part="Detectors")))
    many = sweep_heading.told(sweep(axes={"trigger": ["pattern", "pixel", "patch"]}, seeds=(0,)))
    assert many == "digits · quick · whitened-spectral · 3 attacks · 1 seed, no spread"


def test_several_figures_stand_above_each_other_over_one_axis(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [0.05, 0.1, 0.2]}, seeds=(0, 1))
    keep(wanted, *range(5))
    queued(wanted)
    app = screen(open_screen, finished_job, metric="Spectral gap,AUROC,no such")
    (picture,) = pictures(app)
    titles = {name: axis["title"]["text"] for name, axis in picture["layout"].items() if name.startswith("yaxis")}
    assert titles == {"yaxis": "AUROC", "yaxis2": "Spectral gap"}
    assert picture["layout"]["xaxis"]["matches"] == "x2"
    auroc = picture["data"][0]
    assert auroc["marker"]["symbol"] == ["circle", "circle", "circle-open"], "a hollow mark rests on one run"
    assert auroc["text"][2] == "0.700, n = 1"
    assert "A hollow mark rests on one seed (n = 1)" in said(app)
    assert {"AUROC", "± AUROC", "Spectral gap", "± Spectral gap", "n"} <= set(cells(app))
    assert cells(app)["n"].tolist() == [2, 2, 1]
    assert pd.isna(cells(app)["± AUROC"].iloc[2])


def test_two_figures_have_a_wide_grid_each(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [n / 100 for n in range(1, 9)], "trigger.size": [2, 3]}, seeds=(0,))
    keep(wanted, *range(16))
    queued(wanted)
    app = screen(open_screen, finished_job, metric="AUROC,Spectral gap", look="Heatmap")
    assert len(pictures(app)) == 2


def test_lines_have_their_names_at_their_ends_and_there_is_no_legend(finished_job: Job, open_screen) -> None:
    wanted = sweep()
    keep(wanted, *range(8))
    queued(wanted)
    (picture,) = pictures(screen(open_screen, finished_job, look="Curves"))
    assert not picture["layout"]["showlegend"]
    assert {note["text"] for note in picture["layout"]["annotations"]} == {"2", "3", "Trigger size"}


@pytest.mark.parametrize(
    ("axis", "given", "kind"),
    [
        ("ratio", [0.01, 0.1], "log"),
        ("ratio", [0.0, 0.1], "linear"),
        ("trigger.size", [2, 5], "linear"),
        ("placement", ["add", "replace"], "category"),
        ("source", [None, "four"], "category"),
    ],
)
def test_ratios_stand_on_a_logarithmic_axis_and_numbers_where_they_are(axis: str, given: list, kind: str) -> None:
    scale = sweep_curves.placed(axis, given)
    assert scale.axis["type"] == kind
    if kind == "log":
        low, high = scale.axis["range"]
        assert low < -2 < -1 < high < 0


def test_what_has_no_figure_is_a_dash_and_explained_and_below_guessing_is_grey(finished_job: Job, open_screen) -> None:
    attacks = {"none": {"ratio": 0.0}, "pattern": {"ratio": 0.2}}
    wanted = sweep(axes={"attack": attacks, "detector": ["spectral", "scan"]}, seeds=(0,))
    keep(wanted, 0, 1, auroc=None, tpr_at_1=None, poisons=0)
    keep(wanted, 2, auroc=0.3)
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16], metric="AUROC")
    (matrix,) = pictures(app)
    assert [note["text"] for note in matrix["layout"]["annotations"]] == ["—", "0.300↓<br>n = 1", "—"]
    told = said(app)
    assert "—: finished, but without AUROC: nothing was poisoned there, so it is not defined." in told
    assert "An empty cell is still to come." in told
    assert "Lilac, and ↓: below 0.5, a ranking worse than guessing." in told
    stops = sweep_heatmap.colours_of(sweep_metrics.METRICS["AUROC"])
    below, at = sweep_heatmap.colour_at(stops, 0.49), sweep_heatmap.colour_at(stops, 0.5)
    assert min(below) > 150 > max(at), "bright beside the dark end of the other colours"


@pytest.mark.parametrize("name", ["AUROC", "ASR"])
def test_what_is_written_in_a_cell_is_legible_on_every_colour(name: str) -> None:
    stops = sweep_heatmap.colours_of(sweep_metrics.METRICS[name])
    for share in np.linspace(0, 1, 101):
        light = sum(
            weight * sweep_heatmap._linear(part / 255)
            for weight, part in zip((0.2126, 0.7152, 0.0722), sweep_heatmap.colour_at(stops, share), strict=True)
        )
        own = 0.0 if sweep_heatmap.legible(stops, share) == "#000000" else 1.0
        assert (max(light, own) + 0.05) / (min(light, own) + 0.05) >= 4.5, share


def test_what_is_chosen_is_one_thing_for_picture_and_table(finished_job: Job, open_screen) -> None:
    wanted = sweep(seeds=(0,))
    keep(wanted, 0, 1, 2, 3)
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16], cell="1,3,99,x")
    (matrix,) = pictures(app)
    frames = {(shape["x0"] > 0, shape["y0"] > 0) for shape in matrix["layout"]["shapes"]}
    assert frames == {(False, False), (True, False)}, "5% and 20% at size 3"
    assert "**Poisoning ratio 5%, Trigger size 3**" in said(app).replace("\\", "")
    assert len([key for key in keys(app) if str(key).startswith("cell ")]) == 2
    (picture,) = pictures(screen(open_screen, finished_job, sweep=job.key[:16], cell="1,3", look="Curves"))
    rings = [values(trace["y"]) for trace in picture["data"] if trace["name"] == "chosen"]
    assert rings == [[], pytest.approx([0.55, 0.65])]


def test_a_cell_chosen_in_one_makes_the_other_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    state, address = {}, {}
    monkeypatch.setattr(sweep_cells.st, "session_state", state)
    monkeypatch.setattr(sweep_cells.cuts, "set_option", lambda name, value, usual: address.update({name: value}))
    before = {of: sweep_cells.key(sweep(), {}, of) for of in (sweep_cells.CHART, sweep_cells.TABLE)}
    sweep_cells.choose([3, 1, 3], sweep_cells.CHART)
    assert address == {"cell": "1,3"}
    assert sweep_cells.key(sweep(), {}, sweep_cells.CHART) == before[sweep_cells.CHART]
    assert sweep_cells.key(sweep(), {}, sweep_cells.TABLE) != before[sweep_cells.TABLE]
    sweep_cells.choose([], sweep_cells.TABLE)
    assert address == {"cell": ""}
    assert sweep_cells.key(sweep(), {}, sweep_cells.CHART) != before[sweep_cells.CHART]


def test_a_click_beside_the_cells_leaves_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    state, address = {}, {"cell": "2"}
    monkeypatch.setattr(sweep_cells.st, "session_state", state)
    monkeypatch.setattr(sweep_cells.cuts, "set_option", lambda name, value, usual: address.update({name: value}))
    for points, left in (
        ([{"point_index": 0, "customdata": ""}], "2"),  # of a sweep that is laid over
        ([{"point_index": 0, "customdata": ["1+3"]}], "1,3"),
        ([], ""),
    ):
        state["picture"] = SimpleNamespace(selection={"points": points})
        sweep_cells.clicked("picture")
        assert address == {"cell": left}


def test_another_picture_of_more_than_two_axes_has_nothing_chosen(finished_job: Job, open_screen) -> None:
    axes = {"ratio": [0.05, 0.2], "detector": ["spectral", "scan"], "multiplier": [1.0, 2.0]}
    three, two = (sweep(axes=dict(list(axes.items())[:count]), seeds=(0,)) for count in (3, 2))
    keep(three, *range(8))
    job = queued(three)
    app = screen(open_screen, finished_job, sweep=job.key[:16], cell="1", axis3="1", metric="AUROC,Spectral gap")
    assert "**Found** (mean AUROC" in said(app)
    app = fine(app.segmented_control("look picker").set_value("All axes").run())
    assert "cell" not in app.query_params
    assert "**Found** (mean AUROC" not in said(app), "it would be a mean over the multipliers"
    assert "lead to one figure: AUROC, the first of those that are chosen" in said(app)
    keep(two, *range(4))
    job = queued(two)
    app = screen(open_screen, finished_job, sweep=job.key[:16], cell="1")
    app = fine(app.segmented_control("look picker").set_value("All axes").run())
    assert app.query_params["cell"] == "1", "of two axes it is the same cell"
    assert "**Found** (mean AUROC" in said(app)


@pytest.mark.parametrize("way", ["started", "deleted"])
def test_another_sweep_begins_with_nothing_chosen(way: str, finished_job: Job, open_screen) -> None:
    job = queued(sweep(axes={"ratio": [0.05, 0.2], "trigger.size": [2, 3], "multiplier": [1.0, 2.0]}, seeds=(0,)))
    keep(job.sweep, *range(8))
    jobs.cancel(job.id)
    app = screen(open_screen, finished_job, sweep=job.key[:16], cell="1", axis3="1")
    if way == "started":
        app = fine(app.button("sweep start").click().run())
    else:
        app.session_state[sweep_list.STRIKE] = job.id
        app = fine(app.run())
        assert not planning.listing()
    assert not {"cell", "axis3"} & set(app.query_params)


def test_a_sweep_rounds_a_figure_as_every_screen_does() -> None:
    for name, metric in sweep_metrics.METRICS.items():
        if metric.column in core.figures.FIGURES:
            figure = core.figures.FIGURES[metric.column]
            for value in (0.7625, 0.5, 2.5, 1234.0):
                assert metric.write(value * (100 if metric.percent else 1)) == figure.write(value), name


def test_names_are_no_plotly_either(finished_job: Job, open_screen) -> None:
    evil, plain = "<b>a & %{x}", "&lt;b>a &amp; %&#123;x}"
    first = queued(sweep(axes={"ratio": [0.05, 0.2], "what": {evil: {"trigger.size": 2}}}, seeds=(0,)))
    second = queued(sweep(name=evil, axes={"ratio": [0.1, 0.2]}, seeds=(0,)))
    for job in (first, second):
        keep(job.sweep, 0, 1)
    for look in ("Heatmap", "Curves", "All axes"):
        more = {"over": second.key[:16]} if look == "Curves" else {}
        (picture,) = pictures(screen(open_screen, finished_job, sweep=first.key[:16], look=look, **more))
        drawn = json.dumps(picture)
        assert not any(raw in drawn for raw in ("<b>a", "a & ", "; %{x}"))
        assert drawn.count(plain) >= 2
    assert curves.plain("5%, a > b") == "5%, a > b"


def test_all_axes_at_once_by_what_they_explain(finished_job: Job, open_screen) -> None:
    wanted = sweep(axes={"ratio": [0.05, 0.2], "trigger.size": [2, 3], "multiplier": [1.0, 2.0]}, seeds=(0,))
    for number in range(8):
        keep(wanted, number, auroc=0.6 + 0.3 * (number // 2 % 2) + 0.1 * (number // 4))
    job = queued(wanted)
    app = screen(open_screen, finished_job, sweep=job.key[:16], look="All axes", cell="0")
    (picture,) = pictures(app)
    above = [note["text"] for note in picture["layout"]["annotations"] if note["y"] > 1]
    assert above == [
        "Trigger size<br><b>90%</b> of the variance", "Poisoning ratio<br><b>10%</b> of the variance",
        "multiplier<br><b>0%</b> of the variance", "AUROC",
    ]  # fmt: skip
    assert "Of the variance of AUROC over 8 runs: Trigger size alone 90%, Poisoning ratio alone 10%" in said(app)
    marks = {trace["name"]: trace for trace in picture["data"]}
    assert marks["Trigger size"]["customdata"] == ["0+1+4+5", "2+3+6+7"]
    assert marks["chosen"]["x"] == [0, 1, 2, 3, None]
    assert not [box for box in app.selectbox if str(box.key).startswith("sweep rest")], "all values are looked at"
    assert len(cells(app)) == 8


def test_another_sweep_over_the_same_axis_can_be_laid_over(finished_job: Job, open_screen) -> None:
    first = queued(sweep(name="first", axes={"ratio": [0.05, 0.2]}, seeds=(0, 1)))
    keep(first.sweep, 0, 1, 2, 3)
    second = queued(sweep(name="second", axes={"ratio": [0.1, 0.2], "trigger.size": [2, 4]}, seeds=(0,)))
    keep(second.sweep, 0, 1, 2, 3, auroc=0.9)
    third = queued(sweep(name="third", axes={"placement": ["add", "replace"]}))
    app = screen(open_screen, finished_job, sweep=first.key[:16], look="Curves")
    options = app.selectbox("sweep over").options
    assert [option.split(" · ")[0] for option in options] == ["none", "second"], third.name
    app = fine(app.selectbox("sweep over").set_value(second.key[:16]).run())
    assert app.query_params["over"] == second.key[:16]
    (picture,) = pictures(app)
    own, _, other, _ = picture["data"]
    assert (own["line"]["width"], other["line"]["width"]) == (3, 2)
    assert values(other["x"]) == [0.1, 0.2]
    assert values(other["y"]) == pytest.approx([0.9, 0.9])
    assert picture["layout"]["xaxis"]["ticktext"] == ["5%", "20%", "10%"]
    assert [note["text"] for note in picture["layout"]["annotations"]] == ["second"]
