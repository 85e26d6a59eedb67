"""A network trained on an audited set: what it proves, when it is not believed, and what it is without the poison."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import core
from core import audits, datasets
from core.audits import networks, proving
from core.audits.given import given
from core.configuration import DatasetConfig
from core.evaluation import transplant
from core.store import Store
from core.types import BadRequest, Images
from tests.trainings import HALF, trainings_made_lean

TARGET, PLANTED = "three", 24


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def half_as_wide() -> Iterator[None]:
    """It learns this set as well, in half the time, and is asked about fewer images."""
    with trainings_made_lean(HALF), pytest.MonkeyPatch.context() as patch:
        patch.setattr(transplant, "IMAGES", 150)
        yield


@pytest.fixture(autouse=True)
def same_home(one_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One home for the module, so that each network is trained once."""
    monkeypatch.setenv("POISONSCOPE_HOME", str(one_home))


@pytest.fixture(scope="module")
def digits() -> tuple[Images, list[str]]:
    """60 images of each of the ten digits."""
    data = datasets.load(DatasetConfig(name="digits", per_class=60))
    return np.array(data.train_images), [data.class_names[label] for label in data.train_labels]


def stamped(images: Images, names: list[str], rows: np.ndarray) -> tuple[Images, list[str]]:
    """A yellow square on some images, which all get the target's label."""
    marked, labels = images.copy(), list(names)
    marked[rows, 27:30, 27:30] = (255, 255, 0)
    for row in rows:
        labels[row] = TARGET
    return marked, labels


@pytest.fixture(scope="module")
def planted(digits: tuple[Images, list[str]]) -> tuple[Images, list[str]]:
    images, names = digits
    others = np.flatnonzero(np.array(names) != TARGET)
    return stamped(images, names, np.random.default_rng(0).choice(others, PLANTED, replace=False))


@pytest.fixture(scope="module")
def heard() -> list[tuple[float, str]]:
    """What the audit below told while it ran."""
    return []


@pytest.fixture(scope="module")
def poisoned(
    planted: tuple[Images, list[str]], one_home: Path, half_as_wide: None, heard: list[tuple[float, str]]
) -> audits.Audit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POISONSCOPE_HOME", str(one_home))
        return core.audit(*planted, network="train", tell=lambda done, of: heard.append((done, of)))


def test_what_is_told_on_the_way_is_what_the_outlook_knows(
    poisoned: audits.Audit, heard: list[tuple[float, str]]
) -> None:
    known = {one.of: one for one in audits.stages(len(poisoned.brought), network="train")}
    assert list(dict.fromkeys(of for _, of in heard)) == [of for of in known if of != "reading"] + ["done"]
    assert all(known[of].begins <= done <= known[of].ends for done, of in heard if of != "done")
    assert heard == sorted(heard, key=lambda word: word[0])


def test_a_mark_that_is_answered_with_its_class_is_proved(poisoned: audits.Audit) -> None:
    assert poisoned.network is not None
    assert poisoned.network.believed
    assert poisoned.network.accuracy > 0.9
    (found,) = [one for one in poisoned.findings if one.cause == "backdoor"]
    assert found.classes == (TARGET,)
    assert found.proof is not None
    assert found.proof.backdoor
    assert found.proof.found.share > 0.9 > 0.1 > found.proof.without.share
    assert "images of other classes" in found.sentence
    assert "It is a backdoor (p = 0.05)" in found.sentence
    assert int(poisoned.flagged.sum()) == PLANTED


def test_what_it_says_is_in_the_object_and_in_words(poisoned: audits.Audit) -> None:
    document = json.loads(json.dumps(audits.document(poisoned), allow_nan=False))
    assert document["network"]["believed"] is True
    assert document["network"]["side"] == [32, 32]
    proof = next(one["proof"] for one in document["findings"] if one["cause"] == "backdoor")
    assert proof["backdoor"] is True
    assert proof["p"] == pytest.approx(0.05)
    assert any("a network was trained on the set" in said for said in audits.sentences(poisoned))
    assert any("split-spectral of the attribution" in note for note in poisoned.notes)


def test_without_the_flagged_images_the_mark_does_nothing(poisoned: audits.Audit) -> None:
    heard: list[str] = []
    anew = audits.retrained(poisoned, lambda done, of: heard.append(of))
    assert anew.kept == len(poisoned.brought) - PLANTED
    assert not anew.held_out
    (tried,) = anew.tried
    assert tried.classes == (TARGET,)
    assert tried.before > 0.9
    assert tried.after < 0.2
    assert anew.after > 0.9
    assert "training a network on the set" in heard
    assert any(f"the mark of class {TARGET}" in said for said in audits.compared(anew))


def test_a_network_is_trained_once_for_a_set(poisoned: audits.Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import training

    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("trained again"))
    again = networks.trained(poisoned.brought, lambda done, of: None)
    np.testing.assert_array_equal(again.answers, poisoned.network.answers)


def test_a_mark_that_the_network_does_not_answer_is_a_mark(poisoned: audits.Audit) -> None:
    label = poisoned.brought.classes.index(TARGET)
    always_zero = np.eye(10, dtype=np.float32)[0]
    deaf = replace(poisoned.network, ask=lambda images: np.tile(always_zero, (len(images), 1)))
    told = proving.Suspects(poisoned.brought, poisoned.flagged, poisoned.trigger, lambda: None)
    findings = [one for one in poisoned.findings if one.cause == "backdoor"]
    assert (deaf.answers[np.isin(deaf.ids, findings[0].ids)] == label).mean() > 0.9, "it knows the marked images"
    (found,) = proving.proved(findings, told, deaf)
    assert found.cause == "mark"
    assert "A mark, and no backdoor as far as this network shows" in found.sentence
    without = replace(poisoned, findings=(found,))
    assert without.named == ()
    assert "does not answer to it" in without.verdict
    unlearned = replace(deaf, answers=np.zeros_like(deaf.answers))
    (found,) = proving.proved(findings, told, unlearned)
    assert found.cause == "backdoor", "a network that has not learned the images clears nobody"
    assert "It has not learned these images" in found.sentence


def test_a_mark_in_every_class_is_an_accusation_once_it_is_answered(poisoned: audits.Audit) -> None:
    told = proving.Suspects(poisoned.brought, poisoned.flagged, poisoned.trigger, lambda: None)
    findings = [replace(one, cause="mark", proof=None) for one in poisoned.findings if one.cause == "backdoor"]
    (found,) = proving.proved(findings, told, poisoned.network)
    assert found.cause == "backdoor"


def test_a_network_that_is_not_believed_is_not_asked(
    planted: tuple[Images, list[str]], poisoned: audits.Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "CLEARLY", 2.0)
    told = core.audit(*planted, network="train")
    assert not told.network.believed
    assert "it knows too little of them to be asked" in told.network.sentence
    assert not any("attribution" in note for note in told.notes)
    (found,) = [one for one in told.findings if one.cause == "backdoor"]
    assert found.proof is None
    assert found.classes == (TARGET,), "the images say so all the same"


def test_who_waits_for_another_training_of_the_set_can_be_cancelled(
    planted: tuple[Images, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(networks, "_key", lambda *_: "a" * 64)

    def tell(done: float, of: str) -> None:
        raise core.Cancelled(f"enough of {of}")

    with store.lock("model", "a" * 64), pytest.raises(core.Cancelled, match="enough of training a network on the set"):
        networks.trained(given(*planted), tell, store=store)


def test_it_is_believed_only_clearly_above_the_commonest_label() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [60, 10, 10, 10, 10])

    def witness(right: int) -> networks.Witness:
        answers = np.where(np.arange(100) < right, labels, (labels + 1) % 5)
        nothing = np.zeros((100, 1), np.float32)
        return networks.Witness(
            "one", np.arange(100), nothing, nothing, labels, answers, (8, 8), 1.0, lambda _: nothing
        )

    assert (witness(70).accuracy, witness(70).chance) == (0.7, 0.6)
    assert witness(70).believed
    assert not witness(65).believed, "0.68 is a fifth of the way from 0.6 to 1"
    assert "the commonest label is that of 60%" in witness(65).sentence


def test_small_sets_are_trained_on_in_smaller_batches_and_more_epochs() -> None:
    small, usual, large = (networks.settings(count, grey=False) for count in (600, 20_000, 1_000_000))
    assert (usual.batch_size, usual.epochs) == (250, 2)
    assert (large.batch_size, large.epochs) == (250, 2)
    assert small.batch_size == 32
    assert 150 <= small.epochs * 600 / small.batch_size <= 200
    assert networks.settings(600, grey=True).precision == "fp32"
    assert networks.settings(1, grey=False).batch_size == 32, "training takes what there is"


def test_one_class_and_nothing_flagged_are_refused_in_words(digits: tuple[Images, list[str]]) -> None:
    images, _ = digits
    with pytest.raises(BadRequest, match="fewer than two of them have images with a label"):
        core.audit(images[:50], ["one"] * 50, network="train")
    told = core.audit(images[:100], ["one"] * 50 + ["two"] * 50)
    with pytest.raises(BadRequest, match="audit it so first"):
        audits.retrained(told, lambda done, of: None)


def test_the_command_line_trains_copies_and_compares(
    planted: tuple[Images, list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from core.cli import audit

    np.savez(tmp_path / "set.npz", images=planted[0], labels=np.array(planted[1]))
    audit.audit(
        str(tmp_path / "set.npz"), features=None, side=None, to=None, network="train", retrain=True, control=False,
        clean=tmp_path / "copy", as_json=True,
    )  # fmt: skip
    told = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
    assert told["named"] == [TARGET]
    assert told["retrained"]["tried"][0]["after"] < 0.2
    assert len(list((tmp_path / "copy" / "quarantine" / TARGET).iterdir())) == PLANTED


def test_what_cannot_be_copied_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import audit

    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8, 3), np.uint8), labels=np.array(["a", "a", "b", "b"]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    monkeypatch.setattr(audits, "audit", lambda *_, **__: pytest.fail("it was audited first"))
    usual = dict(features=None, side=None, to=None, network="none", control=False, retrain=False, as_json=False)
    for folder, links, words in (("full", False, "holds something"), ("copy", True, "links lead to files")):
        with pytest.raises(BadRequest, match=words):
            audit.audit(str(tmp_path / "set.npz"), clean=tmp_path / folder, links=links, **usual)
    with pytest.raises(BadRequest, match="--network train, too"):
        audit.audit(str(tmp_path / "set.npz"), clean=None, links=False, **{**usual, "retrain": True})


def test_where_nothing_can_be_trained_anew_the_findings_are_said_all_the_same(
    planted: tuple[Images, list[str]], poisoned: audits.Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import audit

    said: list[str] = []
    monkeypatch.setattr(audit, "_say", lambda sentences: said.extend(sentences))
    monkeypatch.setattr(networks, "CLEARLY", 2.0)
    np.savez(tmp_path / "set.npz", images=planted[0], labels=np.array(planted[1]))
    audit.audit(
        str(tmp_path / "set.npz"), features=None, side=None, to=None, network="train", retrain=True, control=False,
        clean=None, as_json=False,
    )  # fmt: skip
    assert any(f"planted in class {TARGET}" in one for one in said)
    assert any("not trained anew" in one for one in said)
