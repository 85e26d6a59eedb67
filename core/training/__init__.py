"""All that imports torch to train: networks, optimisers, the step, the loop, the device.

Images and labels in, weights out; it knows no attack and no detector, and the entries of the networks load no torch.
An epoch's order, shifts and flips are drawn for every id from (seed, epoch) alone, so that a resumed training equals an
undisturbed one, and the retraining differs from the first training only by the removed rows. A step asks the device
nothing: it is recorded as a CUDA graph, and recording fails where the host waits for a value. Threads that wait let go
of their core (`threads`): beside two busy processes on two cores a step takes 1.8 times as long by OpenMP's default.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
