"""A second look at a set reads only what is new: whatever it is kept in, however the first look ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import core
from core import audits
from core.audits import asked, auditing, decoding, folders, known, pixels, stamps
from core.store import Store, shelves
from core.types import BadRequest, PoisonscopeError
from tests.audits.made import laid_out, picture, planted, tarred, zipped
from tests.audits.test_sources import FORMS

COUNT = 40
ROOT = Path(__file__).resolve().parents[2]
KEPT = ("class folders", "zip of class folders", "tar of class folders", "WebDataset tar", "CSV manifest",
        "JSON Lines manifest", "Hugging Face Parquet")  # fmt: skip


def files(count: int = COUNT, first: int = 0) -> dict[str, bytes]:
    return {f"{'ab'[number % 2]}/{number:03d}.png": picture(number) for number in range(first, first + count)}


@pytest.fixture
def set_of_files(tmp_path: Path) -> Path:
    return laid_out(tmp_path / "set", files())


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are known from the moment on at which they are written."""
    monkeypatch.setattr(stamps, "SETTLED", -1.0)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many files were opened, how many heads read, how many pictures decoded."""
    done, lock = Counter[str](), threading.Lock()

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def count(*arguments: Any) -> Any:
            with lock:
                done[name] += 1
            return real(*arguments)

        monkeypatch.setattr(module, name, count)

    counted(folders, "opened")
    counted(pixels, "size_of")
    counted(pixels, "seen")
    return done


def same(one: audits.Brought, other: audits.Brought) -> bool:
    """But for the sentences, one of which says what was read before."""
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        if isinstance(getattr(one, field.name), np.ndarray)
        else getattr(one, field.name) == getattr(other, field.name)
        for field in fields(audits.Brought)
        if field.name != "sentences"
    )


def test_nothing_is_opened_again(set_of_files: Path, work: Counter[str]) -> None:
    first = audits.read(set_of_files)
    assert work == {"opened": 2 * COUNT, "size_of": COUNT, "seen": COUNT}
    work.clear()
    again = audits.read(set_of_files)
    assert not work
    assert same(first, again)
    assert again.sentences[-1] == "40 of 40 images were read before, and not again."
    assert again.sentences[:-1] == first.sentences


def test_a_set_is_the_same_by_whatever_path(
    set_of_files: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = audits.read(set_of_files)
    work.clear()
    (link := set_of_files.parent / "link").symlink_to(set_of_files)
    for folder, path in ((set_of_files.parent, "set"), (set_of_files / "a", ".."), ("/", link)):
        monkeypatch.chdir(folder)
        assert same(first, replace(audits.read(path), source=first.source))
    assert not work


@pytest.mark.parametrize("kind", KEPT)
def test_in_whatever_form_it_is(kind: str, tmp_path: Path, work: Counter[str]) -> None:
    (folder := tmp_path / "set").mkdir()
    path = FORMS[kind](folder)
    first = audits.read(path)
    assert work["seen"] == 8
    work.clear()
    assert same(first, audits.read(path))
    assert not work


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_another_archive_is_read_anew_but_for_the_pictures_that_were_in_the_old_one(
    pack: Callable[..., Path], tmp_path: Path, work: Counter[str]
) -> None:
    path = tmp_path / "set.archive"
    audits.read(pack(path, files()))
    work.clear()
    path.unlink()
    found = audits.read(pack(path, {**files(), **files(1, first=COUNT)}))
    assert (len(found), work["seen"]) == (COUNT + 1, 1)
    work.clear()
    audits.read(path)
    assert not work


def test_what_is_new_or_changed_is_read_and_nothing_else(set_of_files: Path, work: Counter[str]) -> None:
    audits.read(set_of_files)
    work.clear()
    laid_out(set_of_files, {"a/new.png": picture(100), "a/002.png": picture(200)})
    (set_of_files / "b" / "003.png").unlink()
    found = audits.read(set_of_files)
    assert work == {"opened": 4, "size_of": 2, "seen": 2}
    assert len(found) == COUNT
    assert np.array_equal(
        found.images[found.names.index("a/002.png")],
        audits.read(set_of_files, store=Store(set_of_files.with_name("other"))).images[found.names.index("a/002.png")],
    )


def test_a_time_that_is_set_back_deceives_nobody(set_of_files: Path) -> None:
    before = audits.read(set_of_files)
    changed = set_of_files / "a" / "000.png"
    times, size = changed.stat(), changed.stat().st_size
    image = before.images[0].copy()
    image[0, 0] ^= 1
    for level in range(10):  # another picture of the same length, in the same file
        data = picture(image, compress_level=level)
        if len(data) <= size:
            break
    changed.write_bytes(data.ljust(size, b"\0"))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (changed.stat().st_size, changed.stat().st_mtime_ns, changed.stat().st_ino) == (
        size, times.st_mtime_ns, times.st_ino,
    )  # fmt: skip
    assert np.array_equal(audits.read(set_of_files).images[0], image)


def test_what_was_written_a_moment_before_is_known_by_its_content_alone(
    set_of_files: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "SETTLED", 3600.0)
    first = audits.read(set_of_files)
    for settled, opened in ((3600.0, 2 * COUNT), (-1.0, 2 * COUNT), (-1.0, 0)):
        monkeypatch.setattr(stamps, "SETTLED", settled)
        work.clear()
        assert same(first, audits.read(set_of_files))
        assert (work["opened"], work["seen"]) == (opened, 0)


def test_what_is_odd_is_told_again(tmp_path: Path, work: Counter[str]) -> None:
    hidden = np.dstack([np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)])
    odd = {"a/hidden.png": picture(Image.fromarray(hidden)), "a/grey.png": picture(Image.new("L", (8, 8), 9)),
           "a/broken.png": b"\x89PNG and no more", "b/long.png": picture(Image.new("RGB", (900, 8)))}  # fmt: skip
    path = laid_out(tmp_path / "set", files() | odd)
    first = audits.read(path)
    assert (len(first), len(first.unreadable), len(first.doubtful)) == (COUNT + 3, 1, 2)
    work.clear()
    again = audits.read(path)
    assert same(first, again)
    assert work["seen"] == 1, "a broken file may have been mended"
    work.clear()
    assert audits.read(path, side=16).images.shape == (COUNT + 3, 16, 16, 3)
    assert work["seen"] == COUNT + 4, "at another size they are other pixels"
    work.clear()
    assert same(first, audits.read(path))
    assert work["seen"] == 1


class Enough(Exception):
    pass


def until(share: float) -> Callable[[float], None]:
    """Who raises when so much is done."""

    def tell(done: float) -> None:
        if done >= share:
            raise Enough

    return tell


def test_what_was_read_before_a_cancel_is_not_read_again(
    tmp_path: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BATCH", 4)
    path = laid_out(tmp_path / "set", files(120))
    with pytest.raises(Enough):
        audits.read(path, tell=until(0.6))
    done = work["seen"]
    assert 60 <= done < 120
    work.clear()
    found = audits.read(path)
    lost = work["seen"] - (120 - done)
    assert 0 <= lost <= 2 * 4 * (decoding.AT_ONCE + 1), "what was being decoded"
    assert work["size_of"] == 0
    (tmp_path / "elsewhere").mkdir()
    assert same(found, audits.read(path, store=Store(tmp_path / "elsewhere")))


def test_what_was_read_before_a_kill_is_not_read_again(
    tmp_path: Path, own_home: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = laid_out(tmp_path / "set", files(120))
    program = f"""
        import os, signal
        from core import audits
        from core.audits import decoding, known, stamps
        stamps.SETTLED, decoding.BATCH, known.BLOCK_ROWS = -1.0, 4, 8
        real, done = known.Known.note, []
        def note(self, place):
            real(self, place)
            done.append(place)
            if len(done) == 60:
                os.kill(os.getpid(), signal.SIGKILL)
        known.Known.note = note
        audits.read({str(path)!r})
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, check=False, timeout=120)
    assert ran.returncode == -signal.SIGKILL
    found = audits.read(path)
    assert work["seen"] == 120 - 56, "seven blocks of eight were whole"
    assert same(found, audits.read(path, store=Store(tmp_path / "elsewhere")))


def test_of_two_at_once_one_reads(set_of_files: Path, work: Counter[str]) -> None:
    found: list[audits.Brought] = []
    pair = [threading.Thread(target=lambda: found.append(audits.read(set_of_files))) for _ in range(2)]
    for one in pair:
        one.start()
    for one in pair:
        one.join()
    assert same(*found)
    assert work["seen"] == COUNT


def test_who_waits_for_another_can_be_cancelled(set_of_files: Path, own_home: Path) -> None:
    shelf = known.shelf_of(Store(), str(set_of_files))
    assert shelf is not None
    with shelf.alone(lambda: None), pytest.raises(Enough):
        audits.read(set_of_files, tell=until(0.0))


def blocks(home: Path) -> list[Path]:
    return sorted(home.glob("store/shelves/*/pixels/*/rows.npy"))


def test_a_damaged_block_is_read_anew(set_of_files: Path, own_home: Path, work: Counter[str]) -> None:
    first = audits.read(set_of_files)
    (block,) = blocks(own_home)
    content = bytearray(block.read_bytes())
    content[-100] ^= 1
    block.write_bytes(content)
    work.clear()
    assert same(first, audits.read(set_of_files))
    assert work["seen"] == COUNT
    work.clear()
    audits.read(set_of_files)
    assert not work


def test_blocks_of_which_little_is_left_go(
    set_of_files: Path, own_home: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "BLOCK_ROWS", 10)
    audits.read(set_of_files)
    assert len(blocks(own_home)) == 4
    for number in range(2, 40, 2):
        laid_out(set_of_files, {f"a/{number:03d}.png": picture(100 + number)})
    audits.read(set_of_files)
    assert len(blocks(own_home)) == 4, "two of the old ones, and two of what has changed and what moved"
    laid_out(set_of_files, files(COUNT, first=500))
    for name in files():
        (set_of_files / name).unlink()
    found = audits.read(set_of_files)
    assert len(blocks(own_home)) == 4
    assert len(list(own_home.glob("store/shelves/*/heads/*"))) == 1
    work.clear()
    assert same(found, audits.read(set_of_files))
    assert not work


def test_a_full_disk_ends_nothing(
    set_of_files: Path, own_home: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(own_home)
    monkeypatch.setattr(shelves.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    found = audits.read(set_of_files)
    assert len(found) == COUNT
    assert any("Not all that was read is kept for a second look: what is kept" in one for one in found.sentences)
    assert not blocks(own_home)


def test_a_store_that_cannot_be_written_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = planted(tmp_path / "photos")
    for trouble in (PoisonscopeError("no room to write"), OSError(5, "Input/output error")):

        def write(*_: Any, trouble: Exception = trouble, **__: Any) -> None:
            raise trouble

        monkeypatch.setattr(Store, "write", write)
        told = core.audit(path)
        assert told.named == ("cat",)
        assert any(str(trouble) in one for one in told.brought.sentences)
        assert any(f"not all that was found is kept for a second look: {trouble}" in one for one in told.notes)


def test_a_shelf_that_cannot_be_looked_at_has_no_room_and_says_why(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shelves.shutil, "disk_usage", usage)
    shelf = shelves.Shelf(Store(), "a" * 64, 1e9)
    assert not shelf.room(1)
    assert shelf.trouble.endswith(": Permission denied")


def test_how_much_is_kept_can_be_said(
    tmp_path: Path, own_home: Path, work: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (laid_out(tmp_path / name, files()) for name in ("first", "second"))
    monkeypatch.setenv(known.VARIABLE, "0")
    audits.read(first)
    assert not (own_home / "store").exists()
    monkeypatch.setenv(known.VARIABLE, "0.00002")  # 20 kB, which is room for one of them
    audits.read(first)
    audits.read(second)
    assert len(blocks(own_home)) == 1
    work.clear()
    audits.read(second)
    assert not work, "what was used longest ago went"
    monkeypatch.setenv(known.VARIABLE, "lots")
    with pytest.raises(BadRequest, match=r"POISONSCOPE_AUDIT_GB must be a number of gigabytes .* got 'lots'"):
        audits.read(first)


def test_the_same_images_and_labels_are_not_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = planted(tmp_path / "photos")
    first = core.audit(path)
    with monkeypatch.context() as patch:
        for name in ("detect", "alike"):
            patch.setattr(asked, name, None)
        again = core.audit(path)
    assert audits.document(again) | {"seconds": 0} == audits.document(first) | {"seconds": 0}
    assert again.reasons == first.reasons
    judged = Counter[str]()
    detect = asked.detect
    monkeypatch.setattr(asked, "detect", lambda name, *rest: (judged.update([name]), detect(name, *rest))[1])
    assert core.audit(path, level=0.02).named == first.named
    (path / "cat" / "0131.png").rename(path / "dog" / "0131.png")
    assert core.audit(path).named == first.named
    assert judged == {"panel": 2}, "another level, and another label"
    features = np.random.default_rng(0).normal(size=(first.brought.listed, 4)).astype(np.float32)
    before: list[Any] = []
    monkeypatch.setattr(asked, "detect", lambda name, *rest: (before.append(rest[-1]), detect(name, *rest))[1])
    core.audit(path, features=features)
    assert set(before[0]) == {"repeats", "mirror", "image-spectral"}, "the parts that see the images alone are known"


def test_pixels_are_looked_through_once_for_all_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, looked = planted(tmp_path / "photos"), Counter[str]()

    def counted(name: str, real: Callable[[Any], Any], array: Any) -> Any:
        looked[name] += array.ndim == 4
        return real(array)

    for name in ("fingerprint", "by_content"):
        monkeypatch.setattr(asked, name, partial(counted, name, getattr(asked, name)))
    count = core.audit(path).brought.listed
    assert looked == {"fingerprint": 1}
    looked.clear()
    features = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    features[:3] = np.nan
    core.audit(path, features=features)
    assert looked == {"fingerprint": 1, "by_content": 1}


def test_a_cancel_ends_the_search_for_copies_on_its_way(tmp_path: Path) -> None:
    heard: list[float] = []

    def tell(done: float, of: str) -> None:
        if of == "looking for copies":
            heard.append(done)
            if len(heard) == 3:
                raise Enough

    with pytest.raises(Enough):
        core.audit(planted(tmp_path / "photos"), tell=tell)
    assert heard == sorted(heard)
    assert heard[-1] < auditing.course_of("none").copies


def test_the_bar_moves_evenly_and_the_panel_can_be_cancelled_and_what_was_read_is_kept(
    tmp_path: Path, work: Counter[str]
) -> None:
    path = planted(tmp_path / "photos")
    told: list[tuple[float, str]] = []

    def until_asked(done: float, of: str) -> None:
        told.append((done, of))
        if of == "asking the panel" and done > 0.5:
            raise Enough

    with pytest.raises(Enough):
        core.audit(path, tell=until_asked)
    assert told == sorted(told, key=lambda one: one[0])
    assert 0.5 < told[-1][0] < 0.9, "one view after the other"
    work.clear()
    whole: list[float] = []
    assert core.audit(path, tell=lambda done, of: whole.append(done)).named == ("cat",)
    assert work["seen"] == 1, "the broken one"
    assert whole == sorted(whole)
    assert max(np.diff(whole)) < 0.25
    assert whole[-1] == 1.0
