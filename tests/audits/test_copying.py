"""Clean copies: byte for byte, what is kept beside what is not; nothing is written elsewhere, and the set stays."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import core
from core import audits
from core.audits import copying
from core.audits import folders as core_folders
from core.audits.copying import copy
from core.types import BadRequest


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def folders(root: Path) -> Path:
    for row, name in enumerate(("cat/1.png", "cat/2.png", "dog/1.png", "dog/deep/1.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(row))
    (root / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return root


def written(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def test_class_folders_are_parted_byte_for_byte_and_stay_as_they_are(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    before = written(root)
    brought = audits.read(root)
    keep = np.array([name != "cat/2.png" for name in brought.names])
    copied = copy(brought, keep, tmp_path / "copy")
    assert (copied.kept, copied.aside) == (3, 1)
    found = written(tmp_path / "copy")
    assert found["clean/cat/1.png"] == before["cat/1.png"]
    assert found["quarantine/cat/2.png"] == before["cat/2.png"]
    assert sorted(found) == ["clean/cat/1.png", "clean/dog/1.png", "clean/dog_deep/1.png", "quarantine/cat/2.png"]
    assert written(root) == before
    again = audits.read(tmp_path / "copy" / "clean")
    assert again.classes == ("cat", "dog", "dog_deep")
    assert len(again) == 3


def test_of_what_is_not_copied_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought = audits.read(folders(tmp_path / "set"))
    opened: list[str] = []
    real = core_folders.opened
    monkeypatch.setattr(core_folders, "opened", lambda path: (opened.append(Path(path).name), real(path))[1])
    row = brought.names.index("dog/1.png")
    assert copying.copy_some(brought, np.array([row]), tmp_path / "copy") == ["dog/1.png"]
    assert opened == ["1.png"]
    (tmp_path / "set" / "dog" / "deep" / "1.png").unlink()
    (tmp_path / "set" / "cat" / "broken.png").unlink()
    with pytest.raises(BadRequest, match="has changed since it was read"):
        audits.original(brought, len(brought) - 1)


def test_folders_of_copies_and_of_what_tells_of_them_are_apart(tmp_path: Path) -> None:
    clean, flagged, to = tmp_path / "clean", tmp_path / "flagged", tmp_path / "told"
    (tmp_path / "link").symlink_to(clean)
    audits.check_apart(clean, flagged, to)
    audits.check_apart(to / "clean", None, to)
    for first, second in ((clean, clean / "a"), (clean / "a", clean), (clean, tmp_path / "link" / "a")):
        with pytest.raises(BadRequest, match="two copies need two folders"):
            audits.check_apart(first, second)
    for inside in (clean, clean / "told", tmp_path / "link" / "told"):
        with pytest.raises(BadRequest, match=r"a copy needs a folder of its own; .* lies in"):
            audits.check_apart(clean, flagged, inside)
    with pytest.raises(BadRequest, match="a copy needs a folder of its own"):
        audits.check_apart(None, flagged, flagged)


def test_a_file_is_had_as_it_lies_there_or_told_to_be_another(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    brought = audits.read(root)
    row = brought.names.index("dog/1.png")
    assert audits.original(brought, row) == png(2)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, data in written(root).items():
            archive.writestr(name, data)
    packed = audits.read(tmp_path / "set.zip")
    assert audits.original(packed, packed.names.index("cat/2.png")) == png(1)
    (root / "dog" / "1.png").write_bytes(png(9))
    with pytest.raises(BadRequest, match=r"has changed since it was read: dog/1\.png is another picture"):
        audits.original(brought, row)


def test_links_lead_to_the_pictures_themselves(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    brought = audits.read(root)
    copy(brought, np.ones(4, bool), tmp_path / "copy", links=True)
    link = tmp_path / "copy" / "clean" / "cat" / "1.png"
    assert link.is_symlink()
    assert link.resolve() == (root / "cat" / "1.png").resolve()


def test_of_a_zip_names_are_made_safe_and_no_two_alike(tmp_path: Path) -> None:
    names = ("a:b/x.png", "a?b/x.png", "CON/1.PNG", "con/1.png", ". ./y.png")
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for row, name in enumerate(names):
            archive.writestr(name, png(row))
    brought = audits.read(path)
    copied = copy(brought, np.ones(len(brought), bool), tmp_path / "copy")
    found = written(tmp_path / "copy")
    assert len(found) == copied.kept == len(brought)
    assert len({name.casefold() for name in found}) == len(found)
    assert set(found.values()) <= {png(row) for row in range(len(names))}
    for name in found:
        assert not set(name) & set(':?\\<>|"*')
        assert "/CON/" not in name.upper()
    with pytest.raises(BadRequest, match="links lead to files, and the images of this set"):
        copy(brought, np.ones(len(brought), bool), tmp_path / "other", links=True)


def test_arrays_become_pictures_with_the_same_pixels(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 9, 9, 3)).astype(np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.array(["../up", "..", "a/b", "a/b", "NUL", ""]))
    from_file = audits.read(tmp_path / "set.npz")
    in_memory = core.audit(images, ["x"] * 3 + ["y"] * 3).brought
    for number, brought in enumerate((from_file, in_memory)):
        to = tmp_path / f"copy {number}"
        copy(brought, np.ones(6, bool), to)
        pictures = [np.array(Image.open(io.BytesIO(data))) for data in written(to).values()]
        assert {picture.tobytes() for picture in pictures} == {image.tobytes() for image in images}
    assert not (tmp_path / "up").exists()


def test_splits_stand_above_the_classes(tmp_path: Path) -> None:
    for row, name in enumerate(("train/cat/1.png", "test/cat/1.png", "train/dog/1.png")):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(png(row))
    brought = audits.read(tmp_path / "set")
    copy(brought, np.ones(3, bool), tmp_path / "copy")
    assert sorted(written(tmp_path / "copy" / "clean")) == ["test/cat/1.png", "train/cat/1.png", "train/dog/1.png"]


def test_where_it_cannot_be_it_says_so_and_writes_nothing(tmp_path: Path) -> None:
    root = folders(tmp_path / "set")
    brought = audits.read(root)
    keep = np.ones(4, bool)
    for to, words in ((root / "copy", "must not lie within the set"), (root, "holds something")):
        with pytest.raises(BadRequest, match=words):
            copy(brought, keep, to)
    with pytest.raises(BadRequest, match=r"keep must be \[4\]"):
        copy(brought, keep[:3], tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert len(written(root)) == 5


@pytest.mark.parametrize("change", ["another picture", "gone"])
def test_a_set_that_has_changed_is_not_copied_under_old_verdicts(tmp_path: Path, change: str) -> None:
    root = folders(tmp_path / "set")
    brought = audits.read(root)
    if change == "gone":
        (root / "dog" / "deep" / "1.png").unlink()
    else:
        (root / "dog" / "1.png").write_bytes(png(99))
    with pytest.raises(BadRequest, match="has changed since it was read"):
        copy(brought, np.ones(4, bool), tmp_path / "copy")
