from core.results.markup.pictures import *  # noqa: F403
