"""Every registered network keeps the contract of `Network`: what goes in, what comes out, the same for a seed."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.configuration.config import LAYERS
from core.configuration.registry import MODELS
from core.training import models

every_model = pytest.mark.parametrize("name", MODELS)
CLASSES = 7


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Four images of whole numbers from 0 to 255, as they come out of uint8."""
    drawn = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    return drawn.float().to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def built() -> dict[str, models.Network]:
    """One network of each kind, calibrated, in evaluation mode."""
    networks = {name: models.build(name, CLASSES, seed=3) for name in MODELS}
    sample = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255
    for network in networks.values():
        network.calibrate(sample)
        network.eval()
    return networks


@every_model
def test_logits_are_one_number_a_class(name, built, images):
    with torch.inference_mode():
        logits = built[name](images)
    assert logits.shape == (4, CLASSES)
    assert torch.isfinite(logits).all()


@every_model
@pytest.mark.parametrize("representation", LAYERS)
def test_every_representation_is_one_vector_an_image_beside_the_logits(name, representation, built, images):
    with torch.inference_mode():
        features, logits = built[name].represent(images, representation)
        alone, _ = built[name].represent(images[2:3], representation)
        assert torch.allclose(logits, built[name](images), atol=1e-5)
    assert features.ndim == 2
    assert len(features) == 4
    assert features.shape[1] >= 8
    assert torch.isfinite(features).all()
    assert features.std(0).max() > 0, "different images must look different"
    assert torch.allclose(alone, features[2:3], atol=1e-4), "an image's features must not depend on its neighbours"


def from_block2(network: models.Network, maps: torch.Tensor) -> torch.Tensor:
    """Logits [n, k] from the maps of block2, by the network's own later layers."""
    later = network.layers[2:] if isinstance(network, models.Residual) else network.blocks[2:]
    for layer in later:
        maps = layer(maps)
    return network.classify(maps.mean((2, 3)) if isinstance(network, models.Residual) else maps.amax((2, 3)))


@every_model
def test_an_attribution_is_what_a_logit_gains_as_a_channel_grows(name, images):
    network = models.build(name, CLASSES, 0).double().eval()
    pixels, labels = images[:2].double(), torch.tensor([1, 4])
    found, logits = network.attribute(pixels, labels)
    with torch.inference_mode():
        seen = network.maps(pixels)
        widths = [seen[block].shape[1] for block in models.ATTRIBUTED]
        assert found.shape == (2, sum(widths))
        assert torch.allclose(logits, network(pixels))
        for channel in (0, widths[1] - 1):
            grown, step = seen["block2"].clone(), 1e-5
            grown[:, channel] *= 1 + step
            gain = (from_block2(network, grown) - from_block2(network, seen["block2"]))[[0, 1], labels] / step
            places = seen["block2"][0, 0].numel()
            assert torch.allclose(found[:, widths[0] + channel] * places, gain, rtol=1e-3, atol=1e-7)


@every_model
def test_the_logits_come_from_the_penultimate_representation_alone(name, built, images):
    with torch.inference_mode():
        penultimate, logits = built[name].represent(images, "penultimate")
        assert torch.equal(built[name].classify(penultimate), logits)


@every_model
def test_the_same_seed_draws_the_same_weights_and_another_seed_others(name):
    one, two, other = (models.build(name, CLASSES, seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@every_model
def test_building_a_network_leaves_the_global_random_state_alone(name):
    before = torch.get_rng_state()
    models.build(name, CLASSES, 5)
    assert torch.equal(before, torch.get_rng_state())


@every_model
def test_calibrating_makes_the_input_zero_mean_and_unit_variance(name):
    network = models.build(name, CLASSES, seed=0)
    sample = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 100 + 20
    network.calibrate(sample)
    normal = network.normalise(sample)
    assert normal.mean((0, 2, 3)).abs().max() < 1e-4
    assert (normal.std((0, 2, 3)) - 1).abs().max() < 1e-3


@every_model
def test_calibrating_on_one_flat_colour_still_gives_numbers(name, images):
    network = models.build(name, CLASSES, seed=0)
    network.calibrate(torch.full((4, 3, 32, 32), 200.0))
    network.eval()
    with torch.inference_mode():
        assert torch.isfinite(network(images)).all()


@every_model
def test_a_network_learns_by_gradients_that_are_numbers(name, images):
    network = models.build(name, CLASSES, seed=0)
    network.calibrate(images)
    functional.cross_entropy(network(images), torch.tensor([0, 1, 2, 3])).backward()
    gradients = {key: weight.grad for key, weight in network.named_parameters() if weight.requires_grad}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())


@every_model
def test_a_networks_state_fits_another_of_the_same_kind(name, built, images):
    copy = models.build(name, CLASSES, seed=99)
    copy.load_state_dict(built[name].state_dict())
    copy.eval()
    with torch.inference_mode():
        assert torch.equal(copy(images), built[name](images))


def test_resnet18_has_the_weights_that_its_entry_says():
    network = models.build("resnet18", 10, 0)
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6, 1) == 11.2


def test_the_whitening_layer_is_frozen_and_whitens(images):
    network = models.build("whitened_cnn", 10, 0)
    assert not network.whitening.weight.requires_grad
    sample = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(4)).cumsum(3) * 10 + 128
    network.calibrate(sample)
    with torch.no_grad():
        answers = network.whitening(network.normalise(sample)).transpose(0, 1).flatten(1)
    half = len(answers) // 2
    covariance = torch.cov(answers[:half])
    assert torch.allclose(covariance, torch.eye(half), atol=0.05)
    assert torch.allclose(answers[half:], -answers[:half], atol=1e-4)


@every_model
def test_the_first_maps_are_what_the_first_learned_layer_answers(name, built, images):
    with torch.inference_mode():
        maps = built[name].first_maps(images)
    filters = built[name].first_filters()
    assert maps.shape[:2] == (4, len(filters))
    assert filters.shape[1] == 3
    assert filters.shape[2] == filters.shape[3]
    assert torch.isfinite(filters).all()


def resembling(network: models.Network) -> None:
    """Give a fresh network's first norm statistics and weights of its own, as a training would."""
    norm = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
        norm.weight.uniform_(0.5, 2, generator=generator)
        norm.bias.normal_(generator=generator)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("resnet")])
def test_a_residual_networks_first_filters_act_on_raw_pixels_as_its_stem_does(name, images):
    network = models.build(name, CLASSES, seed=4)
    network.calibrate(images)
    resembling(network)
    network.eval()
    flat = torch.full_like(images, 100)
    with torch.inference_mode():
        convolution, norm = network.stem[:2]
        answers = [norm(convolution(network.normalise(seen)))[..., 1:-1, 1:-1] for seen in (images, flat)]
        by_filters = functional.conv2d(images - flat, network.first_filters())
        assert torch.allclose(answers[0] - answers[1], by_filters, atol=1e-3)
        assert torch.allclose(network.first_maps(images)[..., 1:-1, 1:-1], answers[0].relu(), atol=1e-5)


def test_the_filters_behind_the_whitening_are_the_odd_part_of_the_layer(images):
    """gelu(z) - gelu(-z) = z exactly: an image less its negative is answered linearly, by these filters."""
    network = models.build("whitened_cnn", CLASSES, seed=4)
    network.calibrate(images)
    resembling(network)
    with torch.no_grad():
        network.blocks[0][0].weight.normal_(generator=torch.Generator().manual_seed(8))
    network.eval()
    mean = network.get_buffer("mean")
    with torch.inference_mode():
        convolution, _, norm = network.blocks[0][:3]

        def answer(seen: torch.Tensor) -> torch.Tensor:
            whitened = network.whitening(network.normalise(seen))
            return norm(convolution(functional.gelu(whitened)))[..., 1:-1, 1:-1]

        odd = (answer(images) - answer(2 * mean - images)) / 2
        by_filters = functional.conv2d(images - mean, network.first_filters())
        assert by_filters.shape == odd.shape
        assert torch.allclose(odd, by_filters, atol=1e-3 * float(odd.abs().max()))
        near = mean + (images - mean) / 1000  # there the even part is of second order
        change = answer(near) - answer(mean.expand_as(images))
        assert torch.allclose(change, by_filters / 1000, atol=0.02 * float(change.abs().max()))
        block = network.blocks[0][:4](functional.gelu(network.whitening(network.normalise(images))))
        assert torch.equal(network.first_maps(images), block)
