"""The ledger of what was asked for, how far it is, and how long it will take.

A job is a row of an SQLite file; carrying it out is core.worker's. Nothing here imports torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
