"""Every command and snippet of README.md and docs/ is run, in a home that has the recorded run and nothing else.

Trainings are made tiny. What would train on CIFAR-10, or on a cluster, is carried out up to there: then all that it was
given has been read, checked and put into configurations. What is only an illustration stands in a table below.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from PIL import Image
from rich.console import Console

import core
from core import datasets, jobs, pipeline, worker
from core.cli import commands
from core.configuration import RECIPES, Sweep, grid
from core.jobs import workers
from core.reproduction import record
from core.store.home import VARIABLE
from core.sweeps import cluster
from tests.docs import pages
from tests.docs.pages import OTHERS, PAGES, ROOT, Block

# Not run, by page and first line, and why not. Their commands are parsed all the same.
ILLUSTRATIONS = {
    ("README.md", "python3 -m venv .venv"): "makes an environment of three gigabytes and fetches CIFAR-10",
    ("docs/cluster.md", ".venv/bin/python -m pip install -r requirements.txt -r requirements-cluster.txt"): "installs",
    ("docs/cluster.md", "export RAY_AUTH_MODE=token"): "starts two nodes of a cluster; tests/test_cluster.py does",
    ("docs/cluster.md", "python -m core audit /data/photos"): "needs a cluster; tests/test_cluster_audit.py has one",
    ("docs/cluster.md", "#!/bin/bash"): "needs Slurm",
    ("docs/cluster.md", "cluster_name: poisonscope"): "a file of Ray's own, for a cloud",
    ("docs/cluster.md", "ray up cluster.yaml"): "needs a cloud",
}
TINY = {"per_class": 10, "epochs": 1, "batch_size": 20, "precision": "fp32"}
SWEEP = next(block.text for block in pages.blocks("docs/headless.md") if block.language == "yaml")


class Begun(BaseException):
    """All was read and checked, and what takes long would begin now. No `except Exception` may swallow it."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of all pages: what one has trained, the next finds."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def desk(own_home: Path, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home with the recorded run, and a working folder with the files that the pages speak of."""
    monkeypatch.setenv(VARIABLE, str(shared))
    quick = RECIPES["quick"]
    monkeypatch.setitem(
        RECIPES, "quick", replace(quick, per_dataset={"digits": {**quick.per_dataset["digits"], **TINY}})
    )
    core.install_recorded()
    for module, name, is_long in (
        (jobs, "submit", too_long),
        (pipeline, "run", too_long),
        (record, "record", always),
        (datasets, "prepare", lambda name, *_, **options: name == "cifar10"),
    ):
        monkeypatch.setattr(module, name, guarded(getattr(module, name), is_long))
    monkeypatch.setattr(workers, "ensure_worker", lambda: worker.work(idle_seconds=0.0))
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "assets").symlink_to(ROOT / "assets")
    generator = np.random.default_rng(0)
    np.save(folder / "features.npy", generator.normal(size=(300, 8)).astype(np.float32))
    np.save(folder / "labels.npy", np.repeat(np.arange(3), 100))
    np.save(folder / "images.npy", generator.integers(0, 256, (300, 8, 8, 3)).astype(np.uint8))
    for row, image in enumerate(np.load(folder / "images.npy")):
        (folder / "photos" / "abc"[row // 100]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "photos" / "abc"[row // 100] / f"{row}.png")
    np.save(folder / "losses.npy", generator.uniform(size=(3, 300)).astype(np.float32))
    (folder / "sticker.png").write_bytes(base64.b64decode(core.pictures.FACE))
    (folder / "sweep.yaml").write_text(SWEEP)
    monkeypatch.chdir(folder)
    return folder


def guarded(real: Callable[..., Any], is_long: Callable[..., bool]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        if is_long(*arguments, **options):
            raise Begun
        return real(*arguments, **options)

    return called


def always(*_: Any, **options: Any) -> bool:
    return True


def too_long(asked: Any, *_: Any, start: bool = True, **options: Any) -> bool:
    """Whether a run or a sweep that is to start is of CIFAR-10, or for a cluster."""
    if not start:
        return False
    if isinstance(asked, Sweep):
        return asked.cluster is not None or too_long(next(iter(grid.cells(asked))).config)
    return bool(asked.dataset.name == "cifar10")


@pytest.mark.parametrize("page", [page for page in PAGES if pages.blocks(page)])
def test_what_a_page_shows_works(page: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    names: dict[str, Any] = {"__name__": "documented"}
    for block in pages.blocks(page):
        if block.tag:
            continue
        if block.language == "python":
            exec(compile(block.text, page, "exec"), names)
        elif block.language == "yaml":
            read_sweep(block)
        elif block.language == "sh":
            for words in block.commands():
                carried_out(words, monkeypatch, capsys)
    if page == "README.md":
        assert names["named"].tolist() == [3]
        assert names["suspects"].tolist() == list(range(600, 620))


def read_sweep(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if set(content) == {"cluster"}:
        assert str(cluster.place(content["cluster"])) == content["cluster"]
    else:
        assert grid.parse(block.text).count > 0


def carried_out(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Carry a command out as far as can be; it must end well, and leave the files that it was told to."""
    if words[0] == "make":
        dry_run(words)
        return
    assert words[:3] == ["python", "-m", "core"], f"nobody knows how to run {words}"
    monkeypatch.setattr(sys, "argv", ["core", *words[3:]])
    monkeypatch.setattr(commands, "out", Console(width=200))
    try:
        with pytest.raises(SystemExit) as ended:
            commands.main()
    except Begun:
        return
    assert not ended.value.code, f"{words}: {capsys.readouterr()}"
    for option, value in pairwise(words):
        if option == "--to":
            assert Path(value).exists(), f"{words} wrote no {value}"


def dry_run(words: list[str]) -> None:
    said = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("page", PAGES)
def test_illustrations_are_few_and_explained(page: str) -> None:
    for block in pages.blocks(page):
        assert block.language in ("sh", "python", "yaml", "text"), f"{page}: {block.first}: say what language it is in"
        assert block.language != "text" or "python" not in block.text, f"{page}: {block.first}: a command is sh"
        assert block.tag in ("", "illustration"), f"{page}: {block.tag}"
        why = [one for one in ILLUSTRATIONS if one[0] == page and block.first.startswith(one[1])]
        assert bool(why) == bool(block.tag), f"{page}: {block.first}"
    fenced = re.sub(r"^    .*\n", "", pages.prose(page), flags=re.MULTILINE)
    assert fenced == pages.prose(page), f"{page} has an indented block, which nobody runs: fence it"


def test_every_explanation_has_its_illustration() -> None:
    shown = [(block.page, block.first) for page in PAGES for block in pages.blocks(page) if block.tag]
    assert len(shown) == len(ILLUSTRATIONS)
    for page, first in ILLUSTRATIONS:
        assert [one for one in shown if one[0] == page and one[1].startswith(first)], first


@pytest.mark.parametrize("page", [*PAGES, *OTHERS])
def test_commands_in_running_text_and_in_illustrations_exist(page: str) -> None:
    shown = [block for block in pages.blocks(page) if block.tag and block.language == "sh"]
    lines = [words for block in shown for words in block.commands() if words[0] == "python"]
    for words in [*pages.inline(page), *lines]:
        exists(words)


def exists(words: list[str]) -> None:
    """Fail where there is no such command, module, target or option; values are not looked at."""
    if words[0] == "make":
        dry_run([words[0], *(word for word in words[1:] if "=" not in word)])
    elif len(words) > 1 and words[1] != "-m":
        assert (ROOT / words[1]).is_file(), words
    elif words[2:3] == ["core"]:
        known: Any = typer.main.get_command(commands.app)
        for word in words[3:]:
            if hasattr(known, "commands"):
                assert word in {"--help", *known.commands}, f"{words}: there is no {word}"
                known = known.commands.get(word, known)
            elif word.startswith("--"):
                options = {name for one in known.params for name in (*one.opts, *one.secondary_opts)}
                assert word in {"--help", *options}, f"{words}: there is no {word}"
    elif len(words) > 2:
        assert find_spec(words[2]), words
