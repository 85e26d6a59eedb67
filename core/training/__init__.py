"""All that imports torch to train: networks, optimisers, the step, the loop, the device.

Images and labels in, weights out; it knows no attack and no detector. The entries of the networks load no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
