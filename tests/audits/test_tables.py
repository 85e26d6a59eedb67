"""Tables: all is text, the columns that are meant are said, and no path leaves the table's folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import audits
from core.types import BadRequest
from tests.audits.made import laid_out, picture, pixels
from tests.traced import memory

PICTURE = picture()


def manifest(folder: Path, text: str | bytes, name: str = "set.csv") -> Path:
    laid_out(folder, {f"{one}.png": picture(place) for place, one in enumerate("abcdefgh")})
    content = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(content)
    return folder / name


def test_names_of_classes_are_text(tmp_path: Path) -> None:
    names = ["NA", "null", "007", "1e5", "nan", "", "7", "None"]
    path = manifest(
        tmp_path, "path,label\n" + "".join(f"{one}.png,{name}\n" for one, name in zip("abcdefgh", names, strict=True))
    )
    brought = audits.read(path)
    assert set(brought.classes) == set(names) - {""}
    assert [brought.classes[label] if label >= 0 else "" for label in brought.labels] == names
    assert "Images are taken from the column 'path', labels from 'label'." in brought.sentences
    lines = "\n".join(
        json.dumps({"path": f"{one}.png", "label": name}) for one, name in zip("abcdefgh", names, strict=True)
    )
    again = audits.read(manifest(tmp_path, lines, "set.jsonl"))
    assert (again.classes, again.labels.tolist()) == (brought.classes, brought.labels.tolist())


def test_minus_one_is_no_label_beside_numbers_and_a_name_beside_names(tmp_path: Path) -> None:
    assert audits.recognise(manifest(tmp_path, "path,label\na.png,-1\nb.png,3\n")).unlabelled == 1
    assert audits.recognise(manifest(tmp_path, "path,label\na.png,-1\nb.png,cat\n")).unlabelled == 0


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,cat\nb.png,dog\n",
        "\ufeffpath,label\r\na.png,cat\r\n\r\nb.png,dog\r\n",
        "label;Image\ncat;a.png\ndog;b.png",
        "Filename\ttarget\tnote\na.png\tcat\tx, y\nb.png\tdog\t",
        'file , category\n "a.png", cat \n"b.png","dog"\n',
        "path,label\na.png,cat\nb.png,dog\n".encode("utf-16"),
        "path,label\n.\\a.png,cat\n./b.png,dog",
    ],
)
def test_tables_of_every_spelling(text: str | bytes, tmp_path: Path) -> None:
    brought = audits.read(manifest(tmp_path, text))
    assert brought.classes == ("cat", "dog")
    assert brought.labels.tolist() == [0, 1]
    assert not brought.unreadable


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "must have a column for the image, called path, .*; it has a, b"),
        ("path,image,label\n1,2,3\n", "must have one column for the image's path, got path, image; rename"),
        (
            "path,label,class\n1,2,3\n",
            r"one column for the label, got label, class; .*\(its columns: path, label, class\)",
        ),
        ("", "is empty"),
        ("path,label\n", "must hold images, got none"),
        (b"path,label\ncaf\xe9.png,x\n", "must be text in UTF-8"),
        ("path,label\n" + "x" * 200_000 + ",a\n", "must be a table of comma-separated values"),
        (b"\x89PNG\r\n\x1a\n\0", "is a single picture"),
    ],
)
def test_tables_that_are_unclear_are_refused(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=words):
        audits.recognise(manifest(tmp_path, text))


def test_paths_may_not_leave_the_folder(tmp_path: Path) -> None:
    outside = laid_out(tmp_path / "outside", {"secret.png": PICTURE})
    root = laid_out(tmp_path / "set", {"a.png": PICTURE, "folder/": b""})
    (root / "link.png").symlink_to(outside / "secret.png")
    wrong = {
        "../outside/secret.png": "leads outside",
        str(outside / "secret.png"): "leads outside",
        "link.png": "leads outside",
        "none.png": "no such file",
        "folder": "is no file",
        "https://example.org/a.png": "is an address",
        "": "no path is given",
        "x" * 5000: "cannot be opened|no file's name|no such file",
    }
    (root / "set.csv").write_text("path,label\n" + "".join(f"{one},x\n" for one in (str(root / "a.png"), *wrong)))
    brought = audits.read(root / "set.csv")
    assert len(brought) == 1, "an absolute path within the folder is one of it"
    assert brought.listed == 1 + len(wrong)
    for (_, why), words in zip(brought.unreadable, wrong.values(), strict=True):
        assert any(word in why for word in words.split("|")), why


def test_a_row_that_names_an_image_twice_is_doubtful(tmp_path: Path) -> None:
    brought = audits.read(manifest(tmp_path, "path,label\na.png,x\na.png,y\nb.png,x\n"))
    assert [one.name for one in brought.doubtful] == ["a.png"]
    assert len(brought) == 3


def test_splits_and_longer_rows(tmp_path: Path) -> None:
    brought = audits.read(manifest(tmp_path, "path,label,split\na.png,x,test\nb.png,y,train\nc.png,x,,7\nd.png\n"))
    assert brought.split_names == ("train", "test", "")
    assert brought.splits.tolist() == [1, 0, 2, 2]
    assert brought.labels.tolist() == [0, 1, 0, -1]
    assert any("1 row has more fields than the header" in one for one in brought.sentences)


def test_lines_that_are_no_json_fail_alone(tmp_path: Path) -> None:
    lines = [
        '{"file": "a.png", "label": 1}',
        "{",
        "[1]",
        "[" * 100_000,
        '{"file": "b.png", "label": true, "x": {"y": 1}}',
    ]
    brought = audits.read(manifest(tmp_path, "\n".join(lines), "set.jsonl"))
    assert brought.names == ("a.png", "b.png")
    assert brought.classes == ("1", "true")
    assert [one.name for one in brought.unreadable] == ["set.jsonl:1", "set.jsonl:2", "set.jsonl:3"]
    assert any("3 lines are no JSON object" in one for one in brought.sentences)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{\n}\n[]", "must have a column|one JSON object a line"),
        ('{"path": "a.png", "label": ["cat"]}', "one value for 'label' in a line, got"),
        ('{"path": "a.png", "label": 1, "class": 2}', "one column for the label, got label, class"),
    ],
)
def test_lines_that_are_unclear_are_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=words):
        audits.recognise(manifest(tmp_path, text, "set.jsonl"))


def test_images_beside_one_table_are_as_it_says(tmp_path: Path) -> None:
    """As Hugging Face's ImageFolder: metadata.csv with file_name, and the pictures in no class folders."""
    root = manifest(tmp_path / "set", "file_name,label\na.png,x\nb.png,y\n", "metadata.csv").parent
    assert audits.recognise(root).kind == "CSV manifest"
    (root / "metadata.csv").write_text("file_name,label\nnone.png,x\n")
    assert audits.recognise(root).kind == "class folders"
    (root / "metadata.csv").write_text("what,else\n1,2\n")
    assert audits.recognise(root).kind == "class folders"


def test_a_folder_of_images_beside_one_table(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "set", {"images/a.png": PICTURE, "images/b.png": PICTURE})
    (root / "labels.csv").write_text("image,label\nimages/a.png,x\nimages/b.png,y\n")
    assert list(audits.recognise(root).classes) == ["x", "y"]


def test_a_line_without_end(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="lines of at most 1 MiB"):
        audits.recognise(manifest(tmp_path, '{"path": "' + "x" * 2**20, "set.jsonl"))


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=50, derandomize=True)
@given(st.lists(texts, min_size=1, max_size=8))
def test_whatever_a_class_is_called_comes_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("set")
    with (folder / "set.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label"), *((f"{place}.png", name) for place, name in enumerate(names))])
    if all(name.lstrip("+-").isdecimal() for name in names) or len(names) > 8:
        return
    listing = audits.recognise(folder / "set.csv")
    assert listing.images == len(names)
    assert set(listing.classes) == set(names)


# --- Parquet ----------------------------------------------------------------------------------------------


def written(path: Path, names: list[str] | None = None, column: str = "label", **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if names is not None:
        features = {column: {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=2)
    return path


STRUCTS = [{"bytes": picture(place), "path": None} for place in range(4)]


def test_names_of_classes_from_the_schema(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", ["zebra", "NA", "apple"], image=STRUCTS, label=[0, 1, -1, None])
    brought = audits.read(path)
    assert brought.classes == ("NA", "zebra")
    assert brought.labels.tolist() == [1, 0, -1, -1]
    assert brought.names == tuple(f"set.parquet:{row}" for row in range(4))
    assert any("The schema names 3 classes; 1 of them has no image" in one for one in brought.sentences)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([10, 2, 1, 2], pa.uint8()), ("1", "2", "10")),
        ([1.0, 2.0, float("nan"), 1.0], ("1", "2")),
        (["null", "007", "", None], ("007", "null")),
        (pa.array(["b", "a", "b", None]).dictionary_encode(), ("a", "b")),
        ([b"b", b"\xff", b"b", b""], ("\\xff", "b")),
        ([True, False, True, None], ("False", "True")),
    ],
)
def test_labels_of_every_type(labels: Any, classes: tuple[str, ...], tmp_path: Path) -> None:
    brought = audits.read(written(tmp_path / "set.parquet", img=STRUCTS, fine_label=labels, coarse_label=[0] * 4))
    assert brought.classes == classes


def test_pictures_as_plain_bytes_and_as_paths(tmp_path: Path) -> None:
    laid_out(tmp_path / "set", {"pictures/a.png": PICTURE})
    plain = written(tmp_path / "set" / "plain.parquet", image=[PICTURE, b"", None, b"x"], target=[0, 1, 0, 1])
    brought = audits.read(plain)
    assert brought.rows.tolist() == [0]
    assert [why for _, why in brought.unreadable[:2]] == ["the cell is empty"] * 2
    paths = written(
        tmp_path / "set" / "paths.parquet", file=["pictures/a.png", "../x.png", "none.png"], label=["x"] * 3
    )
    brought = audits.read(paths)
    assert brought.rows.tolist() == [0]
    assert [one.why for one in brought.unreadable] == ["leads outside the folder of the table", "there is no such file"]
    both = written(tmp_path / "set" / "both.parquet", image=[{"bytes": None, "path": "pictures/a.png"}, None])
    assert audits.read(both).labels.tolist() == [-1]


def test_a_column_of_names_beside_the_pictures(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", image=STRUCTS, file_name=list("abcd"), label=[0] * 4)
    assert "from the column 'image'" in " ".join(audits.recognise(path).sentences)


def test_shards_by_split(tmp_path: Path) -> None:
    for name, label in (("train-00000-of-00002", 0), ("train-00001-of-00002", 1), ("test-00000-of-00001", 0)):
        written(tmp_path / "set" / "data" / f"{name}.parquet", ["cat", "dog"], image=STRUCTS, label=[label] * 4)
    (tmp_path / "set" / "README.md").write_text("x")
    brought = audits.read(tmp_path / "set")
    assert brought.split_names == ("train", "test")
    assert brought.names[0] == "data/test-00000-of-00001.parquet:0"
    assert brought.splits.tolist() == [1] * 4 + [0] * 8
    assert brought.labels.tolist() == [0] * 8 + [1] * 4
    alone = audits.recognise(tmp_path / "set" / "data" / "train-00001-of-00002.parquet")
    assert (alone.images, dict(alone.splits)) == (4, {"train": 4})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": [[1, 2]], "label": [0]}, r"must hold files' bytes, struct\{bytes, path\} or paths"),
        ({"image": [PICTURE], "label": [[0]]}, "one label a row"),
        ({"image": [PICTURE], "label": [0.5]}, "whole numbers or text, got 0.5"),
        ({"image": [PICTURE], "label": [0], "fine_label": [1]}, "one column for the label"),
        ({"picture": [PICTURE]}, "must have a column for the image"),
    ],
)
def test_parquet_that_is_unclear_is_refused(columns: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=words):
        audits.recognise(written(tmp_path / "set.parquet", **columns))


def test_shards_of_different_columns_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "set" / "a.parquet", image=STRUCTS, label=[0] * 4)
    written(tmp_path / "set" / "b.parquet", img=STRUCTS, label=[0] * 4)
    with pytest.raises(BadRequest, match="the same columns in all"):
        audits.recognise(tmp_path / "set")


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}', b"[" * 9999]
)
def test_metadata_that_lies_is_ignored(metadata: bytes, tmp_path: Path) -> None:
    table = pa.table({"image": STRUCTS, "label": [0, 1, 0, 1]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "set.parquet")
    assert list(audits.recognise(tmp_path / "set.parquet").classes) == ["0", "1"]


def test_parquet_that_is_damaged(tmp_path: Path) -> None:
    path = written(tmp_path / "set.parquet", image=STRUCTS, label=[0] * 4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(BadRequest, match="damaged"):
        audits.recognise(path)
    at = whole.find(b"IHDR")
    path.write_bytes(whole[: at - 30] + bytes(60) + whole[at + 30 :])
    try:
        brought = audits.read(path)
    except BadRequest:
        return
    assert len(brought) + len(brought.unreadable) == 4


def test_pictures_of_a_table_are_not_in_memory_together(tmp_path: Path) -> None:
    content = picture(pixels(0, 300, 300), "BMP")
    table = pa.table({"image": [{"bytes": content, "path": None}] * 80})
    pq.write_table(table, tmp_path / "set.parquet", row_group_size=80, use_dictionary=False)
    del table
    with memory() as taken:
        audits.read(tmp_path / "set.parquet", side=8)
    assert taken.peak < 12e6, "80 of them are 21 MB"
