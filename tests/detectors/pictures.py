"""Pictures made like photographs: smooth, in colour, as likely as their mirror images."""

from __future__ import annotations

import numpy as np


def photographs(count: int, side: int, seed: int) -> np.ndarray:
    """[count, side, side, 3] uint8 with a spectrum that falls as photographs' do; either way round is as likely."""
    rng = np.random.default_rng(seed)
    across, down = np.fft.rfftfreq(side) * side, np.fft.fftfreq(side) * side
    falling = 1 / (1 + np.hypot(down[:, None], across)) ** 2.2
    noise = rng.normal(size=(count, 3, side, side))
    planes = np.fft.irfft2(np.fft.rfft2(noise) * falling, s=(side, side))
    planes[:, 1:] = 0.6 * planes[:, :1] + 0.4 * planes[:, 1:]
    contrast = rng.uniform(0.6, 1.4, (count, 1, 1, 1)) * 55 / planes.std()
    images = np.clip(128 + rng.normal(0, 20, (count, 1, 1, 1)) + contrast * planes, 0, 255)
    return images.transpose(0, 2, 3, 1).astype(np.uint8)
