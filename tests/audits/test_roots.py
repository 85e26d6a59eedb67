"""Which paths may be audited by whoever reaches the server, and that nothing else is told of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core import audits
from core.audits import roots
from core.types import BadRequest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder that is allowed."""
    folder = tmp_path / "allowed"
    (folder / "photos").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    monkeypatch.setenv(roots.VARIABLE, str(folder))
    return folder


def test_what_lies_below_is_allowed_whether_it_is_there_or_not(root: Path) -> None:
    assert audits.allowed(str(root)) == root
    assert audits.allowed(f" {root}/photos/ ") == root / "photos"
    assert audits.allowed(str(root / "photos" / ".." / "photos")) == root / "photos"
    assert audits.allowed(str(root / "none")) == root / "none"


@pytest.mark.parametrize(
    "path",
    ["", " ", "{}", "{}/secret", "{}/none", "{}/allowed/../secret", "{}/allowedly", "/", "..", "\0", "~", "a" * 9_999],
)  # fmt: skip
def test_everything_else_is_refused_in_one_sentence(root: Path, path: str) -> None:
    with pytest.raises(BadRequest) as refused:
        audits.allowed(path.format(root.parent))
    assert str(refused.value) == f"the path must lie below {root}, which {roots.VARIABLE} can change"


def test_a_link_is_where_it_leads(root: Path) -> None:
    (root / "in").symlink_to(root / "photos")
    (root / "out").symlink_to(root.parent / "secret")
    (root / "round").symlink_to(root / "round")
    assert audits.allowed(str(root / "in")) == root / "photos"
    with pytest.raises(BadRequest, match="must lie below"):
        audits.allowed(str(root / "out"))
    with pytest.raises(BadRequest, match="must lie below"):
        audits.allowed(str(root / "out" / "further"))
    assert audits.allowed(str(root / "round")).is_relative_to(root)


def test_several_may_be_named_and_an_allowed_folder_may_be_a_link(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.parent / "link").symlink_to(root.parent / "secret")
    monkeypatch.setenv(
        roots.VARIABLE, os.pathsep.join([str(root), f" {root.parent / 'link'} ", "", "~nobody-of-this-name"])
    )
    assert audits.allowed(str(root.parent / "secret" / "set")) == root.parent / "secret" / "set"
    with pytest.raises(BadRequest, match=rf"below {root} or {root.parent / 'secret'}, which"):
        audits.allowed(str(root.parent))


def test_unset_it_is_the_working_folder_and_the_home_and_never_the_root_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(roots.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert audits.allowed_folders() == (tmp_path, tmp_path.parent)
    assert audits.allowed("photos") == tmp_path / "photos"
    assert audits.allowed("~/photos") == tmp_path.parent / "photos"
    monkeypatch.setenv("HOME", "/")
    assert audits.allowed_folders() == (tmp_path,)


def test_empty_it_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(roots.VARIABLE, "")
    with pytest.raises(BadRequest, match="allows no folder"):
        audits.allowed("/")
