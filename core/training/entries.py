"""The networks that can be chosen; core.training.models builds them. Nothing here loads torch."""

from __future__ import annotations

from core.configuration import Entry

ENTRIES = {
    "resnet18": Entry(
        "ResNet-18 in its CIFAR form: 3x3 stem, no max-pooling, 11.2 million weights",
        "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016",
        "core.training.models:resnet18",
        facts={"cpu_images_per_second": 100},  # forward and backward, two cores
    ),
    "resnet_small": Entry(
        "A residual network of widths 16 to 128 that pools after its stem, for two CPU cores",
        "He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016",
        "core.training.models:resnet_small",
        facts={"cpu_images_per_second": 2000},  # forward and backward, two cores
    ),
    "whitened_cnn": Entry(
        "Three convolution blocks behind a first layer frozen to whiten patches; fast on two CPU cores",
        "in the manner of Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024",
        "core.training.models:whitened_cnn",
        facts={"cpu_images_per_second": 1900},  # forward and backward, two cores
    ),
    "whitened_wide": Entry(
        "The same at the published widths, 64, 256, 256; 92% to 94% within seconds on a GPU",
        "in the manner of Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024",
        "core.training.models:whitened_wide",
        facts={"cpu_images_per_second": 300},
    ),
}
