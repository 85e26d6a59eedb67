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
        "digits": MappingProxyType(
            {
                "train_images": "ce97cd6a5da957f691df7076ce5ac0ecb862fe8d491bf75d6a678de3f6c7146f",
                "train_labels": "74617325b5fa3e402cddaded1c8744c5d3f2a1c078518ea1053391e3f9542c5b",
                "test_images": "2183243c332b8d58704e740ef360fe5d01bda9db99cc8e67307b2bbc98a9c4ff",
                "test_labels": "bf3d7b746a9a5abdbc22f9957f73e33aed51fb1915e040dc07798cf24ec84abf",
            }
        ),
    }
)
