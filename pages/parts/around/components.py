"""The app's own components: each is a module with a style and a script of the same name beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st


def beside(module: str, html: str | None = None, **more: Any) -> Any:
    """The component of a module (its `__file__`), named after it: what `NAME.css` and `NAME.js` there make of the html.

    more: as for `st.components.v2.component`.
    """
    place = Path(module)
    files = {kind: place.with_suffix(f".{kind}") for kind in ("css", "js")}
    parts = {kind: file.read_text("utf-8") for kind, file in files.items() if file.is_file()}
    return st.components.v2.component(f"poisonscope_{place.stem}", html=html, **parts, **more)
