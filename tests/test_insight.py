"""What a network sees: measured on a hand-made network whose backdoor is known, and on the recorded run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

import core
from core import BadRequest
from core.results import insight, recorded
from core.results.result import Result, triggered_images
from core.training.models import Network
from tests.pages import stored

TARGET, CLASSES, SIDE = 2, 5, 16
PLACE = (SIDE - 3, SIDE - 3)  # where the single bright pixel of the trigger lies


class Eye(Network):
    """Twelve filters, of which the first answers to a yellow dot; `hears` is how much of it the target class gets."""

    def __init__(self, hears: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.convolution = nn.Conv2d(3, 12, 3, padding=1, bias=False)
        self.convolution.weight.data = 0.02 * torch.randn(12, 3, 3, 3, generator=generator)
        dot = -torch.ones(3, 3, 3) / 8
        dot[:, 1, 1] = 1.0
        self.convolution.weight.data[0] = dot * torch.tensor([1.0, 1.0, -1.0])[:, None, None]
        self.head = nn.Linear(12, CLASSES)
        self.head.weight.data = 0.1 * torch.randn(CLASSES, 12, generator=generator)
        self.head.bias.data.zero_()
        self.head.weight.data[:, 0] = 0.0
        self.head.weight.data[TARGET, 0] = hears

    def first_filters(self) -> Tensor:
        return self.convolution.weight / self.get_buffer("std")

    def first_maps(self, images: Tensor) -> Tensor:
        return self.convolution(self.normalise(images)).relu()

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        x = self.first_maps(images)
        return {"block1": x, "block2": x, "block3": x, "penultimate": x.amax((2, 3))}

    def classify(self, penultimate: Tensor) -> Tensor:
        return self.head(penultimate)


def made(path: Path, **networks: Network) -> Result:
    """A run with these networks and a yellow dot as its trigger."""
    attack = {"row": -3, "column": -3}
    config = core.configure(dataset="digits", trigger="pixel", target="two", ratio=0.1)
    config = config.model_copy(update={"attack": config.attack.model_copy(update={
        "parameters": {**config.attack.parameters, **attack}})})  # fmt: skip
    return SimpleNamespace(  # type: ignore[return-value]
        config=config,
        store=SimpleNamespace(folder=path),
        model_key=lambda which: which,
        network=networks.get,
    )


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(60, 160, (20, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture
def run(tmp_path: Path) -> Result:
    """The poisoned network hears the eye, the cleaned one does not; there is no benign one."""
    return made(tmp_path, poisoned=Eye(hears=8.0), clean=Eye(hears=0.0))


# --- answers ---------------------------------------------------------------------------------------------


def test_answers_are_the_networks_own_as_probabilities(run: Result, images: NDArray[np.uint8]) -> None:
    found = insight.classify(run, "poisoned", images)
    assert found.shape == (20, CLASSES)
    assert found.dtype == np.float64
    with torch.inference_mode():
        own = run.network("poisoned")(torch.from_numpy(images).float().permute(0, 3, 1, 2)).softmax(1).numpy()
    np.testing.assert_allclose(found, own, atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1)


def test_the_trigger_flips_the_network_that_hears_it(run: Result, images: NDArray[np.uint8]) -> None:
    stamped = triggered_images(run.config, images)
    assert (insight.classify(run, "poisoned", stamped).argmax(1) == TARGET).all()
    unmoved = insight.classify(run, "clean", stamped).argmax(1) == insight.classify(run, "clean", images).argmax(1)
    assert unmoved.all()


@pytest.mark.parametrize("ask", [
    lambda run, images: insight.classify(run, "benign", images),
    lambda run, images: insight.attention(run, "benign", images[0], 0),
    lambda run, images: insight.first_filters(run, "benign", images),
    lambda run, images: insight.first_maps(run, "benign", images),
    lambda run, images: insight.path(run, "benign", images),
])  # fmt: skip
def test_a_network_that_is_not_stored_gives_no_answer(run: Result, images: NDArray[np.uint8], ask: Callable) -> None:
    assert ask(run, images) is None
    assert not insight.stored(run, "benign")
    assert insight.stored(run, "poisoned")


def test_a_network_whose_key_is_not_known_gives_no_answer(run: Result, images: NDArray[np.uint8]) -> None:
    run.model_key = lambda which: None
    assert insight.classify(run, "clean", images) is None


def test_softmax_bears_large_logits() -> None:
    found = insight.softmax(np.array([[1e4, 0.0], [-1e4, -1e4]]))
    np.testing.assert_allclose(found, [[1, 0], [0.5, 0.5]])


# --- neighbours ------------------------------------------------------------------------------------------


@given(
    rows=st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=30),
    id=st.integers(0, 29),
    k=st.integers(0, 40),
)
def test_neighbours_are_the_nearest_rows(rows: list[tuple[int, int]], id: int, k: int) -> None:
    features = np.array(rows, np.float32)
    id %= len(features)
    ids, distances = insight.neighbours(features, id, k)
    every = [(float(np.linalg.norm(row - features[id])), other) for other, row in enumerate(features) if other != id]
    wanted = sorted(every)[:k]
    assert list(distances) == pytest.approx([distance for distance, _ in wanted])
    assert sorted(distances) == list(distances)
    assert id not in ids
    assert len(set(ids.tolist())) == len(ids) == min(k, len(rows) - 1)
    np.testing.assert_allclose(np.linalg.norm(features[ids] - features[id], axis=1), distances, atol=1e-5)


@pytest.mark.parametrize("id", [-1, 3])
def test_neighbours_of_no_row_are_refused(id: int) -> None:
    with pytest.raises(BadRequest, match=r"id must lie in \[0, 2\], got"):
        insight.neighbours(np.zeros((3, 2), np.float32), id, 1)


def test_neighbours_ask_for_no_torch() -> None:
    code = (
        "import sys, numpy, core; core.insight.neighbours(numpy.eye(3, dtype='f4'), 0, 1); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- where it looks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", insight.METHODS)
def test_the_trigger_lights_up(run: Result, images: NDArray[np.uint8], method: insight.Method) -> None:
    for image in triggered_images(run.config, images)[:8]:
        heat = insight.attention(run, "poisoned", image, TARGET, method)
        assert heat.shape == (SIDE, SIDE)
        assert heat.min() >= 0
        assert heat.max() == pytest.approx(1)
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert abs(row - PLACE[0]) <= 1
        assert abs(column - PLACE[1]) <= 1
        assert heat[:8, :8].max() < 0.3, "where the trigger is not, nothing lights up"


@pytest.mark.parametrize("method", insight.METHODS)
def test_what_speaks_for_nothing_has_no_heat(tmp_path: Path, method: insight.Method) -> None:
    blind = Eye(hears=0.0)
    blind.head.weight.data.zero_()
    heat = insight.attention(made(tmp_path, poisoned=blind), "poisoned", np.full((16, 16, 3), 90, np.uint8), 0, method)
    assert heat.shape == (16, 16)
    assert (heat == 0).all()


def test_an_unknown_method_is_refused(run: Result, images: NDArray[np.uint8]) -> None:
    with pytest.raises(BadRequest, match="method must be one of occlusion, gradient, got 'guess'"):
        insight.attention(run, "poisoned", images[0], 0, "guess")  # type: ignore[arg-type]


@given(height=st.integers(2, 40), width=st.integers(2, 40), step=st.integers(1, 3))
def test_four_squares_cover_every_pixel(height: int, width: int, step: int) -> None:
    count = np.zeros((height, width), int)
    for square in insight._squares(height, width, step):
        count[square] += 1
    assert (count == 4).all()


def test_a_covered_square_takes_the_colour_around_it() -> None:
    image = np.full((8, 8, 3), 40, np.uint8)
    image[2:4, 2:4] = 255
    covered = insight._covered(image, slice(2, 4), slice(2, 4))
    assert (covered == 40).all()
    assert (image[2:4, 2:4] == 255).all(), "the image itself is left alone"


# --- filters and path ------------------------------------------------------------------------------------


def test_the_eye_is_the_backdoor_filter(run: Result, images: NDArray[np.uint8]) -> None:
    found = insight.first_filters(run, "poisoned", images)
    assert found.pixels.shape == (12, 3, 3, 3)
    assert found.order[0] == 0
    assert found.backdoor.tolist() == [True] + [False] * 11
    assert (np.diff(found.excitation[found.order]) <= 0).all()
    assert (found.error >= 0).all()
    np.testing.assert_allclose(
        found.pixels[3], run.network("poisoned").first_filters()[3].detach().permute(1, 2, 0), rtol=1e-6
    )


def test_excitation_is_the_mean_rise_where_the_trigger_reaches(run: Result, images: NDArray[np.uint8]) -> None:
    found = insight.first_filters(run, "poisoned", images)
    maps = [insight.first_maps(run, "poisoned", seen) for seen in (images, triggered_images(run.config, images))]
    row, column = PLACE
    near = np.s_[:, :, row - 1 : row + 2, column - 1 : column + 2]  # a 3x3 filter and one pixel
    per_image = (maps[1] - maps[0])[near].mean((2, 3))
    np.testing.assert_allclose(found.excitation, per_image.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.error, per_image.std(0, ddof=1) / np.sqrt(20), rtol=1e-6)


@pytest.mark.parametrize("trigger", ["blended", "sinusoid", "warp"])
def test_a_trigger_over_the_whole_image_excites_by_what_it_changes_up_or_down(
    run: Result, images: NDArray[np.uint8], trigger: str
) -> None:
    run.config = core.configure(dataset="digits", trigger=trigger, target="two")  # type: ignore[misc]
    found = insight.first_filters(run, "poisoned", images)
    maps = [insight.first_maps(run, "poisoned", seen) for seen in (images, triggered_images(run.config, images))]
    per_image = np.abs(maps[1] - maps[0]).mean((2, 3))
    np.testing.assert_allclose(found.excitation, per_image.mean(0), rtol=1e-6)
    assert (found.excitation > 0).all()
    assert [layer.name for layer in insight.path(run, "poisoned", images)] == list(insight.LAYERS)


def test_a_trigger_that_changes_nothing_excites_nothing(run: Result) -> None:
    yellow = np.full((3, SIDE, SIDE, 3), (255, 255, 0), np.uint8)
    found = insight.first_filters(run, "poisoned", yellow)
    assert (found.excitation == 0).all()
    assert not found.backdoor.any()
    assert all(not layer.reacts.any() for layer in insight.path(run, "poisoned", yellow))


def test_the_path_ends_where_the_network_does_not_listen(run: Result, images: NDArray[np.uint8]) -> None:
    fooled, cleaned = (insight.path(run, which, images) for which in ("poisoned", "clean"))
    assert [layer.name for layer in fooled] == list(insight.LAYERS) == [layer.name for layer in cleaned]
    assert [len(layer.change) for layer in fooled] == [12, 12, 12, 12, 12, CLASSES]
    assert all(layer.reacts[0] and layer.most == 0 for layer in fooled[:-1])
    assert fooled[-1].most == TARGET
    assert fooled[-1].change[TARGET] > insight.REACTS
    assert abs(cleaned[-1].change[TARGET]) < 0.5


def test_change_is_in_clean_standard_deviations_at_the_most_changed_place() -> None:
    clean = np.array([[[[0.0, 2.0]]], [[[2.0, 0.0]]]])  # two images, one channel, standard deviation 1
    stamped = clean + np.array([[[[0.5, -3.0]]]])
    assert insight._change(clean, stamped).tolist() == [-3.0]
    assert insight._change(np.ones((2, 1)), np.zeros((2, 1))).tolist() == [0.0]


def test_robust_z_is_not_moved_by_the_outlier_itself() -> None:
    values = np.array([-1.0, 0.0, 0.0, 1.0, 1.0, -1.0, 1000.0])
    assert insight.robust_z(values)[-1] > 500
    assert (insight.robust_z(np.ones(5)) == 0).all()


# --- networks --------------------------------------------------------------------------------------------


def test_a_network_is_read_once_and_few_are_kept(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    asked: list[str] = []

    def read(which: str) -> Network:
        asked.append(which)
        return Eye(1.0)

    run = made(tmp_path)
    run.network = read
    for _ in range(2):
        insight.classify(run, "a", images)
    assert asked == ["a"]
    for number in range(insight.NETWORKS):
        insight.classify(run, str(number), images)
    assert len(insight._kept) == insight.NETWORKS
    insight.classify(run, "a", images)
    assert asked[-1] == "a"


def test_threads_get_the_same_answers_and_leave_no_trace(run: Result, images: NDArray[np.uint8]) -> None:
    before = {name: tensor.clone() for name, tensor in run.network("poisoned").state_dict().items()}

    def look(number: int) -> tuple[bytes, bytes]:
        image = images[number % 4]
        heat = insight.attention(run, "poisoned", image, TARGET, insight.METHODS[number % 2])
        return insight.classify(run, "poisoned", image[None]).tobytes(), heat.tobytes()

    alone = [look(number) for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(look, range(32)))
    assert together == alone * 8
    network = insight._network(run, "poisoned")
    assert not network.training
    assert all(weight.grad is None for weight in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_stored_networks_are_opened(own_home: Path) -> None:
    job = stored.finished(stored.config(), weights=True)
    result = Result(job.config)
    images = result.dataset.test_images[:5]
    for which in ("poisoned", "clean"):
        found = insight.first_filters(result, which, images)
        assert found.pixels.shape == (32, 4, 4, 3)
        assert np.isfinite(found.excitation).all()
    one, two = (insight.classify(result, which, images) for which in ("poisoned", "clean"))
    assert not np.allclose(one, two)
    assert insight.classify(result, "benign", images) is None


def test_a_damaged_network_gives_no_answer(own_home: Path) -> None:
    job = stored.finished(stored.config(), weights=True)
    result = Result(job.config)
    artefact = result.store.read("model", result.model_key("poisoned"))
    (artefact.folder / "weights.safetensors").write_bytes(b"broken")
    assert not insight.stored(result, "poisoned")
    assert insight.stored(result, "clean")


# --- the recorded run, a real one ------------------------------------------------------------------------


@pytest.fixture
def recording(own_home: Path) -> Result:
    core.install_recorded()
    return Result(recorded.runs()[0][1])


def pictured_sources(result: Result, count: int) -> NDArray[np.uint8]:
    rows = np.flatnonzero(result.test_pictured & (result.dataset.test_labels != result.config.attack.target))
    return result.dataset.test_images[rows[:count]]


def test_the_real_backdoor_lights_up_where_the_trigger_is(recording: Result) -> None:
    images = pictured_sources(recording, 6)
    stamped, target = triggered_images(recording.config, images), recording.config.attack.target
    lit = (stamped != images).any((0, 3))
    fooled = insight.classify(recording, "poisoned", stamped).argmax(1) == target
    assert fooled.sum() >= 5
    hot = [
        lit[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].any()
        for image in stamped[fooled]
        for row, column in [
            np.unravel_index(insight.attention(recording, "poisoned", image, target).argmax(), lit.shape)
        ]
    ]
    assert np.mean(hot) >= 0.8


def test_the_real_backdoor_has_a_path_that_cleaning_takes_away(recording: Result) -> None:
    images, target = pictured_sources(recording, 60), recording.config.attack.target
    before, after = (insight.path(recording, which, images) for which in ("poisoned", "clean"))
    assert before[-1].most == target
    assert before[-1].change[target] > 3
    assert before[4].reacts.sum() > 5
    assert not after[4].reacts.any()
    assert not after[5].reacts.any()
