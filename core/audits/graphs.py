"""An ONNX file, read and checked: its weights lie beside it, nothing in it is code or goes on for ever.

ONNX is protobuf and no pickle. But its weights may lie in further files, whose paths anybody may have written, so what
leads out of the file's folder is refused; they are read here, so that the runtime opens no file at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.audits.found import some
from core.configuration import reading
from core.detectors import free_memory
from core.store import in_words
from core.types import BadRequest

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

MOST_BYTES = 2**31 - 2**20  # of file and weights; protobuf goes to 2 GiB
COPIES = 4  # of the weights that are in memory until a network is ready
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")  # of operators that come with the runtime
ENDLESS = ("Loop", "Scan")  # operators that could go on for ever
LAYERS = ("Gemm", "MatMul", "Conv")  # parts of the names of operators that weigh what goes into them
ROUNDING = ("QuantizeLinear", "DynamicQuantizeLinear", "Cast")  # before such, in a quantised network
INSTALL = "python -m pip install -r requirements-onnx.txt -c constraints.txt"


@dataclass(frozen=True)
class Graph:
    """What a checked ONNX file takes and gives.

    input, kind, shape: of its one input the name, the type (a number of onnx.TensorProto) and four sizes, None where
    one is free. answers: the outputs that may be class scores. judged: of each the value that goes into the layer that
    answers, None where none was found. Values that are judged were made outputs, too.
    """

    file: str
    input: str
    kind: int
    shape: tuple[int | None, int | None, int | None, int | None]
    answers: tuple[str, ...]
    judged: Mapping[str, str | None]


def read(path: Path, output: str | None = None, layer: str | None = None) -> tuple[Graph, bytes]:
    """An ONNX file before it is run: what is known of it, and the same with all its weights, for the runtime.

    output: the name of the value that holds class scores; by default any of the file's outputs may. layer: the name of
    the value that is judged; by default what goes into the last layer before the answers. BadRequest where the file is
    damaged, needs operators or files that are not to be had, or does not take one array of images.
    """
    packages()
    model = _parsed(path)
    _check(model, path.name)
    _bring_weights(model, path)
    name, kind, shape = _input(model, path.name)
    outputs = tuple(one.name for one in model.graph.output)
    answers = outputs if output is None else (_known(model.graph, output, "output", outputs, path.name),)
    if layer is not None:
        _known(model.graph, layer, "layer", [_fed(model.graph, one) for one in answers], path.name)
    judged = {one: layer or _fed(model.graph, one) for one in answers}
    _make_outputs(model.graph, [one for one in (*answers, *judged.values()) if one is not None])
    with in_words(path):
        return Graph(path.name, name, kind, shape, answers, judged), model.SerializeToString()


def packages() -> tuple[Any, Any]:
    """onnx and onnxruntime; BadRequest where they are not installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise BadRequest(f"an .onnx file needs the packages onnx and onnxruntime: {INSTALL}") from None
    return onnx, onnxruntime


# --- what is in the file ----------------------------------------------------------------------------------


def _parsed(path: Path) -> ModelProto:
    onnx, _ = packages()
    _check_size(path.stat().st_size, path.name)
    with in_words(path):
        data = path.read_bytes()
    try:
        model: ModelProto = onnx.load_model_from_string(data)
    except Exception:  # protobuf's own, a package that onnx brings
        raise BadRequest(f"{path.name} is no ONNX file, or is damaged or cut short") from None
    if not model.ir_version or not model.graph.node:  # protobuf finds nothing in an empty file, and does not mind
        raise BadRequest(f"{path.name} is an ONNX file without a network in it")
    return model


def _check_size(size: int, name: str) -> None:
    """BadRequest for a network that protobuf or the memory does not hold."""
    if size > MOST_BYTES:
        raise BadRequest(f"{name} and its weights must have at most 2 GiB, got {size / 2**30:,.1f} GiB")
    free = free_memory()
    if free is not None and COPIES * size > free:
        raise BadRequest(
            f"{name} needs about {COPIES * size / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB are free"
        )


def _check(model: ModelProto, name: str) -> None:
    """BadRequest where something in it is not the runtime's own, or could go on for ever."""
    onnx, _ = packages()
    nodes = list(_all(model, onnx.NodeProto))
    if model.functions:
        raise BadRequest(
            f"{name} has functions of its own ({some(one.name for one in model.functions)}); write them out with "
            "onnx.inliner.inline_local_functions(model)"
        )
    if foreign := dict.fromkeys(f"{one.domain}.{one.op_type}" for one in nodes if one.domain not in DOMAINS):
        raise BadRequest(
            f"{name} needs operators of somebody's own ({some(foreign)}), which are code; only those of ONNX are run"
        )
    if endless := dict.fromkeys(one.op_type for one in nodes if one.op_type in ENDLESS):
        raise BadRequest(f"{name} has {some(endless)}, which could go on for ever, and a network of images needs none")


def _all(message: Any, kind: type[Any]) -> Iterator[Any]:
    """All messages of a kind within a message, wherever they stand: in graphs within nodes, too."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue  # numbers or text
        for one in [value] if hasattr(value, "ListFields") else value:
            if isinstance(one, kind):
                yield one
            yield from _all(one, kind)


# --- weights in further files -----------------------------------------------------------------------------


def _bring_weights(model: ModelProto, path: Path) -> None:
    """Read what lies in further files into the model; BadRequest where one leads out of the folder, or ends early."""
    onnx, _ = packages()
    away = [one for one in _all(model, onnx.TensorProto) if one.data_location == onnx.TensorProto.EXTERNAL]
    told = [{entry.key: entry.value for entry in tensor.external_data} for tensor in away]
    places = {one: _beside(path, one) for one in {where.get("location", "") for where in told}}
    pieces = [_piece(path, places[where.get("location", "")], where) for where in told]
    _check_size(path.stat().st_size + sum(piece.length for piece in pieces), path.name)
    for tensor, piece in zip(away, pieces, strict=True):
        with in_words(piece.place), piece.place.open("rb") as file:
            file.seek(piece.offset)
            tensor.raw_data = file.read(piece.length)
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


class _Piece(NamedTuple):
    """So many bytes of a file, from an offset on."""

    place: Path
    offset: int
    length: int


def _beside(path: Path, location: str) -> Path:
    """The file of weights at a path from the folder of an ONNX file."""
    folder, shown = os.path.realpath(path.parent), reading.shortened(location)
    try:
        place = Path(os.path.realpath(os.path.join(folder, location)))
        within = bool(location) and not os.path.isabs(location) and place.is_relative_to(folder)
        there = within and place.is_file()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        within = there = False
    if not within:
        raise BadRequest(f"{path.name} keeps weights in {shown!r}, which leads out of its folder and is not read")
    if not there:
        raise BadRequest(f"{path.name} keeps weights in {shown!r}, which must lie beside it, and there is no such file")
    return place


def _piece(path: Path, place: Path, where: Mapping[str, str]) -> _Piece:
    """Where in a file the bytes of one array of weights are."""
    size = place.stat().st_size
    offset = reading.whole(where.get("offset") or "0", 0, size)
    length = None if offset is None else reading.whole(where.get("length") or str(size - offset), 0, size - offset)
    if offset is None or length is None:
        raise BadRequest(f"{place.name}, in which {path.name} keeps weights, is damaged or cut short")
    return _Piece(place, offset, length)


# --- what goes in and comes out ---------------------------------------------------------------------------


def _input(model: ModelProto, name: str) -> tuple[str, int, tuple[int | None, int | None, int | None, int | None]]:
    """Name, type and shape of the one input; BadRequest where there are more, or it is no array of images."""
    weights = {one.name for one in model.graph.initializer}  # which old files name among the inputs
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) != 1:
        raise BadRequest(
            f"{name} must take one input, the images; it takes {len(inputs):,} ({some(one.name for one in inputs)})"
        )
    tensor = inputs[0].type.tensor_type
    sizes = tuple(one.dim_value if one.dim_value > 0 else None for one in tensor.shape.dim)
    if len(sizes) != 4:
        shown = f"{len(sizes)} axes" if tensor.HasField("shape") else "no shape"
        raise BadRequest(f"{name} must take images with four axes, [n, 3, h, w] or [n, h, w, 3]; its input has {shown}")
    return inputs[0].name, tensor.elem_type, sizes


def _known(graph: GraphProto, wanted: str, what: str, usual: Any, name: str) -> str:
    """A name that a value of the graph has."""
    if wanted not in _makers(graph):
        raise BadRequest(
            f"{name} has no {what} {reading.shortened(wanted)!r}; it has {some(one for one in usual if one)}, and any "
            "value within it may be named"
        )
    return wanted


def _makers(graph: GraphProto) -> dict[str, NodeProto]:
    """The node that makes each value."""
    return {value: node for node in graph.node for value in node.output if value}


def _fed(graph: GraphProto, answers: str) -> str | None:
    """The value that goes into the last layer before the answers: of the nearest that weighs what it gets.

    None where there is none, or where that value is the input itself.
    """
    makers, waiting, seen = _makers(graph), [answers], {answers}
    moving = _moving(graph)
    for value in waiting:
        node = makers.get(value)
        if node is None:
            continue
        inputs = [one for one in node.input if one in moving]
        if inputs and any(part in node.op_type for part in LAYERS):
            return _unrounded(inputs[0], makers)
        waiting += [one for one in inputs if one not in seen]
        seen.update(inputs)
    return None


def _unrounded(value: str, makers: Mapping[str, NodeProto]) -> str | None:
    """What a value was before it was rounded, by a scale that may be another in each batch; None for the input."""
    while value in makers and makers[value].op_type in ROUNDING:
        value = makers[value].input[0]
    return value if value in makers else None


def _moving(graph: GraphProto) -> set[str]:
    """The values that hang on the input, and are no weights."""
    found = {one.name for one in graph.input} - {one.name for one in graph.initializer}
    for node in graph.node:  # which ONNX has in an order in which each comes after what it needs
        if any(one in found for one in node.input):
            found.update(one for one in node.output if one)
    return found


def _make_outputs(graph: GraphProto, names: list[str]) -> None:
    """Have the runtime hand out values; it knows their types itself."""
    onnx, _ = packages()
    known = {one.name for one in graph.output}
    for name in dict.fromkeys(names):
        if name not in known:
            graph.output.append(onnx.ValueInfoProto(name=name))
