"""A person's own network as an ONNX file: asked as its weights would be, or refused before a set is read."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnxruntime.quantization import quantize_dynamic
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from typer.testing import CliRunner

import core
from core.audits import own, sessions
from core.audits.given import given
from core.cli import commands
from core.evaluation import transplant
from core.training import devices
from core.types import BadRequest
from tests.audits import conftest, graphs
from tests.audits.conftest import Set
from tests.audits.graphs import SIDE, kept_beside, saved
from tests.traced import memory

SOFTMAX = helper.make_node("Softmax", ["logits"], ["shares"], axis=1)


@pytest.fixture(scope="module")
def digits(digits: Set) -> Set:
    """The digits as small as `graphs.linear` takes them."""
    images, names = digits
    each = images.shape[1] // SIDE
    blocks = images.reshape(len(images), SIDE, each, SIDE, each, 3)
    return blocks.mean((2, 4)).round().astype(np.uint8), names


@pytest.fixture(scope="module")
def known(digits: Set) -> dict[str, np.ndarray]:
    """The last layer of `graphs.linear`, fitted to the digits: weights and biases, classes in the order of the set."""
    images, names = digits
    pixels = images.transpose(0, 3, 1, 2).reshape(len(images), -1) / 255
    weight, bias = conftest.linear(pixels @ graphs.turn(pixels.shape[1]), np.array(list(map(int, names))), 1e-2)
    return {"weight": weight, "bias": bias}


def exported(network: nn.Module, path: Path, side: int | None = None) -> Path:
    """As torch writes it, its weights in a file beside it; for any size, or one image of a fixed one."""
    free = {0: torch.export.Dim("n"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.onnx.export(
            network, (torch.zeros(2 if side is None else 1, 3, side or 32, side or 32),), path, dynamo=True,
            external_data=True, input_names=["images"], output_names=["logits"], verbose=False,
            dynamic_shapes={"x": free} if side is None else None,
        )  # fmt: skip
    assert path.with_name(f"{path.name}.data").is_file()
    return path


# --- the same as its weights -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_resnet_says_the_same_as_its_weights_do(
    photographs: Set, seer: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transplant, "IMAGES", 100)
    state = {name: weight.contiguous().clone() for name, weight in seer.state_dict().items()}
    save_file(state, tmp_path / "mine.safetensors")
    of_weights = core.audit(*photographs, network=tmp_path / "mine.safetensors")
    of_graph = core.audit(*photographs, network=exported(seer, tmp_path / "mine.onnx"))
    first, second = of_weights.network, of_graph.network
    assert np.array_equal(first.answers, second.answers)
    assert np.allclose(first.features, second.features, atol=1e-4)
    assert "(resnet18, pixels as ImageNet's" in first.sentence
    assert "(ONNX, its output logits, judged by its " in second.sentence
    assert second.sentence.endswith(first.sentence.partition("(resnet18, ")[2])
    assert len(of_weights.findings) == len(of_graph.findings) > 0
    for one, other in zip(of_weights.findings, of_graph.findings, strict=True):
        assert (one.cause, one.classes, one.ids.tolist()) == (other.cause, other.classes, other.ids.tolist())
        assert (one.sentence, one.place, one.p) == (other.sentence, other.place, pytest.approx(other.p, rel=1e-3))
    assert of_graph.findings[0].proof is not None, "the network was asked about the mark"
    assert np.array_equal(of_weights.flagged, of_graph.flagged)
    assert [note for note in of_weights.notes if "ran" in note] == [note for note in of_graph.notes if "ran" in note]


@pytest.mark.slow
def test_wrong_weights_are_told(photographs: Set, tmp_path: Path) -> None:
    told = core.audit(*photographs, network=exported(models.resnet18(num_classes=3).eval(), tmp_path / "mine.onnx"))
    assert not told.network.believed
    assert "it knows too little of them to be asked" in told.network.sentence
    assert all(one.proof is None for one in told.findings)
    with pytest.raises(BadRequest, match=r"mine.onnx answers 3 classes, and the set has 2"):
        core.audit(photographs[0][:260], photographs[1][:260], network=tmp_path / "mine.onnx")


# --- what a file leaves open, or fixes --------------------------------------------------------------------


def test_scaling_and_order_of_classes_are_found_by_the_labels(
    digits: Set, known: dict[str, np.ndarray], tmp_path: Path
) -> None:
    told = core.audit(*digits, network=saved(tmp_path / "mine.onnx", **known))
    assert told.network.believed
    assert told.network.accuracy > 0.9
    assert "judged by its hidden, pixels from 0 to 1, classes in the order of numbers within" in told.network.sentence
    assert told.network.features.shape == (len(digits[0]), graphs.HIDDEN)
    assert told.network.side == (SIDE, SIDE)
    raw = core.audit(*digits, network=saved(tmp_path / "raw.onnx", scale=1 / 255, **known))
    assert "pixels as they are" in raw.network.sentence
    assert np.array_equal(raw.network.answers, told.network.answers)


@pytest.mark.parametrize(
    "how",
    [
        {"shape": (1, 3, SIDE, SIDE)},
        {"shape": (7, 3, SIDE, SIDE)},
        {"kind": TensorProto.FLOAT16},
        {"kind": TensorProto.DOUBLE},
        {"kind": TensorProto.UINT8, "scale": 1 / 255},
    ],
    ids=["one image", "seven images", "float16", "float64", "uint8"],
)
def test_batches_and_types_are_as_the_file_has_them(
    how: dict[str, Any], digits: Set, known: dict[str, np.ndarray], tmp_path: Path
) -> None:
    usual = _witness(own.loaded(saved(tmp_path / "usual.onnx", **known), ""), digits)
    other = _witness(own.loaded(saved(tmp_path / "other.onnx", **known, **how), ""), digits)
    assert (other.answers == usual.answers).mean() > 0.99
    assert np.allclose(other.features, usual.features, atol=0.05)
    assert len(other.ask(digits[0][:3])) == 3


def test_channels_may_come_last(digits: Set, known: dict[str, np.ndarray], tmp_path: Path) -> None:
    places = np.arange(3 * SIDE * SIDE).reshape(3, SIDE, SIDE).transpose(1, 2, 0).ravel()

    def turned(model: onnx.ModelProto) -> None:
        where = next(one for one in model.graph.initializer if one.name == "turn")
        where.raw_data = graphs.turn(len(places))[places].astype(np.float32).tobytes()

    usual = _witness(own.loaded(saved(tmp_path / "usual.onnx", **known), ""), digits)
    other = _witness(
        own.loaded(saved(tmp_path / "other.onnx", turned, **known, shape=("n", SIDE, SIDE, 3)), ""), digits
    )
    assert np.array_equal(usual.answers, other.answers)
    assert np.allclose(usual.features, other.features, atol=1e-4)
    free = _witness(own.loaded(saved(tmp_path / "free.onnx", turned, **known, shape=("n", "a", "b", "c")), ""), digits)
    assert free.accuracy >= 0.9, "nothing says which axis has the channels, so both are tried"


def test_grey_and_of_another_size(digits: Set, tmp_path: Path) -> None:
    images, _ = digits
    small = _opened(saved(tmp_path / "a.onnx", weight=np.zeros((graphs.HIDDEN, 11)), shape=("n", 1, 16, 12)))
    asker = small.asker(images[:2], 11)
    assert asker.side == (16, 12)
    assert "images at 16 x 12, in grey" in asker.what
    layout = small.layouts[0]
    coloured = np.array([[[[255, 0, 0]]], [[[0, 255, 0]]], [[[0, 0, 255]]]], np.uint8)
    pixels = small._pixels(coloured, asker.ways[-1], layout)
    assert pixels.shape == (3, 1, 16, 12)
    assert np.allclose(pixels[:, 0, 0, 0], [76.245, 149.685, 29.07], atol=1e-3)
    assert _witness(small, digits).side == (16, 12)


def _opened(path: Path) -> sessions.Session:
    found = own.loaded(path, "")
    assert isinstance(found, sessions.Session)
    return found


def _witness(network: Any, digits: Set) -> Any:
    return own.asked(given(*digits), network, lambda done, of: None)


# --- which output, which layer ----------------------------------------------------------------------------


def test_an_output_is_chosen_where_several_would_do(digits: Set, known: dict[str, np.ndarray], tmp_path: Path) -> None:
    both = saved(tmp_path / "mine.onnx", **known, nodes=[SOFTMAX], outputs=["logits", "shares", "hidden"])
    with pytest.raises(BadRequest, match=r"mine.onnx has 2 outputs with .* 11 classes \(logits, shares\); choose one"):
        core.audit(*digits, network=both)
    for output in ("logits", "shares"):
        told = core.audit(*digits, network=both, output=output)
        assert f"its output {output}, judged by its hidden" in told.network.sentence
        assert told.network.accuracy > 0.9
    with pytest.raises(BadRequest, match=r"has no output 'answers'; it has logits, shares, hidden, and any value"):
        core.audit(*digits, network=both, output="answers")
    with pytest.raises(BadRequest, match=r"mine.onnx answers 100 classes, and the set has 11"):
        core.audit(*digits, network=both, output="hidden")


def test_one_output_of_several_has_a_column_a_class(digits: Set, known: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.onnx", **known, nodes=[SOFTMAX], outputs=["hidden", "shares"])
    assert "its output shares, judged by its hidden" in core.audit(*digits, network=path).network.sentence
    assert "its output logits" in core.audit(*digits, network=path, output="logits").network.sentence, "one within"
    path = saved(tmp_path / "mine.onnx", **known, outputs=["hidden", "pixels"])
    with pytest.raises(BadRequest, match=r"must have an output \[n, 11\], a column a class; it has hidden \[n, 100\]"):
        core.audit(*digits, network=path)


def test_a_layer_is_chosen(digits: Set, known: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.onnx", **known)
    told = core.audit(*digits, network=path, layer="flat")
    assert told.network.features.shape[1] == 3 * SIDE * SIDE
    assert "judged by its flat" in told.network.sentence
    with pytest.raises(BadRequest, match=r"has no layer 'fl'; it has hidden, and any value within it may be named"):
        core.audit(*digits, network=path, layer="fl")


def test_maps_before_the_answers_are_averaged(digits: Set, tmp_path: Path) -> None:
    """As in SqueezeNet: a convolution answers, and what follows has no weights."""
    weights = {"one": np.random.default_rng(0).normal(size=(5, 3, 3, 3)), "two": np.ones((11, 5, 1, 1))}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "one"], ["maps"]),
            helper.make_node("Conv", ["maps", "two"], ["scored"]),
            helper.make_node("Relu", ["scored"], ["bent"]),
            helper.make_node("GlobalAveragePool", ["bent"], ["answers"]),
        ],
        "maps",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_empty_tensor_value_info("answers")],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "a.onnx")
    witness = _witness(own.loaded(tmp_path / "a.onnx", ""), digits)
    assert witness.features.shape == (len(digits[0]), 5)
    assert "its output answers, judged by its maps" in witness.sentence


def test_without_a_layer_the_answers_are_judged(digits: Set, tmp_path: Path) -> None:
    def bare(model: onnx.ModelProto) -> None:
        del model.graph.node[3:]
        model.graph.node.append(helper.make_node("Slice", ["flat", "from", "to", "axis"], ["logits"]))
        for name, value in {"from": 0, "to": 11, "axis": 1}.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), name))

    witness = _witness(own.loaded(saved(tmp_path / "a.onnx", bare), ""), digits)
    assert "judged by its answers, since no layer leads to them" in witness.sentence
    assert witness.features.shape[1] == 11


def test_a_quantised_network_is_judged_by_what_was_not_rounded(
    digits: Set, known: dict[str, np.ndarray], tmp_path: Path
) -> None:
    usual = saved(tmp_path / "usual.onnx", **known)
    quantize_dynamic(usual, tmp_path / "small.onnx", op_types_to_quantize=["MatMul", "Gemm"])
    inside = {node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node}
    assert "MatMulInteger" in inside
    assert "Gemm" not in inside
    fine, coarse = (_witness(own.loaded(tmp_path / f"{one}.onnx", ""), digits) for one in ("usual", "small"))
    assert (fine.answers == coarse.answers).mean() > 0.95
    assert np.corrcoef(fine.features.ravel(), coarse.features.ravel())[0, 1] > 0.99


# --- what is refused, before a set is read ----------------------------------------------------------------


def _cast_by(domain: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].domain = domain
        model.opset_import.append(helper.make_opsetid(domain, 1))

    return change


def _high(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 9_000_000


def _with_a_loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Loop", ["", "on"], [], body=helper.make_graph([], "again", [], []))], "hidden", [], []
    )
    model.graph.node.append(helper.make_node("If", ["on"], [], then_branch=body, else_branch=body))


def _with_a_function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("somebody", "Twice", ["a"], ["b"], [], []))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"shape": ("n", 4, 8, 8)}, r"must take images of 3 channels, or 1: .*; it takes \[n, 4, 8, 8\]"),
        ({"shape": ("n", 192)}, "must take images with four axes, .* its input has 2 axes"),
        ({"change": _high}, "of at most 2,048 pixels a side; it takes"),
        ({"shape": (5_000, 3, 8, 8)}, "at most 1,024 images at once"),
        ({"kind": TensorProto.INT64}, "must take float32, uint8, float16, float64; it takes another type"),
        ({"change": _cast_by("somebody")}, r"operators of somebody's own \(somebody.Cast\), which are code"),
        ({"change": _cast_by("com.microsoft")}, "a.onnx cannot be run: .*Cast"),
        ({"change": _with_a_loop}, "a.onnx has Loop, which could go on for ever"),
        ({"change": _with_a_function}, r"has functions of its own \(Twice\); write them out with onnx.inliner"),
        ({"change": lambda one: one.graph.node[3].input.pop()}, "a.onnx cannot be run: "),
        ({"change": lambda one: one.graph.ClearField("node")}, "is an ONNX file without a network in it"),
        (
            {"change": lambda one: one.graph.input.append(helper.make_tensor_value_info("mask", 1, ["n"]))},
            r"must take one input, the images; it takes 2 \(images, mask\)",
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_what_cannot_be_asked_is_refused(how: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=words):
        own.loaded(saved(tmp_path / "a.onnx", **how), "")


def test_weights_are_read_from_beside_the_file_and_from_nowhere_else(
    digits: Set, known: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    data = known["weight"].astype(np.float32).tobytes()
    for place in (folder / "w.bin", folder / "deep" / "w.bin", tmp_path / "w.bin"):
        place.write_bytes(bytes(8) + data)
    (folder / "away.bin").symlink_to(tmp_path / "w.bin")
    (folder / "short.bin").write_bytes(data[:-1])
    for inside in ("w.bin", "deep/w.bin", "deep/../w.bin"):
        path = kept_beside(saved(folder / "a.onnx", **known), inside, offset=8)
        assert _witness(own.loaded(path, ""), digits).accuracy > 0.9
    outside = ("../w.bin", str(tmp_path / "w.bin"), str(folder / "w.bin"), "away.bin", "", "/etc/passwd", "a\0b")
    for location in outside:
        with pytest.raises(BadRequest, match="which leads out of its folder and is not read"):
            own.loaded(kept_beside(saved(folder / "a.onnx", **known), location, offset=8), "")
    for location in ("none.bin", "deep"):
        with pytest.raises(BadRequest, match="must lie beside it, and there is no such file"):
            own.loaded(kept_beside(saved(folder / "a.onnx", **known), location), "")
    for wrong in ({"offset": 10**6}, {"offset": -1}, {"length": 10**15}, {"length": len(data) - 1}):
        with pytest.raises(BadRequest, match=r"is damaged or cut short|a.onnx cannot be run"):
            own.loaded(kept_beside(saved(folder / "a.onnx", **known), "w.bin", **wrong), "")
    with pytest.raises(BadRequest, match=r"short.bin, in which a.onnx keeps weights, is damaged or cut short"):
        own.loaded(kept_beside(saved(folder / "a.onnx", **known), "short.bin"), "")


def test_what_is_no_onnx_file_is_refused_and_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "sprung"),))

    whole = saved(tmp_path / "whole.onnx").read_bytes()
    for data, words in (
        (pickle.dumps(Trap()), "is no ONNX file, or is damaged or cut short"),
        (whole[: len(whole) // 2], "is no ONNX file, or is damaged or cut short"),
        (whole[:-1], "is no ONNX file, or is damaged or cut short"),
        (b"PK\x03\x04 and so on", "is no ONNX file"),
        (b"", "is an ONNX file without a network in it"),
    ):
        (tmp_path / "mine.onnx").write_bytes(data)
        with pytest.raises(BadRequest, match=words):
            own.loaded(tmp_path / "mine.onnx", "")
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(BadRequest, match="there is no such file"):
        own.loaded(tmp_path / "none.onnx", "")


def test_what_is_too_large_is_refused_by_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.onnx")
    (tmp_path / "w.bin").touch()
    os.truncate(tmp_path / "w.bin", 3 << 30)  # of a disk's space it takes none
    with memory() as taken:
        with pytest.raises(BadRequest, match=r"a.onnx and its weights must have at most 2 GiB, got 3\.0 GiB"):
            own.loaded(kept_beside(path, "w.bin", length=3 << 30), "")
        os.truncate(path, 3 << 30)
        with pytest.raises(BadRequest, match="must have at most 2 GiB"):
            own.loaded(path, "")
    assert taken.peak < 1 << 28, "neither file was read"
    monkeypatch.setattr("core.audits.graphs.free_memory", lambda: 1e5)
    with pytest.raises(BadRequest, match=r"needs about .* of memory, and 0\.0 GiB are free"):
        own.loaded(saved(tmp_path / "b.onnx"), "")


@pytest.mark.parametrize("elements", [2**28, 2**45])
def test_what_asks_for_memory_without_end_is_refused(
    elements: int, digits: Set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2^28 numbers are 1 GiB, which are there, but are more than a run may have here."""
    monkeypatch.setattr("core.audits.sessions.free_memory", lambda: 1e9)

    def greedy(model: onnx.ModelProto) -> None:
        shape = helper.make_node("ConstantOfShape", ["many"], ["greedy"])
        model.graph.node.extend([shape, helper.make_node("ReduceSum", ["greedy"], ["sum"], keepdims=0)])
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([elements]), "many"))

    path = saved(tmp_path / "a.onnx", greedy, outputs=["logits", "sum"])
    with pytest.raises(BadRequest, match="it needs more memory than is to be had"):
        _witness(own.loaded(path, "", output="sum"), digits)
    usual = own.loaded(saved(tmp_path / "b.onnx"), "")
    assert usual.asker(digits[0][:2], 11).side == (SIDE, SIDE)


def test_images_that_do_not_fit_are_told(digits: Set, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.onnx", lambda one: one.graph.input[0].CopyFrom(_free()))
    with pytest.raises(BadRequest, match=r"a.onnx takes no images of 3 x 10 x 10: "):
        own.loaded(path, "").asker(np.zeros((2, 10, 10, 3), np.uint8), 11)


def _free() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])


def test_weights_have_no_outputs_to_choose(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    for chosen in ({"output": "logits"}, {"layer": "hidden"}):
        with pytest.raises(BadRequest, match=r"chosen of .onnx files alone; a.safetensors holds weights"):
            own.loaded(tmp_path / "a.safetensors", "resnet18", **chosen)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_it_says_what_to_install(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadRequest, match=r"onnx and onnxruntime: python -m pip install -r requirements-onnx.txt"):
        own.loaded(path, "")


def test_it_computes_with_as_many_threads_as_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    options = _opened(saved(tmp_path / "a.onnx")).session.get_session_options()
    assert options.intra_op_num_threads == devices.threads() == 3
    assert options.inter_op_num_threads == 1


def test_names_in_a_file_are_said_on_one_line(digits: Set, tmp_path: Path) -> None:
    def renamed(model: onnx.ModelProto) -> None:
        model.graph.node[4].output[0] = model.graph.output[0].name = "a\n\x1b[31m" + "b" * 500

    said = _witness(own.loaded(saved(tmp_path / "a.onnx", renamed), ""), digits).sentence
    assert said.isprintable()
    assert len(said) < 400


def test_the_command_line_chooses_an_output(digits: Set, known: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=digits[0], labels=digits[1])
    path = saved(tmp_path / "mine.onnx", **known, nodes=[SOFTMAX], outputs=["logits", "shares"])
    command = ["audit", str(tmp_path / "set.npz"), "--network", str(path)]
    ran = CliRunner().invoke(commands.app, [*command, "--output", "shares", "--layer", "flat"])
    assert ran.exit_code == 0, ran.output
    assert "(ONNX, its output shares, judged by its flat, pixels from 0 to 1" in " ".join(ran.output.split())
    ran = CliRunner().invoke(commands.app, command)
    assert ran.exit_code != 0
    assert "choose one (--output)" in str(ran.output) + str(ran.exception)
