"""Reading a finished run, showing it and taking it elsewhere: results, recorded runs, export, report, reviews, insight.

Only what is stored is read; where a picture or an answer is asked for, a stored network is asked. Nothing is trained.

`assets/recorded/` holds two finished runs on one poisoned network: the artefacts of every stage, and the pictures of
some nine hundred images. When the app starts they go into the store under their own keys and into the ledger as done,
so no screen knows them from a run that was made here. `assets/tables/runs/` holds one seed of each of the report's
twelve rows, each in a file of its own that is unpacked when somebody opens it. Features are kept in 8 bits, weights in
float16, logits in float16 (in 8 bits behind the tables), rounded so that no network changes its answer to any test
image; scores and flags are exact. Where CIFAR-10 is not on the machine the recordings stand in for it: all labels, some
pictures, the rest grey and marked so (`Dataset.pictured`). A test fails when their keys are no longer this version's.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
