"""What a detector may see besides labels: representations, losses of the training, answers to superimposed images.

Made from images and networks, never from the truth.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
