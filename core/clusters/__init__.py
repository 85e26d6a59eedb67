"""A Ray cluster: its address with options as a line of text, the way there, and what its nodes have in common.

What is computed there is another room's business: the cells of a sweep, the blocks of a set that is audited.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
