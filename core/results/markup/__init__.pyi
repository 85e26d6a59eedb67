from .pictures import PATTERNS as PATTERNS
from .pictures import Scale as Scale
from .pictures import dumbbells as dumbbells
from .pictures import histogram as histogram
from .pictures import picture as picture
from .tables import MATRIX_STYLE as MATRIX_STYLE
from .tables import matrix as matrix
from .tables import table as table
