from . import poison as poison
from . import triggers as triggers
from .poison import aim as aim
from .poison import sources as sources
