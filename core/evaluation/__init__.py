"""From scores to decisions, and from decisions and predictions to figures.

Pure arithmetic on arrays: nothing is read, stored, drawn or trained. `rebuilt` and `transplant` say what the decisions
have in common, and whether it does any harm; a network is a function that they are given.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
