"""Pictures and tables as HTML and SVG, for what must stand without a plotting library: reports, and screens.

A module computes where things stand, a template beside it draws them, so that all that was given is escaped by the
template and nowhere else. Every function returns Markup: text that another template takes as it is, and that escapes a
plain string joined to it by `+`. Colours follow the reader's light or dark ground (`currentColor`), and never stand
alone: poisoned is orange, hatched, ✕; benign is blue, plain, ●.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
