"""Networks that know a set, made without training: the last layer of a random one is fitted to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from core import datasets
from core.audits import asking
from core.configuration import DatasetConfig
from core.types import Images
from tests.audits.made import EACH, PLANTED, planted_photographs

Set = tuple[Images, list[str]]


@pytest.fixture(scope="session")
def digits() -> Set:
    """Eleven classes of digits: ten, of which one was cut in two, so that 2 and 10 are in another order as text."""
    data = datasets.load(DatasetConfig(name="digits", per_class=33))
    labels = data.train_labels.copy()
    labels[np.flatnonzero(labels == 9)[::2]] = 10
    return np.array(data.train_images), [str(label) for label in labels]


@pytest.fixture(scope="session")
def photographs() -> Set:
    """Made-up photographs of three classes; one bears a mark in some of its images."""
    return planted_photographs(), np.repeat(PLANTED, EACH).tolist()


@pytest.fixture(scope="session")
def resnet(digits: Set) -> nn.Module:
    """A torchvision ResNet-18 whose last layer is fitted to the digits, its classes in the order of their names."""
    return fitted(*digits)


@pytest.fixture(scope="session")
def seer(photographs: Set) -> nn.Module:
    """The same for the photographs, those with the mark among them."""
    return fitted(*photographs)


def fitted(images: Images, names: list[str]) -> nn.Module:
    """A ResNet-18, random but for its last layer, which answers the classes in the order of their names as text."""
    torch.manual_seed(0)
    classes = sorted(set(names))  # 0, 1, 10, 2: as ImageFolder has them
    network = models.resnet18(num_classes=len(classes)).eval()
    mean, std = (torch.tensor(one)[:, None, None] for one in asking.SCALINGS["as ImageNet's"])
    seen: list[torch.Tensor] = []
    hook = network.fc.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    with torch.inference_mode():
        network((torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - mean) / std)
    hook.remove()
    weight, bias = linear(seen[0].numpy(), np.array([classes.index(name) for name in names]), 1e-6)
    network.fc.weight.data, network.fc.bias.data = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)
    return network


def linear(features: np.ndarray, labels: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights [d, k] and biases [k] by which features [n, d] answer labels [n], by least squares."""
    wanted = np.eye(labels.max() + 1)[labels]
    known = np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)
    found = np.linalg.solve(known.T @ known + ridge * np.eye(known.shape[1]), known.T @ wanted)
    return found[:-1].astype(np.float32), found[-1].astype(np.float32)
