"""What was computed, on disk, and the folder of a user in which it lies.

An artefact is a folder named by the key of all that it depends on: `.npy`, `weights.safetensors`, `document.json` and,
written last, `DONE`, with the SHA-256 of each file. It is prepared elsewhere, synced, and renamed into place: whole or
not at all. What does not match when it is read goes to `quarantine/` and is computed again. Checkpoints are artefacts
as well. Nothing here knows what an artefact means, and nothing pickles.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
