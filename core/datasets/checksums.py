"""The SHA-256 of each data set's arrays (C-order bytes), by which it is known to be the right one."""

from __future__ import annotations

from types import MappingProxyType

CHECKSUMS = MappingProxyType(
    {
        "cifar10": MappingProxyType(
            {
                "train_images": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
                "train_labels": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
                "test_images": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
                "test_labels": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
            }
        ),
    }
)
