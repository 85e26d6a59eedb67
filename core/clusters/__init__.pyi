from . import places as places
from .connection import connected as connected
from .connection import reason as reason
from .connection import seen_by_all as seen_by_all
from .connection import stop as stop
from .places import Place as Place
from .places import checked as checked
from .places import place as place
