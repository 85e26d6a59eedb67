"""The doors: plain settings in, results out, and no torch where none is needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import core
from core import pipeline
from core.configuration import stages
from core.configuration.config import RunConfig
from core.store.stores import Store
from core.types import BadRequest, DataUnavailable

ROOT = Path(__file__).resolve().parent.parent
TRAINING = {"per_class": 10, "epochs": 1, "batch_size": 20}


def config(**settings: Any) -> RunConfig:
    usual = dict(dataset="digits", trigger="pattern", target=3, ratio=0.3, training=TRAINING)
    return core.configure(**(usual | settings))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one finished run."""
    found = Store(tmp_path_factory.mktemp("doors"))
    core.run(config(), store=found)
    return found


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(pipeline, "train", refuse)


# --- settings ---------------------------------------------------------------------------------------------


def test_settings_of_an_unusual_attack_become_a_configuration() -> None:
    further = {"trigger": "pattern", "parameters": {"row": 5}}
    attack = core.configure(labels="clean_label", cover_ratio=2, also=[further, {"trigger": "pixel"}]).attack
    assert (attack.labels, attack.cover_ratio, attack.source) == ("clean_label", 2.0, None)
    assert [one.trigger for one in attack.triggers] == ["pixel", "pattern", "pixel"]
    assert attack.also[0].parameters == {**core.TRIGGERS["pattern"].settle({}), "row": 5}
    assert attack.title == "clean-label pixel and 2 more with covers"
    assert not attack.plain
    usual = core.configure().attack
    assert usual.plain
    assert usual.title == "pixel"


def test_settings_become_a_configuration() -> None:
    asked = core.configure(
        dataset="digits",
        trigger="pattern",
        trigger_parameters={"size": 4},
        target="seven",
        source="1",
        ratio=0.2,
        ratio_of="training_set",
        placement="replace",
        training={"per_class": 12, "epochs": 2},
        detector="whitened-spectral",
        detector_parameters={"threshold": 3},
        representation="block2",
        assumed_ratio=0.25,
        multiplier=2,
        seed=5,
    )
    assert (asked.dataset.name, asked.dataset.per_class, asked.seed) == ("digits", 12, 5)
    attack = asked.attack
    assert (attack.trigger, attack.target, attack.source, attack.parameters["size"]) == ("pattern", 7, 1, 4)
    assert (attack.ratio, attack.ratio_of, attack.placement) == (0.2, "training_set", "replace")
    assert (asked.training.recipe, asked.training.epochs, asked.training.model) == ("quick", 2, "whitened_cnn")
    defence = asked.defence
    assert (defence.detector, defence.parameters, defence.scope) == (
        *("whitened-spectral", {"threshold": 3.0}, "suspicious_class"),
    )
    assert (defence.representation, defence.assumed_ratio, defence.multiplier) == ("block2", 0.25, 2.0)


def test_the_defaults_are_the_report_s() -> None:
    asked = core.configure()
    assert (asked.dataset.name, asked.attack.trigger, asked.attack.target) == ("cifar10", "pixel", 2)
    assert (asked.attack.ratio, asked.attack.ratio_of) == (0.1, "target_class")
    assert (asked.defence.detector, asked.defence.multiplier, asked.defence.scope) == ("spectral", 1.5, "every_class")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "mnist"}, r"unknown dataset 'mnist'; allowed are \['cifar10', 'digits'\]"),
        ({"trigger": "sticker"}, "unknown trigger 'sticker'"),
        ({"trigger_parameters": {"size": 1}}, r"size must lie in \[2, 64\], got 1"),
        ({"trigger_parameters": {"shape": 1}}, r"unknown settings \['shape'\]"),
        ({"target": "bird"}, "unknown class 'bird' of digits; allowed are zero, one"),
        ({"target": 10}, "unknown class 10 of digits"),
        ({"source": 3}, "target and source must be different classes, got 3 for both"),
        ({"ratio": 1.5}, r"ratio: must be a share from 0 to 1 \(5% is 0.05\), got 1.5"),
        ({"ratio": float("nan")}, "ratio: .* finite"),
        ({"recipe": "slow"}, r"unknown recipe 'slow'; allowed are \['fast', 'instant', 'paper', 'quick'\]"),
        ({"training": {"epochs": 0}}, "epochs: must be at least 1, got 0"),
        ({"training": {"optimiser": "adam"}}, "optimiser: there is no such setting here, got 'adam'"),
        ({"training": {"model": "vgg"}}, "unknown model 'vgg'"),
        ({"detector": "psychic"}, "unknown detector 'psychic'"),
        ({"scope": "suspicious_class"}, "does not name a suspicious class"),
        ({"representation": "block9"}, "representation"),
        ({"multiplier": 0}, "multiplier: must be more than 0, got 0"),
        ({"seed": -1}, "seed: must be at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        config(**settings)
    assert "\n" not in str(caught.value)


# --- running ----------------------------------------------------------------------------------------------


def test_a_run_is_found_stored(store: Store, no_training: None) -> None:
    result = core.run(config(), store=store)
    assert result.summary is not None
    assert result.summary["run"] == core.run_key(config())


def test_a_damaged_run_is_put_together_again_without_training(store: Store, no_training: None) -> None:
    before = core.run(config(), store=store).summary
    path = store.folder / "run" / core.run_key(config()) / "document.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert store.has("run", core.run_key(config()))  # sizes agree, contents do not
    after = core.run(config(), store=store).summary
    assert before is not None
    assert after is not None
    assert {**after, "seconds": 0} == {**before, "seconds": 0}


def test_the_usual_store_is_the_home_s(own_home: Path) -> None:
    result = core.run(config(training={**TRAINING, "per_class": 4}, ratio=0.5))
    assert result.summary is not None
    assert (own_home / "store" / "run" / core.run_key(result.config)).is_dir()


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="device must be one of auto, cuda, mps, cpu, got 'tpu'"):
        core.run(config(), device="tpu", store=Store(tmp_path))


def test_the_benign_reference_is_trained_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []
    train = pipeline.train
    monkeypatch.setattr(pipeline, "train", lambda *a, **o: (trained.append(o["stage"]), train(*a, **o))[1])
    core.run_benign(config(), store=store)
    core.run_benign(config(), store=store)
    core.run_benign(config(ratio=0.3), store=store)
    assert trained == ["train"]
    core.run_benign(config(seed=4), store=store)
    assert trained == ["train"] * 2
    assert store.has("predictions", core.benign_key(config()))


def test_another_layer_is_read_off_a_stored_network(store: Store, no_training: None) -> None:
    seen = core.represent_run(config(), "block1", store=store)
    own = core.run(config(), store=store)
    assert seen.features is not None
    assert own.features is not None
    assert len(seen.features) == len(own.features)
    assert seen.features.shape[1] != own.features.shape[1]
    assert seen.features_key != own.features_key
    assert core.represent_run(config(), "penultimate", store=store).features_key == own.features_key


def test_a_layer_of_a_network_that_is_not_there_is_refused(tmp_path: Path, no_training: None) -> None:
    with pytest.raises(DataUnavailable, match="network is not stored here"):
        core.represent_run(config(), "block1", store=Store(tmp_path))
    with pytest.raises(BadRequest, match="representation"):
        core.represent_run(config(), "block9", store=Store(tmp_path))


# --- estimates --------------------------------------------------------------------------------------------


def test_a_recording_s_pace_is_not_this_machine_s(own_home: Path) -> None:
    core.install_recorded()
    (_, recorded), *_ = core.recorded.runs()
    assert core.estimate(recorded).cached
    assert not core.estimate(recorded.model_copy(update={"seed": 99})).measured


def test_a_reference_filter_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="random or perfect, got 'radnom'"):
        core.run_reference(config(), "radnom", store=Store(tmp_path))
    assert Store(tmp_path).listing() == []


def test_an_estimate_counts_what_is_not_stored(store: Store, tmp_path: Path) -> None:
    stored = core.estimate(config(), store=store)
    assert (stored.cached, stored.seconds) == (True, 0.0)
    fresh = core.estimate(config(), store=Store(tmp_path))
    assert (fresh.cached, fresh.measured) == (False, False)
    assert fresh.seconds > 0
    again = core.estimate(config(seed=9), store=store)
    assert (again.cached, again.measured) == (False, True)
    cheaper = core.estimate(config(multiplier=0.7), store=store)
    assert (cheaper.cached, cheaper.measured) == (False, True)
    assert cheaper.seconds < again.seconds  # the poisoned network is there
    unmarked = core.estimate(config(recipe="quick", seed=9, dataset="cifar10", target="bird"), store=store)
    assert not unmarked.measured, "another data set's pace is no measure"
    longer = core.estimate(config(training={**TRAINING, "epochs": 100}), store=Store(tmp_path))
    assert longer.seconds > 2 * fresh.seconds


# --- the doors themselves ---------------------------------------------------------------------------------


def test_every_door_opens() -> None:
    for name in core.__all__:
        assert getattr(core, name) is not None
    assert set(core.__all__) <= set(dir(core))
    with pytest.raises(AttributeError, match="attribute backdoor"):
        _ = core.backdoor


def test_menus_keys_and_stored_runs_need_no_torch(store: Store) -> None:
    code = """
        import sys
        from pathlib import Path
        import core
        asked = core.RunConfig.model_validate_json(sys.argv[1])
        store = core.Store(Path(sys.argv[2]))
        assert core.estimate(asked, store=store).cached
        result = core.run(asked, store=store)
        assert result.summary["run"] == core.run_key(asked)
        assert result.flagged.any()
        core.jobs.listing()
        loaded = {"torch", "torchvision", "streamlit", "sklearn"} & set(sys.modules)
        assert not loaded, loaded
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), config().model_dump_json(), str(store.folder)],
        cwd=ROOT,
        check=True,
        timeout=120,
    )


def test_a_key_is_the_configuration_s_alone() -> None:
    assert core.run_key(config()) == stages.run_key(RunConfig.model_validate_json(config().model_dump_json()))
    assert core.run_key(config()) != core.run_key(config(seed=1))
