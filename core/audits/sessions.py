"""A checked ONNX file, run: images as it wants them in, what its last layer gets and its class scores out.

It runs on the CPU, with as many threads as everything else here. What a file leaves open (sizes, which axis holds the
channels, which of several outputs has a column a class) is found by running it on a few images of the set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.audits.asking import BATCH, RAW, SCALINGS, Asker, Way, scaled
from core.audits.finding import plain
from core.audits.graphs import Graph, packages
from core.configuration import reading
from core.detectors import free_memory
from core.types import BadRequest, Features, Images, Logits

KINDS = {1: np.float32, 2: np.uint8, 10: np.float16, 11: np.float64}  # of onnx.TensorProto.DataType
MOST_SIDE, MOST_BATCH = 2_048, 1_024  # that a file may fix
PIXELS = BATCH * 224 * 224  # of a batch, in all
GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as Pillow has it
QUIET = 4  # the runtime's log: what ends a run comes as an error
SHARE = 0.5  # of the memory that is free, which a run may take: a file may ask for any
FOLDED = 2**26  # bytes of what is computed once for all, before a run, and beyond that share
LACKING = ("Available memory of", "bad_alloc", "Failed to allocate")  # as the runtime says that it was too much


def opened(graph: Graph, data: bytes) -> Session:
    """A file as `graphs.read` hands it over; BadRequest where the runtime does not take it, or it takes no images."""
    from core.training import devices

    _, runtime = packages()
    layouts = tuple(_layouts(graph))
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = devices.threads(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores, too
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(FOLDED))
    _bound(runtime)
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no type of their own in common
        raise BadRequest(f"{graph.file} cannot be run: {_shortened(error)}") from None
    return Session(graph, session, layouts)


def _bound(runtime: Any) -> None:
    """Let sessions that are opened from now on take a share of what is free, and no more."""
    free = free_memory()
    room = runtime.OrtArenaCfg({"max_mem": 0 if free is None else int(SHARE * free), "arena_extend_strategy": 1})
    where = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    runtime.create_and_register_allocator(where, room)


class Layout(NamedTuple):
    """Whether channels come first, how many there are, and the height and width that are fixed, if they are."""

    channels_first: bool
    channels: int
    side: tuple[int | None, int | None]


class Chosen(NamedTuple):
    """The output that holds class scores, and the value that is judged; None: the scores themselves."""

    answers: str
    judged: str | None


@dataclass(frozen=True)
class Session:
    """A network that runs, and the layouts of images that its input may mean."""

    graph: Graph
    session: Any
    layouts: tuple[Layout, ...]

    @property
    def file(self) -> str:
        """The file's name."""
        return self.graph.file

    def asker(self, images: Images, classes: int) -> Asker:
        """The network, tried on a few images; BadRequest where it takes none such, or has no column a class."""
        taken, told = dict[Layout, Mapping[str, NDArray[Any]]](), ""
        images = images[: self.graph.shape[0] or None]
        for layout in self.layouts:
            try:
                taken[layout] = self._run(images, Way(RAW, layout.channels_first), layout, self._relevant())
            except BadRequest as error:
                told = told or str(error)
        if not taken:
            raise BadRequest(told)
        chosen = self._chosen(next(iter(taken.values())), len(images), classes)
        scalings = (RAW,) if KINDS[self.graph.kind] is np.uint8 else (*SCALINGS, RAW)
        layouts = {layout.channels_first: layout for layout in taken}
        first = next(iter(taken))
        side = _side(first, images)
        resized = side != images.shape[1:3]
        return Asker(
            what=self._what(chosen, resized, side, first.channels),
            ways=tuple(Way(scaling, first) for first in layouts for scaling in scalings),
            answer=lambda some, way: self._answer(some, way, layouts[way.channels_first], chosen),
            batch=self.graph.shape[0] or max(1, min(BATCH, PIXELS // (side[0] * side[1]))),
            side=side,
        )

    def _relevant(self) -> list[str]:
        """The values that may be wanted."""
        judged = (one for one in self.graph.judged.values() if one is not None)
        return list(dict.fromkeys([*self.graph.answers, *judged]))

    def _what(self, chosen: Chosen, resized: bool, side: tuple[int, int], channels: int) -> str:
        judged = "its answers, since no layer leads to them" if chosen.judged is None else f"its {plain(chosen.judged)}"
        size = f", images at {side[0]} x {side[1]}" if resized else ""
        grey = ", in grey" if channels == 1 else ""
        return f"the network {self.file} (ONNX, its output {plain(chosen.answers)}, judged by {judged}{size}{grey}"

    # --- running ---

    def _answer(self, images: Images, way: Way, layout: Layout, chosen: Chosen) -> tuple[Features, Logits]:
        found = self._run(images, way, layout, [one for one in chosen if one is not None])
        answers = _scores(found[chosen.answers], len(images))
        assert answers is not None  # as it was when it was chosen
        features = None if chosen.judged is None else _layer(found[chosen.judged], len(images))
        return answers if features is None else features, answers

    def _run(self, images: Images, way: Way, layout: Layout, names: list[str]) -> dict[str, NDArray[Any]]:
        """Values for images, by their names: for as many as the file takes at once, or fewer."""
        pixels = self._pixels(images, way, layout)
        size = self.graph.shape[0] or len(pixels)
        if missing := size - len(pixels):
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        try:
            found = self.session.run(names, {self.graph.input: pixels})
        except Exception as error:  # as in `opened`
            shape = " x ".join(map(str, pixels.shape[1:]))
            raise BadRequest(f"{self.file} takes no images of {shape}: {_shortened(error)}") from None
        values = (np.atleast_1d(one) if isinstance(one, np.ndarray) else np.empty(size, object) for one in found)
        return {name: one[: len(images)] for name, one in zip(names, values, strict=True)}

    def _pixels(self, images: Images, way: Way, layout: Layout) -> NDArray[Any]:
        """Images as the input wants them: size, channels, scaling, order of axes and type."""
        import torch
        from torch.nn import functional

        from core.training import devices, to_float

        kind, side = KINDS[self.graph.kind], _side(layout, images)
        with devices.settled(torch.device("cpu")), torch.inference_mode():
            batch = to_float(torch.from_numpy(images))
            if side != images.shape[1:3]:
                batch = functional.interpolate(batch, side, mode="bilinear", antialias=True)
            batch = scaled(batch, way.scaling)
            if layout.channels == 1:
                batch = (batch * batch.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
            if not layout.channels_first:
                batch = batch.permute(0, 2, 3, 1)
            pixels = batch.contiguous().numpy()
        return np.rint(pixels).clip(0, 255).astype(kind) if kind is np.uint8 else pixels.astype(kind)

    # --- choosing ---

    def _chosen(self, found: Mapping[str, NDArray[Any]], count: int, classes: int) -> Chosen:
        """The output with a column a class; BadRequest where none or several have one."""
        able = [one for one in self.graph.answers if _width(_scores(found[one], count)) == classes]
        if len(able) > 1:
            raise BadRequest(
                f"{self.file} has {len(able)} outputs with a column for each of {classes:,} classes "
                f"({', '.join(map(plain, able))}); choose one (--output)"
            )
        if not able:
            raise BadRequest(self._unfit(found, count, classes))
        judged = self.graph.judged[able[0]]
        return Chosen(able[0], None if judged is None or _layer(found[judged], count) is None else judged)

    def _unfit(self, found: Mapping[str, NDArray[Any]], count: int, classes: int) -> str:
        columns = {one: _width(_scores(found[one], count)) for one in self.graph.answers}
        if len(columns) == 1 and (number := next(iter(columns.values()))) is not None:
            return f"{self.file} answers {number:,} classes, and the set has {classes:,}"
        shapes = (f"{plain(one)} {['n', *found[one].shape[1:]]}".replace("'", "") for one in list(columns)[:8])
        return f"{self.file} must have an output [n, {classes}], a column a class; it has {', '.join(shapes)}"


def _layouts(graph: Graph) -> Iterator[Layout]:
    """What an input may mean; BadRequest where it cannot be images."""
    batch, *sizes = graph.shape
    if graph.kind not in KINDS:
        allowed = ", ".join(kind.__name__ for kind in KINDS.values())
        raise BadRequest(f"{graph.file} must take {allowed}; it takes another type of numbers")
    if (batch or 1) > MOST_BATCH or any((size or 1) > MOST_SIDE for size in sizes):
        raise BadRequest(
            f"{graph.file} must take at most {MOST_BATCH:,} images at once, of at most {MOST_SIDE:,} pixels a side; it "
            f"takes {_shown(graph)}"
        )
    first, second, third = sizes
    found = [Layout(True, first or 3, (second, third)), Layout(False, third or 3, (first, second))]
    able = [one for one in found if one.channels in (1, 3)]
    if not able:
        raise BadRequest(
            f"{graph.file} must take images of 3 channels, or 1: [n, 3, h, w] or [n, h, w, 3]; it takes {_shown(graph)}"
        )
    # An image of 1 or 3 pixels a side, or two ways: the one whose channels are said is meant.
    said = [one for one, size in zip(found, (first, third), strict=True) if one in able and size is not None]
    yield from said or able


def _shown(graph: Graph) -> str:
    return str([size or "n" for size in graph.shape]).replace("'", "")


def _side(layout: Layout, images: Images) -> tuple[int, int]:
    """Height and width that images are brought to: those that are fixed, else theirs."""
    height, width = images.shape[1:3]
    return layout.side[0] or height, layout.side[1] or width


def _scores(values: NDArray[Any], count: int) -> NDArray[np.float32] | None:
    """Values [n, k], or such with further axes of one place each; None where they are no such."""
    if values.dtype.kind not in "fiu" or values.ndim < 2 or len(values) != count or values[0].size != values.shape[1]:
        return None
    return values.reshape(count, -1).astype(np.float32)


def _layer(values: NDArray[Any], count: int) -> NDArray[np.float32] | None:
    """Values [n, d]; of maps [n, d, h, w] the average over the places, of tokens [n, t, d] that over the tokens."""
    if values.dtype.kind not in "fiu" or values.ndim not in (2, 3, 4) or len(values) != count:
        return None
    numbers = values.astype(np.float32)
    return numbers if values.ndim == 2 else np.asarray(numbers.mean(1 if values.ndim == 3 else (2, 3)))


def _width(values: NDArray[Any] | None) -> int | None:
    return None if values is None else int(values.shape[1])


def _shortened(error: Exception) -> str:
    """The runtime's words on one line."""
    said = " ".join(str(error).split())
    if any(words in said for words in LACKING):
        return "it needs more memory than is to be had"
    return plain(reading.shortened(said, 200), 240)
