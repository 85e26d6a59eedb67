"""What holds for the project as a whole: its packages, its files, its documentation, its layers."""

from __future__ import annotations

import ast
import re
import subprocess
from importlib import import_module
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.configuration.registry import DETECTORS, REGISTRIES
from tests import faces

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENT_FILES = ("requirements.txt", "requirements-dev.txt", "requirements-cluster.txt", "requirements-onnx.txt")


def stated(file: str) -> list[str]:
    """The lines of a requirements file that say something."""
    lines = (ROOT / file).read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def requirements(file: str) -> list[Requirement]:
    return [Requirement(line.partition(" #")[0]) for line in stated(file)]


def project_files() -> list[Path]:
    """What is or would be committed; where git cannot say (an unpacked archive), all but what tools leave behind."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        files = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        left_behind = {".git", ".venv", "__pycache__", "test-output", "node_modules"}
        files = [
            path
            for path in ROOT.rglob("*")
            if not any(part in left_behind or part.endswith("_cache") for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in files if path.is_file()]


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"{folder}/ has no module"
    return found


def names_imported(tree: ast.Module) -> set[str]:
    """The top-level names of everything that a module imports, wherever in the module it does so."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("file", REQUIREMENT_FILES)
def test_requirements_have_a_lower_bound_and_a_reason(file):
    for line in stated(file):
        requirement, _, reason = line.partition(" #")
        assert Requirement(requirement).specifier, f"{file}: {line!r} says no version"
        assert reason.strip(), f"{file}: {line!r} gives no reason"


def test_constraints_pin_every_requirement():
    pins: dict[str, list[Requirement]] = {}
    for pin in requirements("constraints.txt"):
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    for file in REQUIREMENT_FILES:
        for requirement in requirements(file):
            found = pins.get(canonicalize_name(requirement.name))
            assert found, f"{requirement.name} of {file} is not in constraints.txt: run `make lock`"
            for pin in found:
                (version,) = (part.version for part in pin.specifier)
                assert requirement.specifier.contains(version), f"{pin} is outside {requirement}: run `make lock`"


def test_constraints_are_exact_and_name_no_place():
    for pin in requirements("constraints.txt"):
        (part,) = pin.specifier
        assert part.operator == "==", f"{pin} is not exact"
        assert "+" not in part.version, f"{pin} is a build that a package index does not offer"
        assert pin.url is None, f"{pin} names a place"


# Home and work folders of a machine, and the hosts that packages are fetched from: who installs decides that.
MACHINE_PATH = re.compile(rb"(?<![\w.~$}-])/(?:root|home|work|Users|opt|mnt)/\w")
REGISTRY_HOST = re.compile(
    rb"\bpypi\.org|\bpythonhosted\.org|\bnpmjs\.(?:org|com)|\bdownload\.pytorch\.org|\bindex-url\s*="
)


def test_no_file_names_this_machine_or_a_registry():
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if len(line) < 10_000 and (MACHINE_PATH.search(line) or REGISTRY_HOST.search(line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.decode(errors='replace').strip()}")
    assert not found, "\n".join(found)


DOCUMENTED = {"detector": "docs/detectors.md"}  # every other kind: docs/attacks.md


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_the_docs_document_every_entry_of_every_registry(registry):
    page = DOCUMENTED.get(registry.kind, "docs/attacks.md")
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [name for name in registry if f"`{name}`" not in text]
    assert not missing, f"{page} does not document {missing}: write about it, and run `python -m core docs`"


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_says_what_it_assumes_and_how_it_is_evaded(detector):
    text = (ROOT / "docs/detectors.md").read_text(encoding="utf-8")
    _, heading, rest = text.partition(f"\n## `{detector}`\n")
    assert heading, f"docs/detectors.md has no section on {detector}"
    section = rest.partition("\n## ")[0]
    for part in ("**Model.**", "**Assumes.**", "**Evaded by.**", "**Paper.**"):
        assert section.count(part) == 1, f"{detector}: {part}"


# Unpickling runs what a file says; joblib and shelve pickle behind the scenes.
PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@pytest.mark.parametrize("path", modules("core"), ids=lambda path: str(path.relative_to(ROOT)))
def test_core_knows_no_screen_and_no_pickle(path):
    tree = ast.parse(path.read_text())
    unwanted = names_imported(tree) & ({"streamlit", "app", "pages"} | PICKLERS)
    assert not unwanted, f"imports {sorted(unwanted)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            assert called not in {"torch.load", "torch.save"}, f"line {node.lineno}: {called} pickles"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), f"line {node.value.lineno}: allow_pickle must be a constant"
            assert node.value.value is False, f"line {node.value.lineno}: allow_pickle"


@pytest.mark.parametrize("path", modules("core/detectors"), ids=lambda path: path.name)
def test_detectors_never_see_the_truth(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
        assert name not in {"Truth", "truth", "PoisonedSet"}, f"line {getattr(node, 'lineno', '?')}: {name}"


ROOMS = sorted(path.parent for path in (ROOT / "core").rglob("__init__.pyi"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_face_offers_what_it_names(room):
    """A lazy face is only believed when somebody asks: ask for all of it."""
    package = import_module(".".join(room.relative_to(ROOT).parts))
    assert package.__doc__
    assert sorted(package.__all__) == sorted(faces.named(package.__name__))
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_nobody_reaches_around_a_face():
    graph = grimp.build_graph("core", "pages", cache_dir=None)
    assert not faces.reaching_around(graph, "core")
    graph.add_import(importer="pages.story", imported="core.training.loop")
    graph.add_import(importer="core.pipeline", imported="core.training.devices")  # which the face names
    assert faces.reaching_around(graph, "core") == [("pages.story", "core.training.loop")]


@pytest.mark.parametrize(("folder", "most"), [("core", 10), ("pages/parts", 16)])
def test_few_files_lie_outside_the_rooms(folder, most):
    assert len([path for path in (ROOT / folder).iterdir() if path.is_file()]) <= most


def test_app_only_finds_its_way_to_the_pages():
    """app.py lies outside every package, where import-linter does not look."""
    tree = ast.parse((ROOT / "app.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("core."), f"line {node.lineno}: {node.module} is behind the doors"
        if isinstance(node, ast.Import):
            inner = [alias.name for alias in node.names if alias.name.startswith("core.")]
            assert not inner, f"line {node.lineno}: {inner} are behind the doors"
