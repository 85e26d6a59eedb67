"""What can be asked for: one run, its numbers, its name; a grid of runs.

Nothing here computes, reads a data set or loads torch: a request is checked and written down, and `stages` says
under which key its result will stand. `REGISTRIES` are everything that has a name; their entries stand in the rooms
of what they enter. Sums up in `RunConfig`, which `configure` makes of plain settings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
