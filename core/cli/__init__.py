"""`python -m core`: the doors as commands. It computes nothing itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
