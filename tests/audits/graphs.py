"""Small ONNX files, made for a test: a linear network on the pixels of small images, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8  # of the digits
HIDDEN = 100


def saved(path: Path, change: Callable[[onnx.ModelProto], Any] = lambda model: None, **how: Any) -> Path:
    """A file of `linear`, changed."""
    model = linear(**how)
    change(model)
    onnx.save(model, path)
    return path


def linear(
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    shape: Sequence[int | str] = ("n", 3, SIDE, SIDE),
    kind: int = TensorProto.FLOAT,
    scale: float = 1.0,
    nodes: Sequence[onnx.NodeProto] = (),
    outputs: Sequence[str] = ("logits",),
) -> onnx.ModelProto:
    """Images -> flat -> hidden (turned into HIDDEN orthogonal directions) -> logits, and what else is asked for.

    weight [HIDDEN, k] and bias [k] are of the last layer; scale is what pixels are multiplied by before all.
    """
    inside = TensorProto.FLOAT16 if kind == TensorProto.FLOAT16 else TensorProto.FLOAT
    numbers = helper.tensor_dtype_to_np_dtype(inside)
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    width = int(np.prod(sizes or (3, SIDE, SIDE)))
    weight = np.zeros((HIDDEN, 11)) if weight is None else weight
    arrays = {
        "scale": np.array(scale),
        "turn": turn(width),
        "weight": weight,
        "bias": np.zeros(weight.shape[1]) if bias is None else bias,
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["numbers"], to=inside),
            helper.make_node("Mul", ["numbers", "scale"], ["pixels"]),
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "turn"], ["hidden"]),
            helper.make_node("Gemm", ["hidden", "weight", "bias"], ["logits"]),
            *nodes,
        ],
        "linear",
        [helper.make_tensor_value_info("images", kind, list(shape))],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(value.astype(numbers), name) for name, value in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def turn(width: int) -> np.ndarray:
    """Orthogonal directions [width, HIDDEN]."""
    drawn = np.random.default_rng(0).normal(size=(width, max(width, HIDDEN)))
    return np.linalg.qr(drawn)[0][:, :HIDDEN] if width >= HIDDEN else drawn[:, :HIDDEN]


def kept_beside(path: Path, location: str, offset: int = 0, length: int | None = None) -> Path:
    """The file with its last layer's weights said to lie in another; the pixels' turn stays within."""
    model = onnx.load(path)
    weight = next(one for one in model.graph.initializer if one.name == "weight")
    size = len(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": offset, "length": size if length is None else length}.items():
        weight.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    return path
