from .classes import NOTHING as NOTHING
from .cost import Cost as Cost
from .cost import expected as expected
from .plain import plain_faults as plain_faults
from .scoring import EVIDENCE as EVIDENCE
from .scoring import detect as detect
from .spectral import top_singular as top_singular
