"""Many runs: a grid of settings carried out here or on a Ray cluster, planned, started, paused and looked at.

A sweep is a small YAML file (`core.grid`) and a job of a kind of its own: paused is cancelled, resumed is queued again.
What a cell comes to is one small artefact; a cell that has it is not run again, and a table of hundreds reads no
arrays. Between two cells the worker looks whether another job waits, and then lets it go first.

On a cluster the worker, or a command, is the driver: it sends one Ray task a cell and looks twice a second. A task
calls what the worker itself calls for a cell. Cells of one poisoned network wait for the first of them, since a lock
binds only those on one file system. With a share, a list of a cell's parts goes there, and the cell's figures last, so
whoever finds a cell finds all of it (docs/cluster.md).

`assets/sweeps/` holds sweeps with their figures: they stand in for runs that were not made on this machine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
