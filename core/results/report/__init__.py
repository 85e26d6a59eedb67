from core.results.report.page import *  # noqa: F403
from core.results.report.page import _plain as _plain
