"""What was computed, on disk, and the folder of a user in which it lies.

An artefact is a folder named by the key of all that it depends on; it is written whole or not at all, and what does
not match its checksums is set aside. Nothing here knows what an artefact means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
