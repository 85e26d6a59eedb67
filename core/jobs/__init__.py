"""The ledger of what was asked for, how far it is, how long it will take, and who lives.

Start is one INSERT into an SQLite file, unique on the request's key; a second start joins the first. A worker process
(core.worker) in a session of its own carries jobs out one after the other and outlives tab and server. Who lives is
told by file locks, which the system frees with their holder: a running job whose lock is free is *lost*, and resuming
it goes on from the last checkpoint. Progress and heartbeat are written by a thread of their own, so training never
waits for the disk. Nothing here imports torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
