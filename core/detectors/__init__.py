"""Evidence in, scores out: one detector a file, its entry in `entries.py`, `detect` to ask any of them.

A detector is a function

    detector(features [n, d] float32, labels [n] int64, logits [n, k] float32, **parameters) -> Detection

that sees what the defender has and nothing else: never the truth. Higher scores are more suspicious. Some need more;
their entry names it (fact "needs", names of EVIDENCE) and the function takes it by name:

    detector(features, labels, logits, *, losses [epochs, n] float32, **parameters) -> Detection
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
