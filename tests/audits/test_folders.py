"""Class folders: what is a class, what is a split, what is left out, and that no link leads out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import audits
from core.audits import layout
from core.types import BadRequest
from tests.audits.made import CLASSES, laid_out, picture

PICTURE = picture()


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    rubbish = {
        "cat/.DS_Store": b"x",
        "cat/.ipynb_checkpoints/a-checkpoint.png": PICTURE,
        "__MACOSX/cat/._a.png": b"x",
        "cat/._a.png": b"x",
        "cat/Thumbs.db": b"x",
        "README.md": b"x",
        "cat/more.zip": b"PK",
        "dog/": b"",
        "bird/.DS_Store": b"x",
    }
    root = laid_out(tmp_path / "set", {"cat/a.png": PICTURE, "cat/b.JPG": picture(1, "JPEG"), **rubbish})
    listing = audits.recognise(root)
    assert dict(listing.classes) == {"cat": 2}
    assert dict(listing.skipped) == {
        ".DS_Store": 2,
        ".ipynb_checkpoints": 1,
        "__MACOSX": 1,
        "hidden files": 2,
        "other files": 1,
        "nested archives": 1,
        "empty folders": 2,
    }
    assert "empty folders (2)" in " ".join(listing.sentences)
    assert dict(audits.read(root).skipped) == dict(listing.skipped)


@pytest.mark.parametrize(
    ("paths", "classes", "splits"),
    [
        (["train/cat/a.png", "TEST/cat/a.png", "valid/dog/a.png"], {"cat": 2, "dog": 1}, ["train", "valid", "TEST"]),
        (["wrap/train/cat/a.png", "wrap/test/dog/a.png"], {"cat": 1, "dog": 1}, ["train", "test"]),
        (["wrap/cat/a.png", "wrap/dog/a.png"], {"cat": 1, "dog": 1}, [""]),
        (["cat/a.png"], {"cat": 1}, [""]),
        (["train/a.png", "bus/b.png"], {"bus": 1, "train": 1}, [""]),
        (["cat/tabby/a.png", "cat/siam/b.png", "dog/c.png"], {"cat/siam": 1, "cat/tabby": 1, "dog": 1}, [""]),
        (["train/cat/tabby/a.png", "test/cat/tabby/b.png"], {"cat/tabby": 2}, ["train", "test"]),
        (["train/a.png", "val/b.png"], {}, ["train", "val"]),
        (["a.png", "b.png"], {}, [""]),
        (["cat/a.png", "stray.png"], {"cat": 1}, [""]),
    ],
)
def test_classes_and_splits_by_their_place(
    tmp_path: Path, paths: list[str], classes: dict[str, int], splits: list[str]
) -> None:
    listing = audits.recognise(laid_out(tmp_path / "set", dict.fromkeys(paths, PICTURE)))
    assert dict(listing.classes) == classes
    assert list(listing.splits) == splits
    assert listing.unlabelled == len(paths) - sum(classes.values())


def test_numbers_are_names_in_natural_order(tmp_path: Path) -> None:
    brought = audits.read(
        laid_out(tmp_path / "set", {f"{name}/a.png": PICTURE for name in ("10", "2", "007", "7", "1")})
    )
    assert set(brought.classes) == {"1", "2", "7", "007", "10"}
    assert brought.classes[0] == "1"
    assert brought.classes[-1] == "10"


def test_links_do_not_lead_out_nor_in_circles(tmp_path: Path) -> None:
    outside = laid_out(tmp_path / "outside", {"secret.png": PICTURE, "deep/secret.png": PICTURE})
    root = laid_out(tmp_path / "set", {"cat/a.png": PICTURE, "dog/b.png": PICTURE})
    (root / "cat" / "out.png").symlink_to(outside / "secret.png")
    (root / "stolen").symlink_to(outside)
    (root / "cat" / "loop").symlink_to(root)
    (root / "dog" / "itself.png").symlink_to(root / "dog" / "itself.png")
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "dog" / "within.png").symlink_to(root / "cat" / "a.png")
    brought = audits.read(root)
    assert brought.names == ("cat/a.png", "dog/b.png", "dog/within.png")
    assert dict(brought.skipped) == {
        "links that lead outside": 2,
        "links that lead nowhere": 2,
        "links to folders of the set": 1,
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "set", {"cat/a.png": PICTURE})
    os.mkfifo(root / "cat" / "pipe.png")
    assert dict(audits.read(root).skipped) == {"other files": 1}
    with pytest.raises(BadRequest, match="got a device"):
        audits.recognise(root / "cat" / "pipe.png")


def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "set", {"cat/a.png": PICTURE})
    try:
        (root / os.fsdecode(b"caf\xe9")).mkdir()
        (root / os.fsdecode(b"caf\xe9/b\xff.png")).write_bytes(PICTURE)
    except OSError:
        pytest.skip("this disk takes text only")
    brought = audits.read(root)
    assert brought.names == ("caf\\xe9/b\\xff.png", "cat/a.png") or set(brought.classes) == {"cat", "caf\\xe9"}
    "".join((*brought.names, *brought.classes, *brought.sentences)).encode()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "must hold images, got none"),
        ({"a/": b"", "b.txt": b"x"}, r"got none; left out: empty folders \(1\), other files \(1\)"),
    ],
)
def test_a_folder_without_images_is_refused(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(BadRequest, match=words):
        audits.recognise(laid_out(tmp_path / "set", files))


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / ("x" * 5000), "\0"):
        with pytest.raises(BadRequest, match=r"cannot read|damaged"):
            audits.recognise(path)


def test_more_classes_than_there_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.audits.found.MOST_CLASSES", 3)
    with pytest.raises(BadRequest, match="at most 3 classes, got 4"):
        audits.recognise(laid_out(tmp_path / "set", CLASSES))


parts = st.sampled_from(["train", "test", "cat", "dog", "10", "2"])
trees = st.lists(st.lists(parts, max_size=4).map(tuple), min_size=1, max_size=8)


@settings(max_examples=200, derandomize=True)
@given(trees)
def test_a_class_and_a_split_are_parts_of_the_path_and_none_is_lost(folders: list[tuple[str, ...]]) -> None:
    paths = ["/".join((*folder, f"{place}.png")) for place, folder in enumerate(folders)]
    labels, splits, _ = layout.arrange(paths)
    assert len(labels) == len(splits) == len(paths)
    for path, label, split in zip(paths, labels, splits, strict=True):
        folder = path.rpartition("/")[0]
        assert folder.endswith("/".join(part for part in (split, label) if part))
    told = {(folder, label, split) for folder, label, split in zip(folders, labels, splits, strict=True)}
    assert len({folder for folder, _, _ in told}) == len(told), "one folder, one class"
    assert len({(label, split) for _, label, split in told}) == len(told), "two folders are never one class of a split"
