"""What a detector may see besides labels: representations, losses of the training, answers to superimposed images.

Made from images and networks, never from the truth. The losses are the training step's own, written to their ids in a
buffer of fixed place (no other forward pass, not a bit of the arithmetic changed), and lie as an array beside the
poisoned network, whose key is what it was. A network without them is trained once more, by a run that needs them, into
an artefact of its own: the stored network, on which others' results rest, stays. `Result.lacks` says in words why a
detector cannot score a run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
