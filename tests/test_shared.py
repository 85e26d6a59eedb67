"""Artefacts in a place that several machines reach: whole or not at all, and checked by whoever fetches them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import fsspec
import numpy as np
import pytest

from core.store.shared import Share, SharedStore
from core.store.stores import Store
from core.types import BadRequest, DamagedArtefact

KEY, OTHER = "a" * 64, "b" * 64
SCORES = np.linspace(0, 1, 1000)


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}/share" if request.param == "memory" else (tmp_path / "share").as_uri()


def machine(url: str, tmp_path: Path, name: str, **options: object) -> SharedStore:
    return SharedStore(Share(url), tmp_path / name, **options)  # type: ignore[arg-type]


def below(url: str) -> list[str]:
    files, root = fsspec.url_to_fs(url)
    return sorted(files.find(root))


def change(url: str, name: str, content: bytes) -> None:
    files, _ = fsspec.url_to_fs(url)
    (path,) = (path for path in below(url) if path.endswith(name))
    files.pipe_file(path, content)


def test_what_one_machine_makes_another_reads(url, tmp_path):
    made = machine(url, tmp_path, "a").write(
        "scores", KEY, arrays={"scores": SCORES}, weights={"w": SCORES}, document={"n": 3}
    )
    other = machine(url, tmp_path, "b")
    found = other.read("scores", KEY)
    assert found is not None
    assert found.document == {"n": 3}
    np.testing.assert_array_equal(found.array("scores"), SCORES)
    np.testing.assert_array_equal(found.weights()["w"], SCORES)
    assert found.done == made.done
    assert Store(tmp_path / "b").has("scores", KEY)  # it is kept
    assert other.touched == {("scores", KEY)}
    assert other.read("scores", OTHER) is None


def test_what_only_one_machine_had_is_sent_when_it_is_read(url, tmp_path):
    Store(tmp_path / "a").write("model", KEY, document={"n": 1})
    assert not Share(url).holds("model", KEY)
    assert machine(url, tmp_path, "a").read("model", KEY) is not None
    assert Share(url).holds("model", KEY)


def test_a_stage_of_ones_own_stays(url, tmp_path):
    store = machine(url, tmp_path, "a", own=("cell",))
    store.write("cell", KEY, document={"n": 1})
    assert store.read("cell", KEY) is not None
    assert not Share(url).holds("cell", KEY)
    assert store.touched == set()
    Share(url).send(machine(url, tmp_path, "b").write("cell", OTHER, document={}), "cell", OTHER)
    assert store.read("cell", OTHER) is None


def test_half_an_artefact_is_none(url, tmp_path, monkeypatch):
    share = Share(url)
    written = Store(tmp_path / "a").write("scores", KEY, arrays={"scores": SCORES}, document={"n": 1})

    def broken(*_: object) -> None:
        raise OSError("the network went away")

    monkeypatch.setattr(share._files, "pipe_file", broken)
    with pytest.raises(OSError, match="went away"):
        share.send(written, "scores", KEY)
    monkeypatch.undo()
    assert below(url)  # the files are there, the marker is not
    assert not share.holds("scores", KEY)
    assert machine(url, tmp_path, "b").read("scores", KEY) is None
    share.send(written, "scores", KEY)
    assert machine(url, tmp_path, "b").read("scores", KEY) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"seal": "0"}'])
def test_a_marker_that_is_half_there_is_none(url, tmp_path, content):
    machine(url, tmp_path, "a").write("scores", KEY, document={"n": 1})
    change(url, "DONE", content)
    assert not Share(url).holds("scores", KEY)
    assert machine(url, tmp_path, "b").read("scores", KEY) is None


def test_what_was_altered_is_not_used_and_makes_way(url, tmp_path):
    machine(url, tmp_path, "a").write("scores", KEY, arrays={"scores": SCORES})
    change(url, "scores.npy", b"something else")
    other = machine(url, tmp_path, "b")
    assert other.read("scores", KEY) is None
    assert not Store(tmp_path / "b").has("scores", KEY)
    assert not Share(url).holds("scores", KEY)
    other.write("scores", KEY, arrays={"scores": SCORES})
    assert machine(url, tmp_path, "c").read("scores", KEY) is not None


def test_two_that_send_the_same_do_not_mix(url, tmp_path):
    for number, name in enumerate("ab"):
        machine(url, tmp_path, name).write("scores", KEY, arrays={"scores": SCORES + number}, document={"n": number})
    found = machine(url, tmp_path, "c").read("scores", KEY)
    assert found is not None
    np.testing.assert_array_equal(found.array("scores"), SCORES + found.document["n"])


def test_a_place_that_cannot_be_used_is_refused():
    with pytest.raises(BadRequest, match="'nonsense://there' cannot be used as a share"):
        Share("nonsense://there")


@pytest.mark.parametrize("url", ["", "foo", "/a/folder", "file://", "://x"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(BadRequest, match=r"a share is a URL, such as s3://bucket/folder .*, got"):
        Share(url)


def test_a_place_that_does_not_answer_is_said(url, monkeypatch):
    share = Share(url)
    share.check()

    def broken(*_: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(share._files, "exists", broken)
    with pytest.raises(BadRequest, match="cannot be reached: ConnectionError: nobody there"):
        share.check()


@pytest.mark.parametrize("url", ["github://x", "zip://x"])
def test_a_file_system_that_wants_more_is_said(url):
    with pytest.raises(BadRequest, match="cannot be used as a share"):
        Share(url)


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_package_is_named():
    with pytest.raises(BadRequest, match="s3fs"):
        Share("s3://bucket/folder")


def test_a_store_takes_only_what_agrees_with_its_marker(tmp_path):
    theirs, ours = Store(tmp_path / "a"), Store(tmp_path / "b")
    written = theirs.write("scores", KEY, arrays={"scores": SCORES})

    def copy(folder: Path) -> None:
        for path in written.folder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    def less(folder: Path) -> None:
        copy(folder)
        (folder / "scores.npy").write_bytes(b"")

    with pytest.raises(DamagedArtefact, match="0 bytes instead of"):
        ours.take("scores", KEY, less)
    with pytest.raises(DamagedArtefact, match="it is the artefact of scores"):
        ours.take("scores", OTHER, copy)
    assert ours.listing() == []
    assert not list((tmp_path / "b" / "tmp").iterdir())
    np.testing.assert_array_equal(ours.take("scores", KEY, copy).array("scores"), SCORES)
    assert ours.take("scores", KEY, copy).folder == tmp_path / "b" / "scores" / KEY  # again: the first one stays
