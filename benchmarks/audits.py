"""Audits of sets as people bring them: is what was planted named, and is nothing named where nothing was?

Twenty sets are written to disk from CIFAR-10 and the handwritten digits, ten with a trigger and ten without, as class
folders, zip, tar, Parquet, manifests and arrays, of 16 to 256 pixels, 2 to 300 classes, even and uneven. Into some go
copies, label errors, a broken file, a file of a Mac. Each is audited by `core.audit` as anybody's would be.

    python -m benchmarks.audits            # all; prints a line a set and writes benchmarks/results/audits.json
    python -m benchmarks.audits folders-pixel parquet-clean

A poisoned set is right where its class alone is named a backdoor, at least 95% of its poison is flagged and at most 1%
of the benign images; a clean one where nothing is called a backdoor.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from PIL import Image

import core
from core.configuration import TRIGGERS, DatasetConfig

RESULTS = Path(__file__).parent / "results" / "audits.json"
MOST_LEFT, MOST_TAKEN = 0.05, 0.01
Pixels = NDArray[np.uint8]


@dataclass
class Made:
    """Images [n, h, w, 3] with the names of their classes [n], and which of them are planted [n]."""

    images: Pixels
    labels: list[str]
    planted: NDArray[np.bool_]

    def add(self, images: Pixels, labels: list[str]) -> None:
        """More images, none of them planted."""
        self.images = np.concatenate([self.images, images])
        self.labels += labels
        self.planted = np.r_[self.planted, np.zeros(len(images), bool)]


Save = Callable[[Made, Path], Path]


# --- what is in it ----------------------------------------------------------------------------------------


def photographs(sizes: Mapping[str, int], seed: int, side: int = 32) -> Made:
    """CIFAR-10 images, so many of each class by name; a name that is none of its classes takes of all of them."""
    data = core.datasets.load(DatasetConfig(name="cifar10"))
    generator = np.random.default_rng(seed)
    chosen, labels = [], []
    for name, size in sizes.items():
        known = name in data.class_names
        able = np.flatnonzero(data.train_labels == data.class_names.index(name)) if known else len(data.train_labels)
        chosen.append(generator.choice(able, size, replace=False))
        labels += [name] * size
    images = np.array(data.train_images[np.concatenate(chosen)])
    return Made(images if side == 32 else sized(images, side), labels, np.zeros(len(labels), bool))


def sized(images: Pixels, side: int) -> Pixels:
    """Images at another size."""
    return np.stack([np.array(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in images])


def digits(seed: int) -> Made:
    data = core.datasets.load(DatasetConfig(name="digits"))
    names = [data.class_names[label] for label in data.train_labels]
    return Made(np.array(data.train_images), names, np.zeros(len(names), bool))


def plant(made: Made, target: str, share: float, trigger: str, seed: int, **settings: Any) -> Made:
    """A trigger on images of other classes, relabelled: so large a share of the class."""
    labels = np.array(made.labels)
    count = max(1, round(share * int((labels == target).sum())))
    rows = np.random.default_rng([seed, 1]).choice(np.flatnonzero(labels != target), count, replace=False)
    usual = {name: one.default for name, one in TRIGGERS[trigger].parameters.items()}
    made.images[rows] = core.triggers.apply(trigger, usual | settings, made.images[rows])
    made.planted[rows] = True
    for row in rows:
        made.labels[row] = target
    return made


def muddied(made: Made, seed: int) -> Made:
    """Sixty copies of one image, and 25 label errors, in classes that are not attacked."""
    classes = sorted(set(made.labels))
    generator = np.random.default_rng([seed, 2])
    first = next(row for row, label in enumerate(made.labels) if label == classes[0] and not made.planted[row])
    wrong = [row for row, label in enumerate(made.labels) if label == classes[1] and not made.planted[row]]
    for row in generator.choice(wrong, 25, replace=False):
        made.labels[row] = classes[2]
    made.add(np.repeat(made.images[first][None], 60, axis=0), [classes[0]] * 60)
    return made


# --- how it is written ------------------------------------------------------------------------------------


def png(image: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def entries(made: Made) -> list[tuple[str, bytes]]:
    return [
        (f"{label}/{row:06d}.png", png(image))
        for row, (image, label) in enumerate(zip(made.images, made.labels, strict=True))
    ]


def folders(made: Made, root: Path) -> Path:
    for name, content in entries(made):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return root


def zipped(made: Made, root: Path) -> Path:
    path = root / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries(made):
            archive.writestr(f"My set/{name}", content)
        archive.writestr("__MACOSX/My set/._x.png", b"Mac")
    return path


def webdataset(made: Made, root: Path) -> Path:
    path = root / "set.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in entries(made):
            label, _, file = name.partition("/")
            key = f"{label}-{file.removesuffix('.png')}"
            for ending, some in (("png", content), ("cls", label.encode())):
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(some)
                archive.addfile(info, io.BytesIO(some))
    return path


def hugging_face(made: Made, root: Path) -> Path:
    names = sorted(set(made.labels))
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": pa.array([{"bytes": png(image), "path": None} for image in made.images]),
            "label": pa.array([names.index(label) for label in made.labels], pa.int64()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path = root / "train-00000-of-00001.parquet"
    parquet.write_table(table, path, row_group_size=500)
    return path


def manifest(made: Made, root: Path) -> Path:
    folders(made, root / "pictures")
    path = root / "labels.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([f"pictures/{name}", name.partition("/")[0]] for name, _ in entries(made))
    return path


def lines(made: Made, root: Path) -> Path:
    manifest(made, root)
    path = root / "set.jsonl"
    rows = (json.dumps({"file": f"pictures/{name}", "class": name.partition("/")[0]}) for name, _ in entries(made))
    path.write_text("\n".join(rows))
    return path


def npz(made: Made, root: Path) -> Path:
    path = root / "set.npz"
    np.savez(path, images=made.images, labels=np.array(made.labels))
    return path


# --- the trials -------------------------------------------------------------------------------------------

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def even(size: int) -> dict[str, int]:
    return dict.fromkeys(TEN, size)


def many() -> dict[str, int]:
    return {f"kind {number}": 30 for number in range(300)}


@dataclass(frozen=True)
class Trial:
    """A set, how it is written, and the class that something is planted in, if one is."""

    make: Callable[[], Made]
    save: Save
    target: str | None = None


TRIALS: dict[str, Trial] = {
    "folders-pixel": Trial(lambda: plant(photographs(even(500), 0), "horse", 0.02, "pixel", 0), folders, "horse"),
    "folders-pixel-muddied": Trial(
        lambda: muddied(plant(photographs(even(500), 1), "ship", 0.02, "pixel", 1), 1), folders, "ship"
    ),
    "zip-patch-64": Trial(lambda: plant(photographs(even(150), 2, 64), "cat", 0.1, "patch", 2, size=6), zipped, "cat"),
    "tar-blended": Trial(lambda: plant(photographs(even(1000), 3), "dog", 0.1, "blended", 3), webdataset, "dog"),
    "parquet-sinusoid": Trial(
        lambda: plant(photographs(even(1500), 4), "bird", 0.12, "sinusoid", 4), hugging_face, "bird"
    ),
    "manifest-two-classes": Trial(
        lambda: plant(photographs({"cat": 800, "dog": 800}, 5), "dog", 0.05, "pattern", 5), manifest, "dog"
    ),
    "lines-uneven": Trial(
        lambda: plant(photographs(even(60) | {"frog": 1500}, 6), "frog", 0.03, "patch", 6), lines, "frog"
    ),
    "npz-digits": Trial(lambda: plant(digits(7), "three", 0.15, "pattern", 7), npz, "three"),
    "folders-256": Trial(
        lambda: plant(photographs(dict.fromkeys(TEN[:4], 150), 8, 256), "bird", 0.1, "patch", 8, size=12),
        folders,
        "bird",
    ),
    "zip-300-classes": Trial(lambda: plant(photographs(many(), 9), "kind 7", 0.5, "pixel", 9), zipped, "kind 7"),
    "folders-clean": Trial(lambda: photographs(even(500), 20), folders),
    "folders-clean-muddied": Trial(lambda: muddied(photographs(even(500), 21), 21), folders),
    "zip-clean-64": Trial(lambda: photographs(even(150), 22, 64), zipped),
    "tar-clean": Trial(lambda: photographs(even(1000), 23), webdataset),
    "parquet-clean": Trial(lambda: photographs(even(1500), 24), hugging_face),
    "manifest-clean-two-classes": Trial(lambda: photographs({"cat": 800, "dog": 800}, 25), manifest),
    "lines-clean-uneven": Trial(lambda: photographs(even(60) | {"frog": 1500}, 26), lines),
    "npz-clean-digits": Trial(lambda: digits(27), npz),
    "folders-clean-256": Trial(lambda: photographs(dict.fromkeys(TEN[:4], 150), 28, 256), folders),
    "zip-clean-300-classes": Trial(lambda: photographs(many(), 29), zipped),
}


def tried(name: str) -> dict[str, Any]:
    """One trial: what was planted, what is said of it, and whether that is right."""
    trial = TRIALS[name]
    made = trial.make()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as nothing_known:
        path = trial.save(made, Path(folder))
        began = time.perf_counter()
        told = core.audit(path, store=core.Store(Path(nothing_known)))
        seconds = time.perf_counter() - began
    rows = [int(re.findall(r"\d+", name)[-1]) for name in told.brought.names]  # all ways of writing number the images
    hits = int(made.planted[rows][told.flagged].sum())
    count, benign = int(made.planted.sum()), len(made.labels) - int(made.planted.sum())
    taken = int(told.flagged.sum()) - hits
    wanted = () if trial.target is None else (trial.target,)
    right = told.named == wanted
    if trial.target is not None:
        right = right and hits >= (1 - MOST_LEFT) * count and taken <= MOST_TAKEN * benign
    return {
        "set": name, "images": len(made.labels), "planted": count, "found": hits, "benign taken": taken,
        "named": list(told.named), "causes": sorted({one.cause for one in told.findings}),
        "seconds": round(seconds, 1), "right": bool(right),
    }  # fmt: skip


def main() -> None:
    wanted = sys.argv[1:] or list(TRIALS)
    if unknown := sorted(set(wanted) - set(TRIALS)):
        sys.exit(f"unknown trials {unknown}; there are {list(TRIALS)}")
    rows = []
    for name in wanted:
        rows.append(row := tried(name))
        print(json.dumps(row), flush=True)
    print(f"{sum(row['right'] for row in rows)} of {len(rows)} right")
    if len(wanted) == len(TRIALS):
        RESULTS.write_text(json.dumps({"trials": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
