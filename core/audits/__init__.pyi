from .brought import Brought as Brought
from .brought import Listing as Listing
from .brought import Unreadable as Unreadable
from .sources import read as read
from .sources import recognise as recognise
