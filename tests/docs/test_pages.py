"""The pages say what is so: tables equal to what ships, figures in sentences too, links lead somewhere."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from benchmarks import robustness
from core.reproduction import documents, outcomes, reproduce, tables
from core.store import Store
from core.sweeps import planning
from core.types import BadRequest
from tests.docs import pages
from tests.docs.pages import OTHERS, PAGES, ROOT


def test_readme_is_a_front_page() -> None:
    assert len(pages.text("README.md").splitlines()) <= 120


def test_the_tables_are_what_ships() -> None:
    assert {str(path.relative_to(ROOT)) for path in documents.pages()} == set(PAGES)
    stale = [str(path.relative_to(ROOT)) for path in documents.write(check=True)]
    assert not stale, f"{stale} have other figures than assets/: run `python -m core docs`"


def test_every_table_stands_on_a_page() -> None:
    written = "".join(pages.text(page) for page in PAGES)
    assert [name for name in documents.TABLES if f"<!-- table: {name} -->" not in written] == []


def test_a_wrong_figure_is_put_right_and_the_prose_stays() -> None:
    right = f"before\n<!-- table: clean sets -->\n{documents.TABLES['clean sets']()}<!-- end of table -->\nafter\n"
    assert "| scan | 3 | 0 |" in right
    assert documents.filled(right.replace("| scan | 3 | 0 |", "| scan | 3 | 1 |")) == right
    assert documents.filled("<!-- table: clean sets -->\n<!-- end of table -->\n") in right


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- table: auroc -->\n| |\n", "ends with `<!-- end of table -->`"),
        ("<!-- end of table -->\n", "ends with `<!-- end of table -->`"),
        ("<!-- table: auroc -->\n<!-- table: left -->\n<!-- end of table -->\n", "ends with `<!-- end of table -->`"),
        ("<!-- table: colours -->\n<!-- end of table -->\n", r"unknown tables \['colours'\]; allowed are \['asr after"),
    ],
)
def test_a_page_with_a_bad_mark_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        documents.filled(text)


def test_writing_says_which_page_has_the_bad_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("<!-- end of table -->\n")
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    with pytest.raises(BadRequest, match=r"README\.md: a table begins"):
        documents.write()


def test_only_what_differs_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    empty, plain = tmp_path / "docs" / "empty.md", tmp_path / "README.md"
    empty.write_text("<!-- table: clean sets -->\n<!-- end of table -->\n")
    plain.write_text("no table\n")
    assert documents.write(check=True) == [empty]
    assert "scan" not in empty.read_text()
    assert documents.write() == [empty]
    assert "| scan | 3 | 0 |" in empty.read_text()
    assert documents.write() == []
    assert plain.read_text() == "no table\n"


def test_a_run_of_this_machine_changes_no_page() -> None:
    before = documents.TABLES["clean sets"]()
    sweep = planning.shipped()["control"]
    for cell in planning.grid.cells(sweep):
        Store().write("cell", planning.grid.cell_key(cell.config, sweep), document={"clean_removed": 99, "nat1": 0.5})
    assert planning.table(sweep)["clean_removed"].tolist() == [99] * 9
    assert documents.TABLES["clean sets"]() == before


def test_the_report_s_tables_are_what_was_measured() -> None:
    rows = outcomes.table(reproduce.plan())
    assert pages.text("assets/tables/quick.md").partition("\n\n")[2] == tables.markdown(rows)


def test_the_other_targets_are_what_was_measured() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "robustness.json").read_text())
    assert robustness.summary(record["rows"]) in pages.text("docs/whitened-spectral.md")


def figures(detector: str) -> list[dict[str, Any]]:
    runs = json.loads(pages.text("assets/tables/quick.json"))["runs"]
    return [run["figures"] for run in runs if run["detector"] == detector]


def test_the_sentences_on_the_report_s_rows_are_true() -> None:
    told = said("docs/results.md")
    ours, plain = figures("whitened-spectral"), figures("spectral")
    assert len(ours) == len(plain) == 36
    assert {run["poisons_left"] for run in ours} == {0}
    assert {run["clean_removed"] / run["poisons"] for run in ours} == {0.5}
    assert f"ASR1 at least {min(run['asr1'] for run in ours):.1%}," in told
    above = [100 * (run["asr2"] - run["benign_asr"]) for run in ours]
    assert (
        f"{-statistics.mean(above):.1f} points below it on average, "
        f"at most {max(above):.1f} above or {-min(above):.1f} below in a single run"
    ) in told
    costs, plainly = (statistics.mean(100 * (run["nat1"] - run["nat2"]) for run in some) for some in (ours, plain))
    assert f"Nat costs {costs:.1f} points on average" in told
    taken = [run["clean_removed"] for run in plain]
    assert f"{min(taken):,.0f} to {max(taken):,.0f} benign ones a run, and Nat costs {plainly:.1f} points" in told


def said(page: str) -> str:
    """A page's words, whatever the lines they stand on."""
    return " ".join(pages.text(page).split())


def test_the_sentences_on_cleaning_are_true() -> None:
    found = planning.table(planning.shipped()["cleaning"])
    learned = found.groupby("attack", sort=False)["asr1"].mean() > 0.5
    after = found.pivot_table("asr2", "detector", "attack", "max", sort=False).loc[:, learned[learned].index]
    gone = (after < documents.GONE).sum(axis=1)
    assert (len(after.columns), gone["mahalanobis"], gone["whitened-spectral"], gone.nlargest(2).sum()) == (9, 6, 5, 11)
    mean = found.pivot_table("asr2", "detector", "attack", sort=False)[["sinusoid", "clean-label"]]
    assert mean.idxmin().tolist() == ["knn", "loss-isolation"]
    assert f"at best {mean.min().iloc[0]:.0%} (`knn`) and".replace("%", "") in pages.text("docs/results.md")
    assert "cleans six of the nine attacks that were learned, `whitened-spectral` five" in said("README.md")
    verdict = planning.table(planning.shipped()["verdict"])
    cleaned = verdict[(verdict["status"] == "done") & verdict["attack"].isin(after.columns)]
    assert set(cleaned["attack"]) == set(after.columns), "all nine that are learned"
    assert cleaned["asr2"].astype(float).max() < documents.GONE
    assert "cleans all nine attacks that were learned" in said("README.md")


@pytest.mark.parametrize("page", [*PAGES, *OTHERS])
def test_links_lead_somewhere(page: str) -> None:
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in pages.anchors(str(target.relative_to(ROOT))), f"{page}: {link}"


def test_readme_leads_to_every_page() -> None:
    assert set(PAGES[1:]) <= {link.partition("#")[0] for link in pages.links("README.md")}
