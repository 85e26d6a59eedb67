"""Files that are none of ours, damaged, or lie: one sentence, no traceback, nothing allocated, nothing unpickled."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from core.cli import commands, kinds, reading
from core.store import lies_in
from core.types import BadRequest
from tests.traced import memory

MATRIX = np.arange(6.0, dtype=np.float32).reshape(3, 2)


def in_memory(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def saved(array: Any) -> bytes:
    return in_memory(lambda file: np.save(file, array, allow_pickle=True))


def archived(**arrays: Any) -> bytes:
    return in_memory(lambda file: np.savez_compressed(file, **arrays))


def parquet(**columns: Any) -> bytes:
    return in_memory(lambda file: pq.write_table(pa.table(columns), file))


def headed(header: str, body: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + b"\n" + body


def shaped(shape: str, dtype: str = "<f4", body: bytes = b"\0" * 24) -> bytes:
    return headed(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}", body)


def zipped(name: str, content: bytes, flags: int = 0) -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, content)

    made = bytearray(in_memory(write))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.find(magic) + place] |= flags
    return bytes(made)


def flipped(content: bytes, start: int, stop: int) -> bytes:
    return content[:start] + bytes(255 - byte for byte in content[start:stop]) + content[stop:]


OBJECTS = np.array([{}, None], object)
LIES = {
    "more than there is": (shaped("(1000000000, 1000000)"), "by its header float32 .* and 24 bytes are there"),
    "less than there is": (shaped("(2, 2)"), r"holds more than its header says: by its header float32 \[2, 2\]"),
    "below zero": (shaped("(-1, 2)"), "its header"),
    "two below zero": (shaped("(-3, -2)"), "its header"),
    "beyond 64 bits": (shaped(f"({2**62}, {2**62})"), "cut short or its header is wrong"),
    "text of no length": (shaped("(1000000000000,)", "<U0", b""), "must hold plain numbers or text, got <U0"),
    "in an archive": (zipped("features.npy", shaped("(1000000000, 1000000)")), ":features is cut short or its header"),
}
BAD = {
    **LIES,
    "empty": (b"", "it is empty"),
    "magic only": (b"\x93NUMPY", "damaged or cut short"),
    "header cut": (saved(MATRIX)[:30], "damaged or cut short"),
    "cut": (saved(MATRIX)[:-5], "24 bytes, and 19 bytes are there"),
    "header open": (headed("{'descr': "), "damaged or cut short"),
    "header deep": (headed("(" * 9000), "damaged or cut short"),
    "header a call": (headed("__import__('os').getcwd()"), "damaged or cut short"),
    "header long": (headed("{" + " " * 60_000 + "}"), "damaged or cut short"),
    "other version": (headed("{}", version=(9, 0)), "of version 1.0 or 2.0, got 9.0"),
    "objects": (saved(OBJECTS), "holds Python objects, which are not read; .* saves text"),
    "fields": (saved(np.zeros(2, [("a", int)])), "plain numbers or text"),
    "a dump of objects": (b"\x80\x05\x95" + bytes(61), "holds Python objects; save the array in it by np.save"),
    "PK": (b"PK\x03\x04 and nothing" * 9, "damaged or cut short"),
    "archive cut": (archived(features=np.arange(9000.0))[:3000], "damaged or cut short"),
    "archive altered": (flipped(archived(features=np.arange(9000.0)), 300, 320), "damaged or cut short"),
    "archive locked": (zipped("features.npy", saved(MATRIX), 1), "damaged or cut short"),
    "archive of objects": (archived(features=OBJECTS), ":features holds Python objects"),
    "archive of text": (zipped("features.npy", b"hello"), "damaged or cut short"),
    "other archive": (zipped("xl/workbook.xml", b"<x/>"), "a zip archive without NumPy arrays"),
    "several arrays": (archived(a=MATRIX, b=MATRIX), "holds 2 arrays, none of them called features; say which .* a, b"),
    "compressed": (gzip.compress(saved(MATRIX)), "is compressed: unpack it first"),
    "web page": (b"\n<!DOCTYPE html><title>404</title>", "is a web page"),
    "text": (b"1,2\n3,4\n", r"is text; np.save\(name, np.loadtxt"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    "bytes": (bytes(range(256)), "it is none of these"),
    "parquet cut": (parquet(a=[1.0])[:-10], "damaged or cut short"),
    "parquet altered": (flipped(parquet(a=[1.0, 2.0]), 20, 60), "damaged or cut short"),
    "parquet of text": (parquet(a=["x"], b=[1.0]), "leave out what is no feature: a"),
    "parquet with ids": (parquet(id=[1, 2], a=[1.0, 2.0]), "leave out or rename id"),
    "parquet with a gap": (parquet(a=[1.0, None]), ":a has 1 empty cells"),
    "parquet ragged": (parquet(a=[[1.0], [1.0, 2.0]]), ":a must hold lists of numbers, all of one length, got 2"),
    "parquet list with a gap": (parquet(a=[[1.0, None]]), "all of one length, got empty cells"),
    "parquet of two lists": (parquet(a=[[1.0]], b=[[1.0]]), "must have one column of lists"),
    "parquet of nothing": (parquet(), "there is no column"),
}


def refusal(path: Path, wanted: str = "features") -> str:
    with pytest.raises(BadRequest) as refused:
        reading.read(path, wanted)
    return checked(str(refused.value))


def checked(sentence: str) -> str:
    assert "\n" not in sentence
    assert "pickle" not in sentence.lower()
    return sentence


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_array_of_numbers_is_refused_in_one_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, _ = BAD[kind]
    path = tmp_path / "features.npy"
    path.write_bytes(content)
    np.save(tmp_path / "labels.npy", np.arange(3))
    said = refusal(path)
    assert str(path) in said
    assert re.search(BAD[kind][1], said), said
    to = tmp_path / "scores.csv"
    monkeypatch.setattr(sys, "argv", ["core", "score", str(path), str(tmp_path / "labels.npy"), "--to", str(to)])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err) == (2, "", f"error: {said}\n")
    assert not to.exists()


@pytest.mark.parametrize("kind", LIES)
def test_a_header_that_lies_allocates_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    path.write_bytes(LIES[kind][0])
    with memory() as taken:
        refusal(path)
    assert taken.peak < 5e6


@given(st.sampled_from(sorted(BAD)), st.data())
@settings(max_examples=100)
def test_a_file_altered_or_cut_anywhere_is_read_or_refused_in_one_sentence(kind: str, data: st.DataObject) -> None:
    good = [saved(MATRIX), archived(features=MATRIX), parquet(a=[1.0, 2.0]), parquet(a=[[1.0], [2.0]]), BAD[kind][0]]
    content = bytearray(data.draw(st.sampled_from(good)) or b"\0")
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        file.write(content)
        file.flush()
        for wanted in ("features", "labels"):
            try:
                assert isinstance(reading.read(file.name, wanted), np.ndarray)
            except BadRequest as refused:
                checked(str(refused))


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "gone.npy")
    assert "got a folder" in refusal(tmp_path)
    assert "got a device" in refusal(Path("/dev/zero"))
    for name in ("x" * 5000, "a\0b.npy"):
        assert "is no file's name" in refusal(Path(name))


# --- what is read -----------------------------------------------------------------------------------------


def test_an_archive_gives_what_is_wanted_the_only_one_or_the_one_named(tmp_path: Path) -> None:
    path = tmp_path / "both.dat"
    np.savez(path.with_suffix(".npz"), features=MATRIX, labels=np.arange(3), more=MATRIX + 1)
    path.with_suffix(".npz").rename(path)
    assert reading.read(path, "features").tolist() == MATRIX.tolist()
    assert reading.read(path, "labels").tolist() == [0, 1, 2]
    assert reading.read(f"{path}:more", "features").tolist() == (MATRIX + 1).tolist()
    assert "holds no arrays called nothing; it has features, labels, more" in refusal(Path(f"{path}:nothing"))
    np.save(tmp_path / "one.npy", MATRIX)
    assert "has no 'a' in it" in refusal(Path(f"{tmp_path / 'one.npy'}:a"))


def test_a_large_array_stays_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(MATRIX))
    monkeypatch.setattr(kinds, "LARGE", 1)
    mapped = reading.read(tmp_path / "x.npy", "features")
    assert mapped.tolist() == MATRIX.tolist()
    assert not mapped.flags.writeable


WIDE = np.random.default_rng(0).normal(size=(700, 30)).astype(np.float32)


def saved_as(kind: str, folder: Path) -> Path:
    """WIDE in a file of this kind, whose `labels` are the rows' numbers by 3."""
    path, labels = folder / f"set.{kind.split()[0]}", np.arange(700) % 3
    if kind == "npz":
        np.savez_compressed(path, features=WIDE, labels=labels)
    elif kind == "safetensors":
        save_file({"features": WIDE, "labels": labels}, path)
    else:
        listed = pa.array(list(WIDE), pa.list_(pa.float32()))
        columns = {"embedding": listed} if "lists" in kind else {f"f{place}": one for place, one in enumerate(WIDE.T)}
        pq.write_table(pa.table({**columns, "label": labels}), path, row_group_size=250)
    return path


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet of lists", "parquet of columns"])
def test_large_features_are_read_from_the_disk_and_leave_nothing_there(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    path = saved_as(kind, tmp_path)
    here = reading.read(path, "features")
    assert lies_in(here) is None
    monkeypatch.setattr(kinds, "LARGE", 1_000)
    monkeypatch.setattr(kinds, "BLOCK", 10_000)
    monkeypatch.setattr(kinds, "LARGE", 1_000)
    monkeypatch.setattr(kinds, "free_memory", lambda: 40_000.0)  # as labels take, not features
    there = reading.read(path, "features")
    assert lies_in(there) is not None
    np.testing.assert_array_equal(here, WIDE)
    np.testing.assert_array_equal(there, WIDE)
    assert reading.read(path, "labels").tolist() == [row % 3 for row in range(700)]
    assert list(own_home.iterdir()) == []


def test_what_is_wrong_deep_in_a_large_parquet_file_is_said_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    monkeypatch.setattr(kinds, "LARGE", 1_000)
    path = tmp_path / "set.parquet"
    column = pa.array([*WIDE[:, 0].tolist()[:-1], None])
    pq.write_table(pa.table({"a": column, "b": WIDE[:, 1]}), path)
    assert re.search(r":a has 1 empty cells in rows \d+ to 699; features must be numbers", refusal(path))
    rows = [list(map(float, row)) for row in WIDE]
    pq.write_table(pa.table({"a": [*rows[:-1], rows[-1][1:]]}), path)
    assert "all of one length, got 2 lengths in rows" in refusal(path)
    pq.write_table(pa.table({"a": [[1.0] * (3 if row < 600 else 4) for row in range(700)]}), path)
    monkeypatch.setattr(kinds, "BLOCK", 1)  # a row at a time: each block is even
    assert "all of one length, got several" in refusal(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda whole: whole[:-9], "is damaged or cut short"),
        (lambda whole: whole[:40], "must be a .npy, .npz, .safetensors or Parquet file"),
        (lambda whole: whole.replace(b'"F32"', b'"F99"'), "is damaged or cut short"),
        (lambda whole: told_otherwise(whole, dtype="BF16", shape=[700, 60]), "holds BF16, which NumPy has not"),
    ],
    ids=["cut short", "a piece of the header", "a type that is none", "a type of another's"],
)
def test_safetensors_that_are_none_or_hold_what_numpy_has_not_are_refused(
    change: Callable[[bytes], bytes], words: str, tmp_path: Path
) -> None:
    path = saved_as("safetensors", tmp_path)
    path.write_bytes(change(path.read_bytes()))
    assert words in refusal(path)


def told_otherwise(whole: bytes, **changes: object) -> bytes:
    """A safetensors file whose header says something else of the features."""
    end = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:end])
    header["features"] |= changes
    said = json.dumps(header).encode()
    return len(said).to_bytes(8, "little") + said + whole[end:]


def test_what_would_not_fit_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").write_bytes(archived(features=np.zeros((1000, 250))))
    pd.DataFrame(np.zeros((1000, 250))).rename(columns=str).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(kinds, "free_memory", lambda: 1e6)
    for name in ("a.npz", "a.parquet"):
        assert "GB of numbers, and 0.0 GB of memory are free" in refusal(tmp_path / name)


def test_parquet_is_taken_where_it_is_clear(tmp_path: Path) -> None:
    columns = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "label": ["x", None, "y"]}, index=[7, 8, 9])
    columns.to_parquet(tmp_path / "columns.parquet")
    assert reading.read(tmp_path / "columns.parquet", "features").tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]]
    assert reading.read(tmp_path / "columns.parquet", "labels").tolist() == ["x", None, "y"]
    assert reading.read(f"{tmp_path / 'columns.parquet'}:a", "labels").tolist() == [1, 2, 3]
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float64())):
        table = pa.table({"id": [1, 2, 3], "embedding": pa.array(MATRIX.tolist(), kind), "label": [0, 1, 1]})
        pq.write_table(table, tmp_path / "lists.parquet", row_group_size=2)
        assert reading.read(tmp_path / "lists.parquet", "features").tolist() == MATRIX.tolist()


def test_labels_beside_the_features_are_found_and_all_is_said_in_one_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(400) % 4
    features = rng.normal(size=(400, 5))
    features[np.flatnonzero(groups == 2)[:10], 3] += 15.0
    features[1] = 0.0
    names = np.array(["=cat", "dog", "frog", "horse"], object)[groups]
    names[-4:] = None
    table = pd.DataFrame(features, columns=list("abcde"))
    table["label"] = names
    table.to_parquet(tmp_path / "set.parquet")
    to = tmp_path / "scores.csv"
    asked = ["core", "score", str(tmp_path / "set.parquet"), "--detector", "whitened-spectral", "--to", str(to)]
    monkeypatch.setattr(sys, "argv", [*asked, "--json"])
    with pytest.raises(SystemExit, match="0"):
        commands.main()
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["features"], found["unlabelled"], found["flagged"]) == (400, 5, 4, 15)
    assert (found["named"], found["threshold"], found["epsilon_of"]) == (["frog"], 2.5, "own_class")
    assert found["warnings"] == ["1 row is all zero, of class dog"]
    assert found["notes"][0] == "4 rows have no label (None) and no score"
    by_name = {one["label"]: one for one in found["classes"]}
    assert (by_name["frog"]["rows"], by_name["frog"]["epsilon"], by_name["frog"]["budget"]) == (99, 10, 15)
    assert by_name["frog"]["statistic"] > 2.5 > by_name["dog"]["statistic"]
    assert [one["flagged"] for one in found["classes"]] == [0, 0, 15, 0]
    written = pd.read_csv(to)
    assert written["label"].tolist()[:4] == ["'=cat", "dog", "frog", "horse"]
    assert written["label"].isna().tolist() == written["score"].isna().tolist() == [name is None for name in names]
    assert written["flagged"].sum() == 15

    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit, match="0"):
        commands.main()
    said = capsys.readouterr().out
    for part in ("named: frog (statistic above 2.5)", "note: 4 rows have no label", "warning: 1 row is all zero"):
        assert part in said
    assert "1.5 * epsilon highest scores of each class that is named; epsilon is 0.1 of a class's own rows" in said
    assert f"15 of 400 images flagged; written to {to}\n" in said


def test_a_name_cannot_write_into_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "set.npz", features=np.eye(4), labels=np.array(["\x1b[2Jgone", "[red]b[/red]"] * 2))
    monkeypatch.setattr(sys, "argv", ["core", "score", str(tmp_path / "set.npz"), "--to", str(tmp_path / "s.csv")])
    with pytest.raises(SystemExit, match="0"):
        commands.main()
    said = capsys.readouterr().out
    assert "?[2Jgone" in said
    assert "[red]b[/red]" in said
    assert "\x1b" not in said
