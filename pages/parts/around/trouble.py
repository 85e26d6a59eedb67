"""A sentence where no part of a screen has foreseen what a person can mend, a full disk say: no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core import PoisonscopeError
from pages.parts.around import words


@contextmanager
def said() -> Iterator[None]:
    """Around a whole screen; as a decorator around a fragment, which runs again without its screen."""
    try:
        yield
    except PoisonscopeError as error:
        st.error(words.sentence(str(error)), icon=":material/error:")
