"""A sweep as a file: what may stand in it, which runs it comes to, and what its key hangs on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from core.configuration import grid, stages
from core.configuration.grid import Sweep, cells, made, parse, text
from core.configuration.settings import configure
from core.types import BadRequest

FILE = """
name: how little
base: {dataset: digits, trigger: pattern, target: three, assumed_ratio: ratio}
axes:
  ratio: [0.05, 0.1]
  trigger.size: [2, 3]
  what:
    plain: {}
    flipped: {training.flip: true, detector: whitened-spectral, detector.threshold: 3.0}
seeds: [0, 7]
"""


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{of}'] * 9)}]\n" for of, name in pairwise("abcdefgh")
)  # a few hundred bytes that stand for 9^8 values


def test_every_value_of_every_axis_with_every_seed() -> None:
    asked = parse(FILE)
    found = cells(asked)
    assert len(found) == asked.count == 2 * 2 * 2 * 2
    places = [(*cell.point.values(), cell.seed) for cell in found]
    assert places[:4] == [
        (0.05, 2, "plain", 0),
        (0.05, 2, "plain", 7),
        (0.05, 2, "flipped", 0),
        (0.05, 2, "flipped", 7),
    ]
    assert len(set(places)) == len({stages.run_key(cell.config) for cell in found}) == len(found)


def test_a_cell_is_the_run_that_its_settings_ask_for() -> None:
    cell = cells(parse(FILE))[2]
    assert cell.config == configure(
        dataset="digits", trigger="pattern", trigger_parameters={"size": 2}, target="three", ratio=0.05,
        assumed_ratio=0.05, training={"flip": True}, detector="whitened-spectral",
        detector_parameters={"threshold": 3.0}, seed=0,
    )  # fmt: skip
    assert cell.name == "ratio 0.05, trigger.size 2, what flipped, seed 0"


def test_without_axes_it_is_the_base_over_its_seeds() -> None:
    found = cells(parse("base: {dataset: digits, target: 3}\nseeds: [3, 1]"))
    assert [cell.config for cell in found] == [
        configure(dataset="digits", target="three", seed=seed) for seed in (3, 1)
    ]


def test_what_is_written_is_read_again() -> None:
    for asked in (parse(FILE), Sweep(), parse("{retrain: false, cluster: auto, seeds: [1]}")):
        assert parse(text(asked)) == asked


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "not YAML"),
        ("- 1", "a mapping of name, base, axes and seeds, got list"),
        ("axis: {}", "axis: there is no such setting here"),
        ("axes: {rati: [1]}", "unknown setting 'rati'; allowed are"),
        ("axes: {ratio: []}", "the axis 'ratio' needs at least one value"),
        ("axes: {ratio: [0.1, 2]}", r"at ratio 2: ratio: must be a share from 0 to 1 \(5% is 0.05\), got 2"),
        ("axes: {ratio: [0.1, 0.1]}", "every value of the axis 'ratio' may stand once"),
        ("axes: {trigger.size: [3]}", r"at trigger.size 3: unknown settings \['size'\]"),
        ("axes: {seed: [0, 1]}", "a sweep's seeds stand in its seeds"),
        ("base: {seed: 1}", "a sweep's seeds stand in its seeds"),
        ("seeds: []", "seeds: must have at least 1 entry"),
        ("seeds: [1, 1]", "every seed may stand once"),
        ("seeds: [-1]", "^seeds.0: .* got -1$"),
        ("axes: {ratio: 0.1}", "an axis is a list of values, or names with settings each; 'ratio' is 0.1"),
        ("axes: {nat1: {low: {ratio: 0.1}}}", "cannot be called 'nat1', which is a column"),
        ("axes: {seed: {low: {ratio: 0.1}}}", "cannot be called 'seed', which is a column"),
        ("axes: {ratio: [0.1], attack: {one: {ratio: 0.4}}}", "the axes 'ratio' and 'attack' both set 'ratio'"),
        ("1: 2", r"fields are name, base, axes and seeds, got \[1\]"),
        ("base: {ratio: .nan}", "base.ratio must hold finite numbers, .* got nan"),
        ("base: {ratio: 2020-12-24}", "base.ratio must hold finite numbers"),
        ("base: {ratio: 2020-13-45}", "not YAML: month must be"),
        ("base: {ratio: !!bool foo}", "not YAML: 'foo'"),
        ("base: &a {b: *a}", r"must not use aliases \(\*name, line 1\)"),
        ("[" * 2000 + "]" * 2000, "not be nested more than 16 deep"),
        (f"base: {{seed: {'9' * 5000}}}", "not YAML: Exceeds the limit"),
        ("base: {1: 2}", "names in base must be text, got 1"),
        ("base: {training: 3}", "training must be a mapping of names to values, got 3"),
        ("base: {training: 3, training.epochs: 1}", "training must be a mapping of names to values, got 3"),
        ("axes: {training: [1]}", "at training 1: training must be a mapping"),
        ("base: {trigger_parameters: [1]}", r"trigger_parameters must be a mapping of names to values, got \[1\]"),
        ("base: {training.recipe: quick}", "the recipe itself is chosen beside them"),
        ("base: {training.dataset: a}", "dataset: there is no such setting here"),
        ("base: {recipe: []}", r"unknown recipe \[\]; allowed are"),
        ("base: {also: pixel}", "also must be a list of triggers, .* got 'pixel'"),
        ("base: {also: 3}", "also must be a list of triggers, .* got 3"),
        (
            f"base: {{trigger.opacity: 1{'0' * 400}}}",
            r"opacity must hold whole numbers from -2\^63 .* \(401 c",
        ),
        ("base: {trigger: pattern, trigger.opacity: 9007199254740994}", r"opacity must lie in \[0, 1\], got inf"),
        (f"base: {{seed: 0x{'f' * 5000}}}", "base.seed must hold whole numbers .* got a number of thousands of digits"),
        (f"seeds: [0x{'f' * 5000}]", "seeds.0: .* got a number of thousands of digits"),
        (BOMB, r"must not use aliases \(\*name, line 2\)"),
        ("base: &a {ratio: 0.1}\naxes: {what: {one: {<<: {ratio: 1}}}}", r"must not use << \(line 2\)"),
        ("seeds: [0]\nbase: {ratio: 0.1}\nbase: {}", r"says 'base' twice \(line 3\)"),
        ("axes: {what: {one: {ratio: 0.1}, one: {ratio: 0.2}}}", r"says 'one' twice \(line 1\)"),
        ("axes: {what: {1: {ratio: 0.1}, 1.0: {ratio: 0.2}}}", r"says 1.0 twice"),
        ("? [1]\n: 2", "not YAML: found unhashable key"),
        ("!!map [1]", "not YAML: expected a mapping node"),
        ("name: !!python/object/apply:os.system [true]", "not YAML: could not determine a constructor"),
        ('name: "a\\0b"', r"printable text in one line, got the character U\+0000"),
        ('axes: {ratio: [0.1], "a\\eb": {one: {recipe: quick}}}', r"got the character U\+001B"),
        ('base: {target: "\\ud800"}', r"got the character U\+D800"),
        ('name: "\\u202egpj.exe"', r"got the character U\+202E"),
        ("name: a\0b", "not YAML: unacceptable character #x0000: special characters are not allowed$"),
        ("#" + "a" * 100_000, "at most 100,000 characters, got 100,001"),
        ("{retrain: false, references: true}", "they need retrain: true"),
        (f"seeds: {list(range(10_001))}", "at most 10,000 runs, got 10,001"),
    ],
)
def test_what_does_not_fit_is_refused(content: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        parse(content)
    assert "\n" not in str(refused.value)


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "content",
    [
        f"name: {LONG}",
        f"{LONG}: 1",
        f"base: {{{LONG}: 1}}",
        f"base: {{ratio: {LONG}}}",
        f"base: {{target: {LONG}}}",
        f"base: {{target: {'9' * 10_000!r}}}",
        f"base: {{dataset: {LONG}}}",
        f"base: {{trigger: {LONG}}}",
        f"base: {{recipe: {LONG}}}",
        f"base: {{scope: {LONG}}}",
        f"base: {{trigger.{LONG}: 1}}",
        f"base: {{trigger.picture: {LONG}, trigger: drawing}}",
        f"base: {{also: {LONG}}}",
        f"base: {{training: {LONG}}}",
        f"base: {{training.{LONG}: 1}}",
        f"base: {{? {LONG}: {{a: 2020-12-24}}}}",
        f"axes: {{? {LONG}: []}}",
        f"axes: {{? {LONG}: [a, a]}}",
        f"axes: {{ratio: [{LONG}, {LONG}]}}",
        f"axes: {{ratio: [{LONG}]}}",
        f"axes: {{ratio: {LONG}}}",
        f"seeds: {['x'] * 5_000}",
        f"seeds: {[1] * 5_000}",
        f"[*{LONG}]",
        f"!!{LONG} 1",
        f"{{? {LONG}: 1, ? {LONG}: 2}}",
    ],
    ids=lambda content: content[:24],
)
def test_what_is_refused_is_not_told_at_its_whole_length(content: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(content)
    assert 10 < len(str(refused.value)) < 1_500


def test_what_is_written_twice_is_written_out() -> None:
    shared = [{"trigger": "pixel", "parameters": {"row": -2}}] * 2
    written = text(made(base={"dataset": "digits", "target": 3}, axes={"what": {"a": {"also": shared}}}))
    assert "*" not in written
    assert parse(written).axes["what"] == {"a": {"also": shared}}


def test_nothing_where_a_group_of_settings_belongs_is_none_of_them() -> None:
    (cell,) = cells(parse("base: {dataset: digits, target: 3, training: null, training.epochs: 1}"))
    assert cell.config == configure(dataset="digits", target=3, training={"epochs": 1})


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "another name"}, True),
        ({"cluster": "auto"}, True),
        ({"retrain": False}, False),
        ({"references": True}, False),
        ({"benign": True}, False),
        ({"seeds": (0,)}, False),
        ({"base": {"dataset": "digits", "trigger": "pattern", "target": "six"}}, False),
    ],
)
def test_the_key_hangs_on_what_is_computed(change: dict[str, Any], same: bool) -> None:
    asked = parse(FILE)
    assert (grid.key(asked) == grid.key(asked.model_copy(update=change))) is same
