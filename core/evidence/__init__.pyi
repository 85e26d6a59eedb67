from . import superimpose as superimpose
from .gathering import LOSSES as LOSSES
from .gathering import gather as gather
from .gathering import has_losses as has_losses
from .gathering import lacking as lacking
from .representations import attribute as attribute
from .representations import predict as predict
from .representations import represent as represent
