"""Who is stamped, with what, and which label the stamped image gets.

A trigger is one pure function in `triggers.py` and one entry in `entries.py`; `poison` makes the victim's training
set and the truth about it. Nothing here trains.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
