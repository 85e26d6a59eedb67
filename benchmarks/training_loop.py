"""Our training loop against the usual one: a DataLoader with torchvision transforms, image by image.

The same network, data, batch size, augmentation, loss and optimiser in both; both fp32 on this
machine's CPU with all its cores, one epoch each, taken in turns. The usual loop is written as tutorials
write it: PIL transforms in two loader workers, default memory layout, `loss.item()` at every step.

    python -m benchmarks.training_loop [--images 5000] [--rounds 3] [--model whitened_cnn]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import core
from core.training import devices, models, optim
from core.training.loop import train
from core.training.step import to_float


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Images that are transformed one at a time."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], crop: int) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomCrop(32, padding=crop, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[row]), int(self.labels[row])


def usual(dataset: core.Dataset, training: core.TrainingConfig, device: torch.device | None = None) -> float:
    """One epoch of the usual loop, in seconds."""
    device = device or torch.device("cpu")
    network = models.MODELS[training.model].load()(dataset.classes)
    network.calibrate(to_float(torch.from_numpy(dataset.train_images[:2000].copy())))
    network.normalise = lambda images: images  # the transforms normalise
    network.to(device)
    chosen = optim.optimisers(network, training)
    pictures = Pictures(dataset.train_images, dataset.train_labels, training.crop)
    loader = DataLoader(
        pictures, training.batch_size, shuffle=True, num_workers=2 if device.type == "cpu" else 8, drop_last=True
    )
    began = time.perf_counter()
    network.train()
    for images, labels in loader:
        for optimiser in chosen:
            optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images.to(device)), labels.to(device))
        loss.backward()
        for optimiser in chosen:
            optimiser.step()
        loss.item()
    return time.perf_counter() - began


def ours(dataset: core.Dataset, training: core.TrainingConfig) -> float:
    """One epoch of our loop, in seconds."""
    began = time.perf_counter()
    train(dataset.train_images, dataset.train_labels, dataset.classes, training, seed=0)
    return time.perf_counter() - began


def main() -> None:
    """Take turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=None)
    options = parser.parse_args()
    changes = {"per_class": options.images // 10, "epochs": 1, "crop": 1, "flip": True}
    config = core.configure(training=changes | ({"model": options.model} if options.model else {}))
    dataset = core.datasets.load(config.dataset)
    torch.manual_seed(0)
    rounds = [(usual(dataset, config.training), ours(dataset, config.training)) for _ in range(options.rounds)]
    slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    images = options.images
    print(json.dumps({"usual_images_per_second": images / slow, "our_images_per_second": images / fast,
                      "times_faster": slow / fast, "machine": devices.describe(torch.device("cpu"))}))  # fmt: skip


if __name__ == "__main__":
    main()
