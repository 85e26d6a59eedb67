"""Archives: read in place, nothing that climbs out, and what would overwhelm is refused unread."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core import audits
from core.audits import zips
from core.types import BadRequest
from tests.audits.made import CLASSES, picture, pixels, tarred, zipped
from tests.traced import memory

PICTURE = picture()
SET = {"cat/a.png": PICTURE, "dog/b.png": picture(1)}


def refused(path: Path, words: str) -> None:
    """In a sentence, within 200 MB."""
    with memory() as taken, pytest.raises(BadRequest, match=words) as caught:
        audits.recognise(path)
    assert "\n" not in str(caught.value)
    assert taken.peak < 200e6


def test_a_zip_from_a_mac(tmp_path: Path) -> None:
    mac = {"My set/": b"", "My set/cat/a.png": PICTURE, "My set/.DS_Store": b"x", "__MACOSX/My set/cat/._a.png": b"x"}
    listing = audits.recognise(zipped(tmp_path / "set.zip", mac))
    assert dict(listing.classes) == {"cat": 1}
    assert dict(listing.skipped) == {".DS_Store": 1, "__MACOSX": 1}
    assert any("All lie in the folder My set" in one for one in listing.sentences)


@pytest.mark.parametrize(
    "name", ["../x.png", "/x.png", "cat/../../x.png", "C:\\x.png", "..\\x.png", "\\\\server\\x.png"]
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_that_climb_out_are_left_out(make, name: str, tmp_path: Path) -> None:
    brought = audits.read(make(tmp_path / "set", {**SET, name: PICTURE}))
    assert brought.names == ("cat/a.png", "dog/b.png")
    assert dict(brought.skipped) == {"names that lead outside": 1}


def test_nothing_is_written(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", SET)
    audits.read(path)
    assert [one.name for one in tmp_path.iterdir() if one.name != "home"] == ["set.zip"]


def test_links_in_archives_are_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("cat/a.png", PICTURE)
        link = zipfile.ZipInfo("cat/b.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name, kind in (
            ("cat/b.png", tarfile.SYMTYPE),
            ("cat/c.png", tarfile.LNKTYPE),
            ("cat/d.png", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("cat/a.png")
        member.size = len(PICTURE)
        tar.addfile(member, io.BytesIO(PICTURE))
    assert dict(audits.read(tmp_path / "set.zip").skipped) == {"links": 1}
    assert dict(audits.read(tmp_path / "set.tar").skipped) == {"links": 2, "other files": 1}


def test_nested_archives_are_counted_even_where_they_are_bombs(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"x.png": bytes(2**21)}).read_bytes()
    nested = zipped(tmp_path / "set.zip", {**SET, "inner.zip": bomb, "other.tar.gz": bytes(2**21)})
    assert dict(audits.read(nested).skipped) == {"nested archives": 2}


def test_names_in_the_old_code_page_and_the_other_slash(tmp_path: Path) -> None:
    content = zipped(tmp_path / "x.zip", {"katzX/a.png": PICTURE, "hund/b.png": PICTURE}).read_bytes()
    (tmp_path / "set.zip").write_bytes(content.replace(b"katzX", b"katz\x84").replace(b"hund/", b"hund\\"))
    brought = audits.read(tmp_path / "set.zip")
    assert brought.classes == ("hund", "katzä")
    assert not brought.unreadable


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_path_twice_is_doubtful(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("cat/a.png", PICTURE)
        archive.writestr("cat/a.png", picture(1))
    brought = audits.read(tmp_path / "set.zip")
    assert len(brought) == 2
    assert len(set(brought.digests)) == 2, "each its own"
    assert brought.doubtful == (audits.Unreadable("cat/a.png", "the same path stands there 2 times"),)


def test_one_damaged_member_fails_alone(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", CLASSES)
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("1/1.png")
    content = bytearray(path.read_bytes())
    at = entry.header_offset + 30 + len("1/1.png") + 40
    content[at : at + 20] = bytes(20)
    path.write_bytes(content)
    brought = audits.read(path)
    assert [one.name for one in brought.unreadable] == ["1/1.png"]
    assert len(brought) == 7
    assert brought.listed == 8
    place = brought.names.index("2/0.png")
    assert np.array_equal(brought.images[place], pixels(20))
    assert sorted(CLASSES)[brought.rows[place]] == "2/0.png"


def test_a_method_that_is_not_known(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "set.zip", SET).read_bytes())
    content[content.find(b"PK\x01\x02") + 10] = 93
    content[content.find(b"PK\x03\x04") + 8] = 93
    (tmp_path / "set.zip").write_bytes(content)
    (broken,) = audits.read(tmp_path / "set.zip").unreadable
    assert "a method that is not read" in broken.why


# --- what would overwhelm ---------------------------------------------------------------------------------


def test_a_member_of_gigabytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", bytes(65 * 2**20))
    refused(tmp_path / "set.zip", "at most 64 MiB each, got 65 MiB in cat/a.png")
    content = bytearray((tmp_path / "set.zip").read_bytes())
    at = content.rfind(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 4_000_000_000)
    (tmp_path / "set.zip").write_bytes(content)
    refused(tmp_path / "set.zip", "at most 64 MiB each, got 3,815 MiB")


def test_a_member_that_says_it_is_small(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", bytes(65 * 2**20))
        archive.writestr("cat/b.png", PICTURE)
    content = bytearray((tmp_path / "set.zip").read_bytes())
    at = content.find(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 100_000)
    (tmp_path / "set.zip").write_bytes(content)
    brought = audits.read(tmp_path / "set.zip")
    assert [one.name for one in brought.unreadable] == ["cat/a.png"]


def test_a_ratio_that_no_picture_has(tmp_path: Path) -> None:
    refused(
        zipped(tmp_path / "set.zip", {"cat/a.png": bytes(2**21)}), "unpack to at most 200 times their size, got 1,02"
    )
    small = {"cat/a.bmp": picture(np.zeros((100, 100, 3), np.uint8), "BMP")}
    assert len(audits.read(zipped(tmp_path / "small.zip", small))) == 1, "an empty bitmap may be packed well"


def test_a_total_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "set.zip", SET)
    monkeypatch.setattr("core.audits.limits.free_memory", lambda: 50.0)
    refused(path, "must unpack to at most")
    refused(tarred(tmp_path / "set.tar", SET), "must unpack to at most")


def test_members_that_overlap(tmp_path: Path) -> None:
    """As in the archive of 42 kB that unpacks to gigabytes without another archive in it."""
    content = zipped(tmp_path / "x.zip", {"cat/a.bmp": pixels(0, 300, 300).tobytes()}).read_bytes()
    start = content.find(b"PK\x01\x02")
    entry, end = content[start : content.rfind(b"PK\x05\x06")], bytearray(content[content.rfind(b"PK\x05\x06") :])
    struct.pack_into("<HHL", end, 8, 50, 50, 50 * len(entry))
    (tmp_path / "set.zip").write_bytes(content[:start] + 50 * entry + end)
    refused(tmp_path / "set.zip", "its entries overlap")


def test_millions_of_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "set.zip"
    content = zipped(path, SET).read_bytes()
    at = content.rfind(b"PK\x05\x06")
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 3_000_000, 3_000_000, 150_000_000, 0)
    locator = struct.pack("<IIQI", 0x07064B50, 0, at, 1)
    path.write_bytes(content[:at] + end64 + locator + content[at:])
    refused(path, "at most 2,000,000 entries, got 3,000,000")
    # A count that lies: the entries are counted themselves.
    monkeypatch.setattr(zips, "MOST_ENTRIES", 1)
    monkeypatch.setattr("core.audits.limits.MOST_ENTRIES", 1)
    many = bytearray(zipped(path, {f"cat/{place}.png": b"" for place in range(30_000)}).read_bytes())
    struct.pack_into("<HH", many, many.rfind(b"PK\x05\x06") + 8, 1, 1)
    path.write_bytes(many)
    refused(path, "at most 1 entries, got 2")


def test_counting_entries_across_blocks(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", {f"cat/{'x' * 200}{place}.png": b"" for place in range(12_000)})
    with path.open("rb") as file:
        count, length, start = zips._directory(file, path)
        assert (count, zips._entries(file, start, length)) == (12_000, 12_000)


def test_an_encrypted_archive(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "set.zip", SET).read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "set.zip").write_bytes(content)
    refused(tmp_path / "set.zip", "is encrypted .*without a password")


@pytest.mark.parametrize("cut", [10, 30, 100, 200])
def test_a_zip_that_is_cut_short(cut: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", SET)
    path.write_bytes(path.read_bytes()[:-cut])
    refused(path, "damaged or cut short")


# --- tar --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_of_every_compression(mode: str, tmp_path: Path) -> None:
    brought = audits.read(
        tarred(tmp_path / "whatever.bin", {f"./set/{name}": one for name, one in CLASSES.items()}, mode)
    )
    assert brought.classes == ("0", "1", "2", "10")
    assert not brought.unreadable


def test_a_tar_that_is_cut_short_keeps_what_lies_before(tmp_path: Path) -> None:
    path = tarred(tmp_path / "set.tar", CLASSES)
    path.write_bytes(path.read_bytes()[: 1024 * 2 + 700])
    brought = audits.read(path)
    assert brought.names == ("0/0.png", "0/1.png")
    assert [one.name for one in brought.unreadable] == ["1/0.png"]
    assert any("cut short" in one for one in brought.sentences)


def test_a_gzip_bomb(tmp_path: Path) -> None:
    header = tarfile.TarInfo("cat/a.png")
    header.size = 2**33
    for name, content in (
        ("one.tar.gz", header.tobuf() + bytes(2**20)),
        ("many.tar.gz", b"".join(_of_zeros(place) for place in range(40))),
    ):
        with gzip.open(tmp_path / name, "wb", compresslevel=6) as file:
            file.write(content)
    refused(tmp_path / "one.tar.gz", "at most 64 MiB each, got 8,192 MiB")
    refused(tmp_path / "many.tar.gz", "must unpack to at most 200 times its size")


def _of_zeros(place: int) -> bytes:
    header = tarfile.TarInfo(f"cat/{place}.png")
    header.size = 2**20
    return header.tobuf() + bytes(2**20)


def test_a_header_of_gigabytes(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    with gzip.open(tmp_path / "set.tar.gz", "wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**20))
    refused(tmp_path / "set.tar.gz", "headers of at most 64 KiB")


# --- WebDataset -------------------------------------------------------------------------------------------


def test_shards_of_webdataset_with_labels_in_json(tmp_path: Path) -> None:
    (root := tmp_path / "set").mkdir()
    for split in ("train", "test"):
        for shard in range(2):
            files = {}
            for key in range(3):
                files[f"{shard}{key}.jpg"] = picture(key, "JPEG")
                files[f"{shard}{key}.json"] = b'{"label": "NA", "caption": "x"}' if key else b'{"caption": "x"}'
            tarred(root / f"{split}-{shard:05}.tar", files)
    brought = audits.read(root)
    assert brought.kind == "WebDataset tar"
    assert brought.names[0] == "test-00000.tar/00.jpg"
    assert brought.classes == ("NA",)
    assert brought.labels.tolist() == [-1, 0, 0] * 4
    assert brought.split_names == ("train", "test")
    assert brought.splits.tolist() == [1] * 6 + [0] * 6


def test_no_label_in_webdataset(tmp_path: Path) -> None:
    files = {"a.png": PICTURE, "a.cls": b"-1\n", "b.png": PICTURE, "b.cls": b"3\n", "c.png": PICTURE, "c.txt": b"a cat"}
    brought = audits.read(tarred(tmp_path / "set.tar", files))
    assert brought.labels.tolist() == [-1, 0, -1]
    assert brought.classes == ("3",)
