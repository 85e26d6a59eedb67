"""The Tables screen: the report's figures and ours beside them, from the store or the record, while runs go on."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import core
from core import Store, jobs
from core.cli import commands
from core.jobs import ledger, requests
from core.reproduction import outcomes, reproduce
from core.reproduction.outcomes import Entry
from pages.parts.around import words
from pages.parts.tables import missing, report_csv, report_table
from tests.pages.seen import labels, press, said

SEEDS = 3
PLANNED = 12 * SEEDS
SHARE = dict(nat1=0.78, asr1=0.985, nat2=0.775, asr2=0.031)


@pytest.fixture(autouse=True)
def no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No record is committed, so that a test sees only what it made; its folder."""
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setattr(outcomes, "RECORDS", folder)
    monkeypatch.setattr(core.recorded, "TABLES", folder / "runs")
    return folder


@pytest.fixture
def data_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.datasets, "available", lambda name: True)


def planned(detector: str = "whitened-spectral", reading: str = "target_class") -> list[Entry]:
    return reproduce.plan("quick", SEEDS, (reading,), (detector,))


def row_of(trigger: str, target: str, ratio: float, detector: str = "whitened-spectral") -> list[Entry]:
    """The seeds of a row, in their order."""
    wanted = trigger, target, ratio
    return [one for one in planned(detector) if (one.row.trigger, one.row.target, one.row.ratio) == wanted]


def finish(entry: Entry, **figures: float) -> None:
    """Put a made-up summary into the store; the ledger is not told."""
    poisons = round(2_000 * entry.row.ratio)
    found = {**SHARE, "poisons_left": 0, "clean_removed": poisons // 2, "auroc": 1.0, "seconds": 61.0, **figures}
    filters = {"random": {"poisons_left": 85}, "perfect": {"poisons_left": 0}}
    target = entry.config.attack.target
    document = {
        "poisons": poisons,
        **found,
        "references": filters,
        "suspicious_classes": [target],
        "device": "a device",
    }
    Store().write("run", entry.key, arrays={"flagged": np.zeros(3, bool)}, document=document)


def board(screen: AppTest) -> dict:
    """What the component that draws the tables was given."""
    (found,) = [one for one in screen.get("bidi_component") if one.proto.component_name == "poisonscope_report_table"]
    return json.loads(found.proto.json)


def markup(screen: AppTest, name: str) -> str:
    """A row's markup."""
    return next(table["rows"][name] for table in board(screen)["tables"] if name in table["rows"])


def cells(screen: AppTest, name: str) -> list[str]:
    """What a row says in its columns."""
    whole = markup(screen, name).split("</tr>")[0]
    return [text(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", whole)]


def text(of: str) -> str:
    return re.sub(r"<[^>]*>", "", of)


def lines(screen: AppTest, name: str) -> list[str]:
    """A row's seeds."""
    return re.findall(r"<tr class='seed'.*?</tr>", markup(screen, name))


@pytest.fixture
def tables(open_screen) -> Callable[..., AppTest]:
    def opened(**address: str) -> AppTest:
        screen = open_screen("tables", **address)
        assert not screen.exception, screen.exception
        return screen

    return opened


# --- what stands in the tables ---------------------------------------------------------------------------


def test_before_anything_is_measured_the_reports_figures_stand_and_what_would_do_it(tables) -> None:
    screen = tables()
    first, second = board(screen)["tables"]
    assert (first["name"], second["name"]) == ("Table 1: single pixel", "Table 2: pattern of pixels")
    assert len(first["rows"]) == len(second["rows"]) == 6
    assert cells(screen, "pattern-bird-5") == [
        "92.24",
        "—",
        "79.64",
        "—",
        "38",
        "—",
        "—",
        "—",
        "92.42",
        "—",
        "2.05",
        "—",
    ]
    assert "not run yet" in markup(screen, "pattern-bird-5")
    assert "Nothing is measured yet" in screen.info[0].value
    assert "**0 of 36 runs finished**" in said(screen)
    assert "Why ours differs" not in [heading.value for heading in screen.subheader]


def test_the_command_that_is_offered_is_one_and_names_the_same_runs(tables, data_here) -> None:
    screen = tables(table_detector="spectral", table_ratio="of the whole set")
    (offered,) = re.findall(r"`(.*?)`", screen.info[0].value)
    words = shlex.split(offered)
    assert words[:3] == ["python", "-m", "core"]
    told = CliRunner().invoke(commands.app, [*words[3:], "--dry-run", "--json", "--no-benign"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["runs"] == PLANNED


def test_ours_is_mean_and_spread_with_how_far_that_is_from_the_reports(tables) -> None:
    for entry, nat in zip(row_of("pixel", "dog", 0.05), (0.77, 0.78, 0.79), strict=True):
        finish(entry, nat1=nat, asr2=0.0143)
    shown = cells(tables(), "pixel-dog-5")
    assert shown[:2] == ["92.43", "78.0±0.8▼ 14.4 14.4 points below the report"]
    assert shown[4:8] == ["12", "0.0±0.0 of 100▼ 12.0 12.0 images below the report", "85.0", "0.0"]
    assert shown[-2:] == ["1.43", "1.4±0.0≈ as the report, within the spread"]


def test_one_seed_has_no_spread(tables) -> None:
    first, *_ = row_of("pixel", "dog", 0.05)
    finish(first, nat1=0.78)
    shown = cells(tables(), "pixel-dog-5")
    assert shown[1] == "78.0▼ 14.4 14.4 points below the report"
    assert shown[5].startswith("0.0 of 100")


def test_a_row_that_is_not_whole_says_how_many_seeds_it_is_of(tables) -> None:
    first, second, third = row_of("pixel", "bird", 0.1)
    finish(first)
    core.submit(second.config)
    jobs.cancel(core.submit(third.config).id)
    screen = tables()
    assert "◷ 1 of 3, queued" in text(markup(screen, "pixel-bird-10"))
    assert "◷ waits in the queue" in lines(screen, "pixel-bird-10")[1]
    assert "■ cancelled" in lines(screen, "pixel-bird-10")[2]
    (bar,) = screen.get("progress")
    assert bar.proto.text == "**1 of 36 runs finished** · ◷ 1 queued · ■ 1 cancelled"
    assert bar.proto.value == 100 // 36


def test_a_run_at_work_says_how_far_it_is_and_a_failed_one_why(tables, monkeypatch) -> None:
    first, second, _ = row_of("pattern", "dog", 0.1)
    ledger.change(core.submit(first.config).id, "status = 'running', fraction = 0.45, eta = 30, heartbeat = 9e15")
    ledger.change(core.submit(second.config).id, "status = 'failed', error = 'no memory <left>'")
    monkeypatch.setattr(requests, "settled", lambda job: job)  # nobody holds the lock of a run that is made up
    screen = tables()
    working, failed, _ = lines(screen, "pattern-dog-10")
    assert "▶ running, 45%, about 20 to 40 s left" in working
    assert "✕ failed. No memory &lt;left&gt;." in failed
    assert f"href='attack?run={second.key[:16]}'" in failed
    assert "▶ 1 running · ✕ 1 failed" in screen.get("progress")[0].proto.text


def test_every_figure_of_a_seed_leads_to_its_run(tables) -> None:
    entries = row_of("pixel", "horse", 0.05)
    for entry in entries:
        finish(entry)
    for entry, line in zip(entries, lines(tables(), "pixel-horse-5"), strict=True):
        addresses = [urlsplit(found.replace("&amp;", "&")) for found in re.findall(r"href='(.*?)'", line)]
        assert [one.path for one in addresses] == ["compare"] * 3 + ["scores"] + ["compare"] * 2
        for one in addresses:
            assert parse_qs(one.query) == {"run": [entry.key[:16]]}
        assert f"data-run='{entry.key}'" in line
        assert " hidden>" in line
        assert core.jobs.find(entry.key).status == "done"  # so that Compare finds it, whoever carried it out


def test_the_opened_rows_stand_in_the_address(tables) -> None:
    assert board(tables(rows="pattern-dog-5 pixel-bird-10 nonsense"))["open"] == ["pixel-bird-10", "pattern-dog-5"]
    assert board(tables())["open"] == []


def test_a_run_of_the_record_has_its_figures_and_says_that_it_is_not_here(tables, no_record, monkeypatch) -> None:
    entries = row_of("pattern", "horse", 0.1)
    for entry in entries:
        finish(entry, benign_asr=0.0)
    (no_record / "quick.json").write_text(json.dumps(outcomes.document(outcomes.table(entries))))
    Store().delete("run", entries[1].key)
    screen = tables()
    assert [("not on this machine" in line, "<a " in line) for line in lines(screen, "pattern-horse-10")] == [
        (False, True), (True, False), (False, True),
    ]  # fmt: skip
    assert cells(screen, "pattern-horse-10")[1].startswith("78.0±0.0")
    assert "1 run of this row was recorded on another machine" in text(markup(screen, "pattern-horse-10"))
    (offered,) = re.findall(r"<code>(.*?)</code>", markup(screen, "pattern-horse-10"))
    assert shlex.split(offered)[-2:] == ["--ratio", "0.1"]
    monkeypatch.setattr(core.datasets, "available", lambda name: True)
    told = CliRunner().invoke(commands.app, [*shlex.split(offered)[3:], "--dry-run", "--json", "--no-benign"])
    assert json.loads(told.output)["runs"] == 1


def test_a_run_of_the_record_that_ships_can_be_opened(tables, no_record, monkeypatch) -> None:
    entries = row_of("pattern", "horse", 0.1)
    for entry in entries:
        finish(entry)
    (no_record / "quick.json").write_text(json.dumps(outcomes.document(outcomes.table(entries))))
    for entry in entries:
        Store().delete("run", entry.key)
    monkeypatch.setattr(core.recorded, "run_keys", lambda folder=None: [entries[0].key] if folder else [])
    screen = tables()
    assert ["<a " in line for line in lines(screen, "pattern-horse-10")] == [True, False, False]
    assert "2 runs of this row were recorded on another machine" in text(markup(screen, "pattern-horse-10"))


def test_classes_of_which_nothing_is_left_are_named(tables) -> None:
    entry = next(one for one in planned("spectral", "training_set") if one.row.ratio == 0.1)
    finish(entry, poisons=2_000)  # so that 3,000 go from every class, of which all but the target's have 2,000
    screen = tables(table_detector="spectral", table_ratio="of the whole set")
    notes = markup(screen, "pixel-bird-10")
    assert "Nothing is left</b> of airplane, automobile, cat, deer, dog, frog, horse, ship, truck:" in notes


# --- choices ---------------------------------------------------------------------------------------------


def test_the_address_chooses_and_what_it_names_wrongly_is_passed_over(tables) -> None:
    for entry in row_of("pixel", "bird", 0.05, "spectral-released"):
        finish(entry, nat1=0.5)
    screen = tables(table_detector="spectral-released", table_recipe="nonsense")
    assert screen.selectbox("table_recipe").value == "quick"
    assert cells(screen, "pixel-bird-5")[1].startswith("50.0±0.0")
    assert tables().selectbox("table_detector").value == "whitened-spectral"
    assert "0 of 36" in said(tables(table_detector="spectral-released", table_ratio="of the whole set"))


def test_recipes_are_those_with_a_record_or_with_a_run(tables, no_record) -> None:
    assert tables().selectbox("table_recipe").options == ["quick"]
    (no_record / "paper.json").write_text('{"runs": []}')
    core.submit(core.configure(recipe="fast"))
    core.submit(core.configure(dataset="digits", target=3))
    assert tables().selectbox("table_recipe").options == ["fast", "paper"]


def test_blind_review_shows_nothing(tables) -> None:
    for entry in planned():
        finish(entry)
    screen = tables(truth="0")
    assert not [one for one in screen.get("bidi_component") if "report_table" in one.proto.component_name]
    assert "98.5" not in said(screen)
    assert not screen.get("download_button")


# --- queueing --------------------------------------------------------------------------------------------


def test_queueing_says_what_it_costs_and_asks_first(tables, data_here) -> None:
    finish(planned()[0])
    screen = press(tables(), "Queue the missing runs (35) …")
    assert "**35 runs, 73 trainings**" in said(screen)
    assert not [job for job in jobs.listing() if job.active]
    assert {"Queue 35 runs", "Not now"} <= set(labels(screen))


def test_what_is_queued_waits_in_the_ledger_and_can_be_taken_back(tables, data_here) -> None:
    entries = planned()
    other = core.submit(core.configure(target="frog"))
    missing.queue(entries)
    waiting = [job for job in jobs.listing() if job.status == "queued"]
    assert {job.key for job in waiting if job.kind == "run"} == {other.key, *(entry.key for entry in entries)}
    assert sum(job.kind == "benign" for job in waiting) == 2 * SEEDS  # of either trigger; one network for both
    screen = tables()
    assert "Queue the missing runs" not in " ".join(labels(screen))
    screen = press(screen, f"Cancel the queued runs ({PLANNED})")
    assert [job.key for job in jobs.listing() if job.status == "queued"] == [other.key]
    assert f"Queue the missing runs ({PLANNED}) …" in labels(screen)


def test_without_the_data_set_nothing_can_be_queued(tables) -> None:
    (button,) = [one for one in tables().button if one.label.startswith("Queue")]
    assert button.disabled


# --- words, and what can be taken away -------------------------------------------------------------------


def test_why_it_differs_stands_once_for_all_rows_and_only_for_what_differs(tables) -> None:
    for entry in planned():
        finish(entry, asr2=entry.row.asr2, poisons_left=entry.row.poisons_left)
    rows = outcomes.table(planned())
    reasons = set(rows[0].differs().values())
    screen = tables()
    (list_of_reasons,) = [
        one.value for one in screen.markdown if one.value.startswith("- **Accuracy before (Nat1)** (all 12 rows)")
    ]
    assert reasons
    assert all(list_of_reasons.count(reason[1:].rstrip(".")) >= 1 for reason in reasons)
    assert "ASR2" not in list_of_reasons
    assert "Poison left" not in list_of_reasons


def test_every_column_is_explained(tables) -> None:
    screen = tables()
    explained = screen.expander[0].markdown[0].value
    heads = (words.figure(head).name for head in report_table.HEADS.values())
    shown = {one.head for one in report_table.columns([])} | {"benign", *heads}
    assert all(f"- **{name}**: " in explained for name in shown)


def test_the_csv_holds_the_reports_figures_and_ours(tables) -> None:
    for entry, nat in zip(row_of("pixel", "bird", 0.05), (0.77, 0.78, 0.79), strict=True):
        finish(entry, nat1=nat)
    rows = list(csv.DictReader(io.StringIO(report_csv.as_csv(outcomes.table(planned())))))
    assert len(rows) == 12
    first = rows[0]
    assert (first["trigger"], first["target"], first["ratio"], first["seeds"]) == ("pixel", "bird", "0.05", "3")
    assert float(first["nat1_report"]) == 0.9231
    assert float(first["nat1_mean"]) == pytest.approx(0.78)
    assert float(first["nat1_spread"]) == pytest.approx(np.std([0.77, 0.78, 0.79]))
    assert float(first["random_left"]) == 85
    assert rows[1]["nat1_mean"] == ""
    assert [one.proto.label for one in tables().get("download_button")] == ["Tables as CSV", "Tables as Markdown"]
