"""The data sets that can be chosen."""

from __future__ import annotations

from core.configuration import Entry

ENTRIES = {
    "cifar10": Entry(
        "CIFAR-10: 50,000 training and 10,000 test photographs of 32 by 32 pixels in ten classes",
        "Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        "core.datasets.cifar10:load",
        facts={
            "class_names": (
                *("airplane", "automobile", "bird", "cat", "deer"),
                *("dog", "frog", "horse", "ship", "truck"),
            ),
            "class_sizes": (5_000,) * 10,
            "test_size": 10_000,
            "image_shape": (32, 32, 3),
            "download": True,
        },
    ),
    "digits": Entry(
        "Handwritten digits: 1,797 real images that come with scikit-learn, no download",
        "Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI repository, 1998",
        "core.datasets.digits:load",
        facts={
            "class_names": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            "class_sizes": (149, 152, 148, 153, 151, 152, 151, 150, 145, 150),
            "test_size": 296,
            "image_shape": (32, 32, 3),
            "download": False,
        },
    ),
}
