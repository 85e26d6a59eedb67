from .classes import NOTHING as NOTHING
from .scoring import EVIDENCE as EVIDENCE
from .scoring import detect as detect
from .spectral import top_singular as top_singular
