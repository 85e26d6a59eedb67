"""What other programs are given: labels in FiftyOne's form, and the flagged images as a folder of their own."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import core
from core import audits
from core.audits import Audit
from core.cli import commands
from core.types import BadRequest
from tests.audits import made
from tests.audits.made import EACH, PLANTED, STAMPED, in_class_folders, laid_out, picture, zipped


def labels(told: Audit) -> tuple[list[str], dict[str, Any]]:
    """Classes and labels, in nothing but the fields that FiftyOne's documentation has."""
    found = json.loads(audits.FILES["labels.json"](told))
    assert set(found) == {"classes", "labels"}
    return found["classes"], found["labels"]


# --- FiftyOne --------------------------------------------------------------------------------------------


def test_labels_are_in_the_form_that_fiftyone_documents(planted_set: Path, told: Audit) -> None:
    """A target is a place in `classes`, in a dict with attributes; absolute paths need no copy of the pictures."""
    classes, entries = labels(told)
    assert classes == list(PLANTED)
    assert len(entries) == len(told.brought)
    for path, entry in entries.items():
        assert Path(path).is_absolute()
        assert Path(path).is_file()
        assert set(entry) == {"label", "attributes"}
        assert classes[entry["label"]] == Path(path).relative_to(planted_set).parts[0]
        kinds = {name: type(value) for name, value in entry["attributes"].items() if name != "tags"}
        assert kinds == {"flagged": bool, "reason": str, "score": float, "rank": int}
    flagged = {Path(path).name for path, one in entries.items() if one["attributes"].get("tags") == ["flagged"]}
    assert flagged == {f"{row:04d}.png" for row in range(EACH, EACH + STAMPED)}
    said = entries[str(planted_set / "cat" / f"{EACH:04d}.png")]["attributes"]
    assert said["flagged"]
    assert said["reason"].startswith("repeats: ")
    table = pd.read_parquet(io.BytesIO(audits.FILES["audit.parquet"](told)))
    assert sorted(one["attributes"]["rank"] for one in entries.values()) == sorted(table["rank"])


def test_pictures_within_an_archive_go_by_their_path_without_the_ending(tmp_path: Path) -> None:
    """As FiftyOne names what lies in a folder (`data_path`): unpacked there, they are found."""
    files = {f"train/{name}/{place}.png": picture(10 * at + place) for at, name in enumerate("ab") for place in (1, 2)}
    path = zipped(tmp_path / "set.zip", {f"set/{name}": data for name, data in files.items()})
    told = core.audit(path)
    classes, entries = labels(told)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "data")
    there = {str(one.relative_to(tmp_path / "data").with_suffix("")) for one in (tmp_path / "data").rglob("*.png")}
    assert set(entries) == there
    assert {name: classes[one["label"]] for name, one in entries.items()} == {
        name: Path(name).parent.name for name in there
    }
    assert {one["attributes"]["split"] for one in entries.values()} == {"train"}


def test_an_image_without_a_label_has_no_target(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "set", {f"{name}/1.png": picture(at) for at, name in enumerate("ab")})
    (root / "stray.png").write_bytes(picture(5))
    (root / "list.csv").write_text("path,label\na/1.png,a\nb/1.png,b\nstray.png,\n")
    _, entries = labels(core.audit(root / "list.csv"))
    assert entries[str(root / "stray.png")] is None
    assert entries[str(root / "a" / "1.png")]["label"] == 0


def test_of_a_path_that_is_named_twice_the_flagged_entry_stays(told: Audit) -> None:
    names = list(told.brought.names)
    names[0] = names[-1] = names[EACH]
    _, entries = labels(replace(told, brought=replace(told.brought, names=tuple(names))))
    assert len(entries) == len(names) - 2
    assert entries[str(Path(told.brought.source) / names[EACH])]["attributes"]["flagged"]


def test_arrays_and_sets_without_labels_can_be_written(tmp_path: Path) -> None:
    images = made.planted_photographs()
    _, entries = labels(core.audit(images, np.repeat(PLANTED, EACH)))
    assert list(entries) == [str(row) for row in range(len(images))]
    root = laid_out(tmp_path / "set", {"1.png": picture(1), "2.png": picture(2)})
    classes, entries = labels(core.audit(root))
    assert classes == []
    assert entries == {str(root / "1.png"): None, str(root / "2.png"): None}


# --- a folder of the flagged ------------------------------------------------------------------------------


def test_the_flagged_lie_in_class_folders_and_a_table_says_why(planted_set: Path, told: Audit, tmp_path: Path) -> None:
    said = audits.set_aside(told, tmp_path / "aside")
    assert said == f"14 flagged images are in {tmp_path / 'aside'}, and in flagged.csv why"
    files = {str(one.relative_to(tmp_path / "aside")) for one in (tmp_path / "aside").rglob("*") if one.is_file()}
    assert files == {"flagged.csv"} | {f"cat/{row:04d}.png" for row in range(EACH, EACH + STAMPED)}
    table = pd.read_csv(tmp_path / "aside" / "flagged.csv")
    assert table.columns.tolist() == ["file", "path", "label", "score", "reason"]
    assert table["score"].is_monotonic_decreasing
    for row in table.itertuples():
        assert (tmp_path / "aside" / row.file).read_bytes() == (planted_set / row.path).read_bytes()
        assert row.reason.startswith("repeats: ")


def test_they_can_be_links_where_they_are_files(planted_set: Path, told: Audit, tmp_path: Path) -> None:
    audits.set_aside(told, tmp_path / "aside", links=True)
    link = tmp_path / "aside" / "cat" / f"{EACH:04d}.png"
    assert link.is_symlink()
    assert link.resolve() == (planted_set / "cat" / link.name).resolve()
    zipped(tmp_path / "set.zip", in_class_folders(made.planted_photographs()))
    with pytest.raises(BadRequest, match="links lead to files, and the images of this set"):
        audits.set_aside(core.audit(tmp_path / "set.zip"), tmp_path / "other", links=True)


def test_names_are_made_safe_and_rows_of_arrays_become_pictures(tmp_path: Path) -> None:
    images = made.planted_photographs()
    audits.set_aside(core.audit(images, np.repeat(["a", "../../up", "c"], EACH)), tmp_path / "aside")
    (folder,) = (one for one in (tmp_path / "aside").iterdir() if one.is_dir())
    assert len(list(folder.glob("*.png"))) == STAMPED
    assert folder.parent == tmp_path / "aside"
    assert not (tmp_path.parent / "up").exists()


def test_where_nothing_is_flagged_nothing_is_written(tmp_path: Path) -> None:
    told = core.audit(made.planted_photographs()[:EACH], ["a"] * EACH)
    assert audits.set_aside(told, tmp_path / "aside") == f"nothing is flagged, so nothing is in {tmp_path / 'aside'}"
    assert not (tmp_path / "aside").exists()


def test_where_it_cannot_be_it_says_so(planted_set: Path, told: Audit, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    for to, words in ((tmp_path / "full", "holds something"), (planted_set / "aside", "must not lie within the set")):
        with pytest.raises(BadRequest, match=words):
            audits.set_aside(told, to)
    changed = laid_out(tmp_path / "set", in_class_folders(made.planted_photographs()))
    other = core.audit(changed)
    (changed / "cat" / f"{EACH:04d}.png").write_bytes(picture(3))
    with pytest.raises(BadRequest, match="has changed since it was read"):
        audits.set_aside(other, tmp_path / "aside")


def test_the_command_line_sets_them_aside(planted_set: Path, tmp_path: Path) -> None:
    aside, clean = tmp_path / "aside", tmp_path / "clean"
    command = ["audit", str(planted_set), "--flagged", str(aside), "--clean", str(clean), "--links"]
    ran = CliRunner().invoke(commands.app, command)
    assert ran.exit_code == 0, ran.output
    assert "14 flagged images are in" in " ".join(ran.output.split())
    assert len(list((aside / "cat").iterdir())) == len(list((clean / "quarantine" / "cat").iterdir())) == STAMPED
    for first, second in ((aside, aside / "deep"), (clean, clean)):
        ran = CliRunner().invoke(
            commands.app, ["audit", str(planted_set), "--flagged", str(first), "--clean", str(second)]
        )
        assert ran.exit_code != 0
        assert "neither within the other" in str(ran.exception) or "neither within the other" in ran.output
