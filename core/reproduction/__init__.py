"""The report's tables made again, and the recordings that ship.

What to run and what it costs, carrying it out, what came of it, why it differs, and all of it as text.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
