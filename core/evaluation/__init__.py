"""From scores to decisions, and from decisions and predictions to figures.

Pure arithmetic on arrays: nothing is read, stored, drawn or trained.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
