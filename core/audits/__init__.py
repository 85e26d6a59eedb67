"""A person's own image set, from where it lies into arrays: class folders, archives, tables, Parquet, NumPy.

What is there is said before a pixel is decoded (`recognise`); then all is read (`read`). Nothing is extracted to disk,
nothing is unpickled, no link is followed out of the set, and one broken picture fails alone. What was left out, what
could not be read and what a viewer shows otherwise than a network sees it is told, never dropped in silence.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
