"""A stage's key changes with all that its result depends on, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import configure
from core.configuration import stages
from core.configuration.config import REPRESENTATIONS, RunConfig
from core.configuration.registry import DATASETS, DETECTORS, MODELS, TRIGGERS

ROOT = Path(__file__).resolve().parents[1]
BASE: dict[str, Any] = dict(dataset="digits", target="two", detector="whitened-spectral", ratio=0.1)
TRAINED = configure(**BASE).training


def config(**changes: Any) -> RunConfig:
    return configure(**{**BASE, **changes})


def features(run: RunConfig) -> str:
    return stages.features_key(stages.model_key(run), run.defence.representation)


def scores(run: RunConfig) -> str:
    return stages.scores_key(features(run), run.defence)


def predictions(run: RunConfig) -> str:
    return stages.predictions_key(stages.model_key(run), run.attack)


KEYS = {
    "model": stages.model_key,
    "features": features,
    "scores": scores,
    "predictions": predictions,
    "benign": stages.benign_key,
    "run": stages.run_key,
}


def changed(*configurations: RunConfig) -> set[str]:
    """The stages whose keys are not the same for all of the configurations."""
    return {stage for stage, key in KEYS.items() if len({key(run) for run in configurations}) > 1}


EVERYTHING = {"model", "features", "scores", "predictions", "run"}  # that depends on the poisoned training set

# ---------------------------------------------------------------- what matters

ATTACKS = [
    dict(dataset="cifar10", target="bird"),
    dict(target="three"),
    dict(source="five"),
    dict(ratio=0.1 + 1 / 148),  # one poisoned image more
    dict(ratio_of="training_set"),
    dict(placement="replace"),
    dict(labels="clean_label"),
    dict(labels="all_to_all"),
    dict(cover_ratio=1.0),
    dict(seed=1),
]
TRIGGERINGS = [
    dict(also=[{"trigger": "pixel", "parameters": {"row": 1}}]),
    dict(also=[{"trigger": "pixel", "parameters": {"row": 2}}]),
    dict(trigger="pattern"),
    dict(trigger_parameters={"row": -3}),
    dict(trigger_parameters={"column": -3}),
    dict(trigger_parameters={"colour": "#ffff01"}),
    dict(trigger_parameters={"opacity": 0.999}),
]
OVERRIDES = dict(
    model="resnet_small", epochs=7, batch_size=51, optimizer="sgd", lr=0.38, momentum=0.86, nesterov=False,
    weight_decay=4e-3, muon_lr=0.25, muon_momentum=0.61, norm_bias_lr_factor=63.0, head_lr_factor=9.0,
    schedule="step", peak=0.21, milestones=(0.5,), label_smoothing=0.1, flip=False, crop=2, precision="bf16",
    per_class=100,
)  # fmt: skip


def words(change: dict[str, Any]) -> str:
    return ",".join(str(part) for pair in change.items() for part in pair)


@pytest.mark.parametrize("change", ATTACKS, ids=words)
def test_whatever_changes_the_training_set_changes_every_stage(change):
    assert changed(config(), config(**change)) >= EVERYTHING


@pytest.mark.parametrize("change", TRIGGERINGS, ids=words)
def test_whatever_changes_the_trigger_changes_every_stage_and_the_benign_answers_to_it(change):
    assert changed(config(), config(**change)) == {*EVERYTHING, "benign"}


def test_two_sets_that_differ_in_one_poisoned_image_never_share_a_result():
    ratios = [count / 148 for count in range(1, 149)]
    runs = [config(ratio=ratio) for ratio in ratios]
    for key in (stages.model_key, stages.run_key):
        assert len({key(run) for run in runs}) == len(runs)


@pytest.mark.parametrize("field", OVERRIDES)
def test_every_number_of_the_training_changes_every_stage(field):
    assert changed(config(), config(training={field: OVERRIDES[field]})) == {*EVERYTHING, "benign"}


def test_no_number_of_the_training_was_forgotten_above():
    assert set(OVERRIDES) - {"per_class"} == set(type(TRAINED).model_fields) - {"recipe"}
    assert all(getattr(TRAINED, field) != value for field, value in OVERRIDES.items() if field != "per_class")


@pytest.mark.parametrize("representation", sorted(set(REPRESENTATIONS) - {"penultimate"}))
def test_another_representation_changes_features_and_scores_but_trains_nothing(representation):
    assert changed(config(), config(representation=representation)) == {"features", "scores", "run"}


@pytest.mark.parametrize("change", [dict(detector_parameters={"threshold": 2.6}), dict(detector="spectral")], ids=words)
def test_another_detector_or_threshold_changes_the_scores_but_trains_nothing(change):
    same_scope = dict(scope="every_class")
    assert changed(config(**same_scope), config(**same_scope, **change)) == {"scores", "run"}


@pytest.mark.parametrize(
    "change", [dict(assumed_ratio=0.2), dict(multiplier=1.6), dict(scope="every_class")], ids=words
)
def test_budget_and_scope_change_the_run_but_not_the_scores(change):
    assert changed(config(), config(**change)) == {"run"}


def test_a_keep_list_changes_the_run_alone():
    reviewed = config().model_copy(update={"keep": "a" * 64})
    assert changed(config(), reviewed) == {"run"}
    assert changed(reviewed, reviewed.model_copy(update={"keep": "b" * 64})) == {"run"}


@pytest.mark.parametrize(
    ("registry", "name", "stages_changed"),
    [
        (DATASETS, "digits", {*EVERYTHING, "benign"}),
        (MODELS, "whitened_cnn", {*EVERYTHING, "benign"}),
        (TRIGGERS, "pixel", {*EVERYTHING, "benign"}),
        (DETECTORS, "whitened-spectral", {"scores", "run"}),
    ],
)
def test_a_new_version_of_an_entry_shares_no_result_with_the_old(monkeypatch, registry, name, stages_changed):
    before = {stage: key(config()) for stage, key in KEYS.items()}
    monkeypatch.setitem(registry._entries, name, replace(registry[name], version=registry[name].version + 1))
    assert {stage for stage, key in KEYS.items() if key(config()) != before[stage]} == stages_changed


@pytest.mark.parametrize(
    ("constant", "stages_changed"),
    [
        ("POISON_VERSION", EVERYTHING),
        ("TRAINING_VERSION", {*EVERYTHING, "benign"}),
        ("PREDICTIONS_VERSION", {"predictions", "benign", "run"}),
        ("SUMMARY_VERSION", {"run"}),
    ],
)
def test_a_new_version_of_a_stage_shares_no_result_with_the_old(monkeypatch, constant, stages_changed):
    before = {stage: key(config()) for stage, key in KEYS.items()}
    monkeypatch.setattr(stages, constant, getattr(stages, constant) + 1)
    assert {stage for stage, key in KEYS.items() if key(config()) != before[stage]} == stages_changed


def test_scores_from_superimposed_images_are_new_where_that_is_done_anew(monkeypatch):
    strip, others = config(detector="strip"), config(detector="loss-isolation")
    before = scores(strip), stages.run_key(strip), scores(others)
    monkeypatch.setattr(stages, "SUPERIMPOSE_VERSION", stages.SUPERIMPOSE_VERSION + 1)
    assert scores(strip) != before[0]
    assert stages.run_key(strip) != before[1]
    assert scores(others) == before[2]


def test_another_checksum_of_the_data_shares_no_result(monkeypatch):
    before = {stage: key(config()) for stage, key in KEYS.items()}
    monkeypatch.setattr(stages, "CHECKSUMS", {"digits": {"train_images": "00"}})
    assert all(key(config()) != before[stage] for stage, key in KEYS.items())


# ---------------------------------------------------------------- what does not matter


def test_a_recipes_name_does_not_matter_only_its_numbers_do():
    numbers = TRAINED.model_dump(exclude={"recipe"})
    custom = config(recipe="fast", training={**numbers, "per_class": None})
    assert custom.training.recipe != TRAINED.recipe
    assert changed(config(), custom) == set()


def test_spelling_does_not_matter():
    same = config(
        target=2,
        trigger_parameters={"opacity": 1, "colour": "#FFFF00", "column": -2.0},
        detector_parameters={"threshold": 2.5},
        scope="suspicious_class",
    )
    assert changed(config(), same) == set()


def test_all_to_all_knows_no_target_and_from_one_class_it_is_all_to_one():
    assert changed(config(labels="all_to_all"), config(labels="all_to_all", target="nine")) == set()
    one = config(labels="all_to_all", source="nine")
    assert one == config(target="zero", source="nine")
    assert changed(config(labels="clean_label"), config(labels="clean_label", source="two")) == set()


@pytest.mark.parametrize(
    "change",
    [*TRIGGERINGS, *[change for change in ATTACKS if not {"dataset", "seed", "ratio"} & set(change)]],
    ids=words,
)
def test_at_ratio_0_no_attack_changes_the_network(change):
    idle = config(ratio=0.0)
    assert not changed(idle, config(**change, ratio=0.0)) & {"model", "features", "scores"}


def test_at_ratio_0_the_trigger_still_changes_what_the_network_is_asked():
    assert "predictions" in changed(config(ratio=0.0), config(ratio=0.0, trigger="pattern"))


def test_the_benign_reference_is_one_network_for_every_attack_of_a_seed():
    reference = stages.model_key(stages.benign(config()))
    assert stages.model_key(stages.benign(config(seed=7))) != reference
    for change in (*ATTACKS[1:-1], *TRIGGERINGS):
        assert stages.model_key(stages.benign(config(**change))) == reference
    assert stages.model_key(config(ratio=0.0)) == reference


def test_asking_for_the_benign_reference_leaves_the_run_as_it_was():
    run = config(seed=5)
    before = run.model_dump_json()
    assert stages.benign(run).attack.ratio == 0
    assert run.model_dump_json() == before


# ---------------------------------------------------------------- keep-masks


def test_keeping_everything_is_the_same_as_having_no_mask():
    assert (
        stages.model_key(config(), np.ones(50, bool)) == stages.model_key(config(), None) == stages.model_key(config())
    )


def test_every_image_that_is_left_out_changes_the_network():
    masks = [np.arange(50) != row for row in range(50)]
    keys = {stages.model_key(config(), mask) for mask in masks} | {stages.model_key(config())}
    assert len(keys) == 51


def test_a_masks_place_in_memory_does_not_matter():
    mask = np.arange(50) % 3 > 0
    strided = np.repeat(mask, 2)[::2]
    assert stages.model_key(config(), mask) == stages.model_key(config(), strided)


# ---------------------------------------------------------------- keys as such


def test_keys_are_different_for_every_stage_and_are_sha256_in_hex():
    keys = [key(config()) for key in KEYS.values()]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)


# The key of one stage in the canonical spelling as it was first released. It depends on nothing that may
# change with the project (no version, default or checksum), so if it differs, every stored result is lost.
GOLDEN = "5ada7101b53eabf5df8b892f1653fb543071539de13bb15e4c1d2723a3330283"


def test_the_canonical_spelling_is_the_one_that_stored_results_were_keyed_by():
    assert stages.canonical({"b": [1, 2.5, None], "a": {"é": True}}) == '{"a":{"\\u00e9":true},"b":[1,2.5,null]}'
    assert stages.stage_key("example", b=[1, 2.5, None], a={"é": True}) == GOLDEN


# The keys of a run's stages before an attack had labels, covers and further triggers, which go unsaid at their
# defaults: the same runs keep their results. They depend on the versions of this project, too: where one is raised
# for a reason, they are written anew.
BEFORE = {
    "model": "ae63275f92b529ee25ddb56aa1418b9065ff466f408b6f72bafb8403d71c87ea",
    "predictions": "7f4d78e5c3d1d5c0f11f55f294a4ef032481d25e087d0ac12b15c9c3043b5d44",
    "benign": "4cfe0c7e6de29575456a58797217682abe733336bb1affa44fdd974b1a9907cd",
    "run": "a2745e6e937e084bb87425deaac077840b800c78fd82fb6572aa223be23abf6e",
}


def test_an_attack_as_it_always_was_has_the_keys_that_it_always_had():
    run = configure(dataset="digits", trigger="pattern", target="two", ratio=0.1)
    assert {stage: KEYS[stage](run) for stage in BEFORE} == BEFORE


def test_a_new_version_of_a_further_trigger_shares_no_result_with_the_old(monkeypatch):
    run = config(also=[{"trigger": "patch"}])
    before = {stage: key(run) for stage, key in KEYS.items()}
    monkeypatch.setitem(TRIGGERS._entries, "patch", replace(TRIGGERS["patch"], version=99))
    assert {stage for stage, key in KEYS.items() if key(run) != before[stage]} == {*EVERYTHING, "benign"}


def test_numbers_that_json_does_not_know_have_no_key():
    with pytest.raises(ValueError, match="not JSON compliant"):
        stages.stage_key("example", ratio=float("nan"))


def test_keys_are_the_same_in_another_process_whatever_its_hash_seed():
    code = f"""
import numpy as np
from core import configure
from core.configuration import stages
run = configure(**{BASE!r})
print(stages.run_key(run), stages.model_key(run, np.arange(50) != 7))
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = f"{stages.run_key(config())} {stages.model_key(config(), np.arange(50) != 7)}\n"
    assert printed == {here}
