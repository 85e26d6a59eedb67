"""A run as one HTML file: opens offline, prints well, needs no script; what it shows is inside it.

With `truth=False` it is what a blind reviewer may have: scores, flagged images, the networks' accuracy on
clean images; nothing of the attack, no ids (stamped copies stand behind the clean rows), no original.

`page` puts it together of sections: a function that computes (`figures`, `images`, `histograms`), and a template beside
it that writes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
