"""Proofs of stored runs: what is kept, what they are known by, who may see what, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import core
from core import BadRequest, DataUnavailable, Result, Store
from core.cli.commands import app
from core.configuration import stages
from core.results import insight, proofs, recorded, report
from tests.pages import stored

OTHERS = 3


@pytest.fixture
def result(own_home: Path) -> Result:
    """The recorded run, with the few pictures that ship: a pattern, towards horse."""
    core.install_recorded()
    return Result(recorded.runs()[0][1])


def flagged(result: Result) -> np.ndarray:
    found = result.flagged
    assert found is not None
    return found


def test_the_recorded_run_is_proved(result: Result) -> None:
    proof = core.prove(result.config, others=OTHERS)
    assert proof.label == result.config.attack.target
    assert proof.rebuilt is not None
    assert (proof.rebuilt.kind, proof.rebuilt.place) == ("opaque", (28, 28, 3, 3))
    assert proof.transplant is not None
    assert proof.transplant.found.share > 0.95
    assert proof.transplant.true is not None
    assert proof.transplant.p == 1 / (OTHERS + 1)
    told = proofs.agreement(result, proof.rebuilt)
    assert told is not None
    assert told.correlation > 0.99


def test_it_is_asked_once(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    first = core.prove(result.config, others=OTHERS)

    def again(*_: Any) -> Any:
        raise AssertionError("it was asked before")

    monkeypatch.setattr(insight, "classify", again)
    monkeypatch.setattr(proofs.rebuilt, "rebuild", again)
    second = core.prove(result.config, others=OTHERS)
    assert second.transplant == first.transplant
    assert first.rebuilt is not None
    assert second.rebuilt is not None
    np.testing.assert_array_equal(second.rebuilt.picture, first.rebuilt.picture)


def test_its_key_is_what_it_depends_on(result: Result) -> None:
    own, everything = flagged(result), np.ones(len(result.poisoned), bool)
    keys = {
        stages.rebuilt_key(config, label, some, pictured)
        for config in (result.config, result.config.model_copy(update={"seed": 1}))
        for label in (7, 8)
        for some in (own, ~own)
        for pictured in (everything, own)
    }
    assert len(keys) == 16
    assert stages.rebuilt_key(result.at("block1").config, 7, own, everything) in keys  # another layer, the same images
    assert len({stages.transplant_key(model, "rebuilt", others) for model in "ab" for others in (19, 99)}) == 4


def test_without_the_network_it_is_rebuilt_and_not_proved(result: Result, tmp_path: Path) -> None:
    store = Store(tmp_path / "other")
    recorded.unpack(store)
    store.delete("model", stages.model_key(result.config))
    with pytest.raises(DataUnavailable, match="start the run again"):
        core.prove(result.config, store=store)
    bare = Result(result.config, store)
    assert proofs.rebuilt_before(bare, 7, flagged(bare))


def test_bad_requests_are_refused(result: Result, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"one of \[7\], got 3"):
        core.prove(result.config, 3)
    with pytest.raises(BadRequest, match="not finished"):
        core.prove(result.config, store=Store(tmp_path / "empty"))
    with pytest.raises(BadRequest, match="flagged must be"):
        proofs.trigger(result, 7, flagged(result)[:10])


def test_the_most_suspicious_class_comes_first(own_home: Path) -> None:
    job = stored.finished(stored.config())
    result = Result(job.config)
    found = result.detection()
    assert found is not None
    every = np.ones(len(result.poisoned), bool)
    assert proofs.accused(result, found, every)[0] == job.config.attack.target
    assert sorted(proofs.accused(result, found, every)) == list(range(10))
    assert proofs.accused(result, found, ~every) == []


@pytest.mark.parametrize("truth", [True, False])
def test_the_report_tells_what_was_proved_and_hides_the_attacker_s(result: Result, truth: bool) -> None:
    assert "What the flagged images share" not in report.html(result, truth=truth)  # it computes nothing
    proof = core.prove(result.config)
    assert proof.transplant is not None
    page = report.html(result, truth=truth)
    assert "What the flagged images share" in page
    assert "Painted over, on 3 by 3 pixels at row 28, column 28" in page
    assert f"{proof.transplant.found.share:.1%} are answered horse" in page
    assert ("attacker" in page.split("What the flagged images share")[1].split("</section>")[0]) == truth


def test_the_command_line_tells_it(result: Result) -> None:
    asked = CliRunner().invoke(app, ["prove", "Recorded run", "--others", str(OTHERS), "--json"])
    told = json.loads(asked.stdout)
    assert told["class"] == "horse"
    assert told["place"] == [28, 28, 3, 3]
    assert told["p"] == 1 / (OTHERS + 1)
    assert len(told["answered_others"]) == OTHERS
    lines = CliRunner().invoke(app, ["prove", "Recorded run", "--label", "horse", "--others", "19"]).stdout
    assert "a backdoor (p = 0.05)" in " ".join(lines.split())


def test_a_class_that_lost_nothing_has_no_proof(result: Result) -> None:
    asked = CliRunner().invoke(app, ["prove", "Recorded run", "--label", "cat"])
    assert asked.exit_code
    assert isinstance(asked.exception, BadRequest)


def test_a_faint_trigger_is_magnified_on_grey_and_a_strong_one_is_not() -> None:
    strong = proofs.looks(lambda images: np.where(np.arange(4)[:, None] > 2, 255, images).astype(np.uint8), (4, 4))
    faint = proofs.looks(lambda images: images + np.uint8(5), (4, 4))
    assert set(np.unique(strong)) == {128, 255}
    assert (faint == 255).all()
