"""One small set in each form that people have: recognised as what it is, and read whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import audits
from core.types import BadRequest
from tests.audits.made import CLASSES, laid_out, picture, pixels, tarred, zipped

ROWS = [(name, name.split("/")[0]) for name in CLASSES]
NUMBERS = np.array([int(label) for _, label in ROWS])
IMAGES = np.stack([pixels(10 * int(label) + place % 2) for place, (_, label) in enumerate(ROWS)])


def class_folders(folder: Path) -> Path:
    return laid_out(folder, CLASSES)


def zip_of_folders(folder: Path) -> Path:
    return zipped(folder / "set.zip", {f"wrapping/{name}": content for name, content in CLASSES.items()})


def tar_of_folders(folder: Path) -> Path:
    return tarred(folder / "set.tar.gz", CLASSES, "w:gz")


def webdataset(folder: Path) -> Path:
    files = {}
    for place, (name, label) in enumerate(ROWS):
        files |= {f"{place:04}.png": CLASSES[name], f"{place:04}.cls": label.encode()}
    return tarred(folder / "set.tar", files)


def csv_manifest(folder: Path) -> Path:
    laid_out(folder, CLASSES)
    lines = [f"{name},{label}" for name, label in ROWS]
    (folder / "set.csv").write_text("\n".join(["filename,label", *lines]))
    return folder / "set.csv"


def lines_manifest(folder: Path) -> Path:
    laid_out(folder, CLASSES)
    lines = [json.dumps({"file": name, "class": int(label)}) for name, label in ROWS]
    (folder / "set.jsonl").write_text("\n".join(lines))
    return folder / "set.jsonl"


def parquet(folder: Path) -> Path:
    table = pa.table(
        {"image": [{"bytes": CLASSES[name], "path": name} for name, _ in ROWS], "label": [int(one) for _, one in ROWS]}
    )
    pq.write_table(table, folder / "set.parquet")
    return folder / "set.parquet"


def npz(folder: Path) -> Path:
    np.savez_compressed(folder / "set.npz", images=IMAGES, labels=NUMBERS)
    return folder / "set.npz"


def npy_pair(folder: Path) -> Path:
    np.save(folder / "images.npy", IMAGES)
    np.save(folder / "labels.npy", NUMBERS)
    return folder


FORMS = {
    "class folders": class_folders,
    "zip of class folders": zip_of_folders,
    "tar of class folders": tar_of_folders,
    "WebDataset tar": webdataset,
    "CSV manifest": csv_manifest,
    "JSON Lines manifest": lines_manifest,
    "Hugging Face Parquet": parquet,
    "npz": npz,
    "npy pair": npy_pair,
}


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_is_recognised_and_read_whole(kind: str, tmp_path: Path) -> None:
    (folder := tmp_path / "set").mkdir()
    path = FORMS[kind](folder)
    listing = audits.recognise(path)
    assert (listing.kind, listing.images, listing.unlabelled) == (kind, 8, 0)
    assert dict(listing.classes) == {"0": 2, "1": 2, "2": 2, "10": 2}, "natural order"
    assert list(listing.classes) == ["0", "1", "2", "10"]
    assert dict(listing.splits) == {"": 8}
    assert "8 images in 4 classes: 0 (2), 1 (2), 2 (2), 10 (2)." in listing.sentences[0]
    done: list[float] = []
    brought = audits.read(path, tell=done.append)
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert (brought.kind, len(brought), brought.listed) == (kind, 8, 8)
    assert brought.classes == ("0", "1", "2", "10")
    assert brought.sentences[: len(listing.sentences)] == listing.sentences
    assert not brought.unreadable
    assert not brought.doubtful
    order = [int(np.flatnonzero((brought.images == one).all((1, 2, 3)))[0]) for one in IMAGES]
    assert np.array_equal(brought.images[order], IMAGES)
    assert [brought.classes[label] for label in brought.labels[order]] == [label for _, label in ROWS]
    assert brought.sizes.tolist() == [[8, 8]] * 8
    assert brought.modes == ("RGB",) * 8
    assert len(set(brought.digests)) == 8
    assert {len(one) for one in brought.digests} == {16}
    assert len(brought.names) == len(set(brought.names)) == 8
    assert brought.rows.tolist() == list(range(8))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a", b"", "it is empty"),
        ("a.h5", b"\x89HDF\r\n", "is an HDF5 file"),
        ("a.7z", b"7z\xbc\xaf", "compressed in a way that is not read"),
        ("a.gz", gzip.compress(b"x" * 9999, mtime=0), "holds no tar archive"),
        ("a.png", picture(), "is a single picture; give the folder"),
        ("a.csv", b"<!DOCTYPE html>", "must have a column|is a web page"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS"),
        ("a.json", b'[{"path": "a.png"}]', "write one object a line"),
        ("a.pkl", b"\x80\x04\x95", "holds Python objects, which are never read here"),
        ("a.bin", bytes(range(256)) * 9, "it is none of these"),
        ("a.zip", b"PK\x03\x04" + bytes(999), "damaged or cut short"),
    ],
)
def test_what_it_is_instead(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for door in (audits.recognise, audits.read):
        with pytest.raises(BadRequest, match=words) as caught:
            door(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_a_home_that_nobody_has() -> None:
    with pytest.raises(BadRequest, match="cannot read"):
        audits.recognise("~nobody-at-all/set")
