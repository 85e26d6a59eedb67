"""Arrays: axes and scales as people have them, headers that lie, nothing unpickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import audits
from core.types import BadRequest
from tests.audits.made import pixels

IMAGES = np.stack([pixels(place, 6, 9) for place in range(4)])
LABELS = np.array([2, 10, 2, 1])


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("images", "mode"),
    [
        (IMAGES, "RGB"),
        (IMAGES[..., :1], "L"),
        (IMAGES[..., 0], "L"),
        (IMAGES.transpose(0, 3, 1, 2), "RGB"),
        (IMAGES[:, None, :, :, 0], "L"),
        (np.asfortranarray(IMAGES), "RGB"),
        (IMAGES / 255, "F"),
        ((IMAGES / 255).astype(np.float16), "F"),
        (IMAGES.astype(np.float32), "F"),
        (IMAGES.astype(np.int64), "I"),
        (IMAGES.astype(">u2") * 257, "I;16"),
        (np.concatenate([IMAGES, np.full_like(IMAGES[..., :1], 255)], 3), "RGBA"),
    ],
)
def test_axes_and_scales(images: np.ndarray, mode: str, tmp_path: Path) -> None:
    brought = audits.read(npz(tmp_path / "set.npz", images=images, labels=LABELS))
    expected = IMAGES if images.size >= IMAGES.size else np.repeat(IMAGES[..., :1], 3, 3)
    assert np.array_equal(brought.images, expected)
    assert brought.modes == (mode,) * 4
    assert brought.classes == ("1", "2", "10")
    assert brought.labels.tolist() == [1, 2, 1, 0]
    assert brought.sizes.tolist() == [[6, 9]] * 4
    assert brought.names == tuple(f"images:{row}" for row in range(4))
    assert len(set(brought.digests)) == 4


def test_what_was_made_of_the_axes_and_numbers_is_said(tmp_path: Path) -> None:
    brought = audits.read(npz(tmp_path / "set.npz", x=IMAGES.transpose(0, 3, 1, 2) / 255, y=LABELS))
    said = " ".join(brought.sentences)
    assert "channels first" in said
    assert "fractions from 0 to 1" in said


def test_splits_as_keras_and_medmnist_name_them(tmp_path: Path) -> None:
    keras = npz(tmp_path / "keras.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])
    brought = audits.read(keras)
    assert brought.split_names == ("train", "test")
    assert brought.splits.tolist() == [0] * 4 + [1] * 2
    assert brought.names[4] == "x_test:0"
    med = npz(tmp_path / "med.npz", train_images=IMAGES, train_labels=LABELS[:, None], val_images=IMAGES)
    listing = audits.recognise(med)
    assert (dict(listing.splits), listing.unlabelled) == ({"train": 4, "val": 4}, 4)


def test_labels_as_people_have_them(tmp_path: Path) -> None:
    for labels, classes in (
        (np.array(["dog", "cat", "", "dog"]), ("cat", "dog")),
        (np.eye(3)[[0, 1, 2, 0]], ("0", "1", "2")),
        (np.array([1.0, 2.0, np.nan, -1.0]), ("1", "2")),
    ):
        assert audits.read(npz(tmp_path / "set.npz", images=IMAGES, labels=labels)).classes == classes


def test_one_row_that_is_not_finite_fails_alone(tmp_path: Path) -> None:
    images = IMAGES / 255
    images[1, 2, 3, 0] = np.nan
    brought = audits.read(npz(tmp_path / "set.npz", images=images, labels=LABELS))
    assert brought.rows.tolist() == [0, 2, 3]
    assert brought.unreadable == (audits.Unreadable("images:1", "holds numbers that are not finite"),)
    assert np.array_equal(brought.images, IMAGES[[0, 2, 3]])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES.reshape(4, -1)}, r"must be images \[n, h, w, 3\].*flat rows: reshape"),
        ({"images": IMAGES[0]}, "a label for each"),
        ({"images": IMAGES[..., :2]}, r"must be images .* got shape \[4, 6, 9, 2\]"),
        ({"images": IMAGES / 127.5 - 1}, "got -1 to 1. Undo what normalised them"),
        ({"images": IMAGES.astype(np.int32) * 1000}, "numbers from 0 to 255"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"a label for each of 4 images, got \[3\]"),
        ({"images": IMAGES, "image": IMAGES}, "must hold one array of images, got images and image"),
        ({"pictures": IMAGES}, "must hold an array called images .* it holds labels, pictures"),
        ({"images": IMAGES.astype(str)}, "of numbers, got <U"),
        ({"images": np.array([{}, None], object)}, "holds Python objects, which are not read"),
        ({"images": IMAGES, "labels": np.array([None] * 4)}, "holds Python objects, which are not read"),
        ({"images": IMAGES[:0]}, r"got shape \[0, 6, 9, 3\]"),
        ({"x_train": IMAGES, "x_test": IMAGES[:, :5]}, "images of one size in all its splits"),
    ],
)
def test_what_is_unclear_is_refused(arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = npz(tmp_path / "set.npz", **{"labels": LABELS, **arrays})
    with pytest.raises(BadRequest, match=words) as caught:
        audits.read(path)
    assert "allow_pickle" not in str(caught.value)


def test_files_that_lie(tmp_path: Path) -> None:
    def header(shape: str, body: bytes = b"\0" * 24, dtype: str = "|u1") -> bytes:
        text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body

    for content, words in (
        (header("(1000000000, 1000, 1000, 3)"), "cut short or its header is wrong"),
        (header("(-1, 2, 2, 3)"), "header is wrong"),
        (header("(1, 2, 2, 3)"), "header is wrong"),
        (header("(1, 2, 2, 3", b""), "none, or damaged"),
        (b"\x93NUMPY\x01", "none, or damaged"),
        (b"1,2,3\n", "is no array, whatever its name says"),
        (b"", "is empty|none, or damaged"),
        (b"\x80\x04\x95", "holds Python objects"),
    ):
        (tmp_path / "images.npy").write_bytes(content)
        for place in (tmp_path / "images.npy", tmp_path):
            with pytest.raises(BadRequest, match=f"{words}|none, or damaged") as caught:
                audits.recognise(place)
            assert "pickle" not in str(caught.value)
        with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(BadRequest, match=r"none, or damaged|header is wrong"):
            audits.recognise(tmp_path / "set.npz")


def test_more_rows_than_there_can_be(tmp_path: Path) -> None:
    """An archive of a few kilobytes, whose header is true."""
    path = tmp_path / "set.npz"
    np.savez_compressed(path, images=np.zeros((2_000_001, 1, 1), np.uint8))
    with pytest.raises(BadRequest, match="at most 2,000,000 entries"):
        audits.recognise(path)


@pytest.mark.parametrize("cut", [5, 100, 600])
def test_a_cut_npz(cut: int, tmp_path: Path) -> None:
    path = npz(tmp_path / "set.npz", images=IMAGES, labels=LABELS)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(BadRequest, match="damaged"):
        audits.recognise(path)


def test_an_npz_of_nothing_and_text_called_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.npz", "w"):
        pass
    with pytest.raises(BadRequest, match="must hold an array called images"):
        audits.recognise(tmp_path / "set.npz")
    (tmp_path / "text.npz").write_text("PK")
    with pytest.raises(BadRequest, match="is no array, whatever its name says"):
        audits.recognise(tmp_path / "text.npz")


def test_more_than_the_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "set.npz", images=np.zeros((50, 100, 100), np.uint8), labels=np.arange(50) % 3)
    monkeypatch.setattr("core.audits.decoding.free_memory", lambda: 1e6)
    with pytest.raises(BadRequest, match=r"50 images of 100 x 100 pixels take 0.0 GB of memory.*side=81 would fit"):
        audits.read(path)
    assert audits.read(path, side=81).images.shape == (50, 81, 81, 3)


def test_the_pair_by_its_first_file_and_without_labels(tmp_path: Path) -> None:
    (folder := tmp_path / "set").mkdir()
    np.save(folder / "images.npy", IMAGES)
    for place in (folder, folder / "images.npy"):
        assert audits.recognise(place).unlabelled == 4
    np.save(folder / "labels.npy", LABELS)
    assert audits.recognise(folder / "images.npy").unlabelled == 0
    with pytest.raises(BadRequest, match=r"must be called images.npy and lie beside labels.npy"):
        audits.recognise(folder / "labels.npy")


def test_no_pickle_is_ever_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("it was unpickled",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], object), allow_pickle=True)
    for name, content in (
        ("images.npy", buffer.getvalue()),
        ("set.pkl", pickle.dumps(Bomb())),
        ("b", pickle.dumps([1], 2)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadRequest, match="Python objects"):
            audits.read(tmp_path / name)
