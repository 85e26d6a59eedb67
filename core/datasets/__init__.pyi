from .loading import available as available
from .loading import class_sizes as class_sizes
from .loading import first_rows as first_rows
from .loading import load as load
from .loading import prepare as prepare
