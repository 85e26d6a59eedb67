"""Many runs: a grid of settings carried out here or on a Ray cluster, planned, started, paused and looked at.

What a cell comes to is one small artefact; a cell that has it is not run again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
