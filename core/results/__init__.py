"""Reading a finished run, showing it and taking it elsewhere: results, recorded runs, export, report, reviews, insight.

Only what is stored is read; where a picture or an answer is asked for, a stored network is asked. Nothing is trained.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
