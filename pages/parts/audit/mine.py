"""A network of the visitor's own, by its path on the server's machine: weights or an ONNX file, asked in an audit."""

from __future__ import annotations

import streamlit as st

from core import audits
from pages.parts.audit import kept
from pages.parts.audit.kept import Mine

PATH, ARCHITECTURE, OUTPUT = "audit own network", "audit own architecture", "audit own output"
USUAL = "resnet18"


def wished() -> Mine | None:
    """The network that stands in the fields; None where none does."""
    path = _written(PATH)
    return Mine(path, _written(ARCHITECTURE) or USUAL, _written(OUTPUT) or None) if path else None


def fields() -> None:
    """Where one's own network is named; folded, since most have none."""
    if not audits.allowed_folders():
        return
    with st.expander("My own network"):
        path = _field(
            "Path of the network", PATH, "network.onnx, resnet18.safetensors …",
            "An ONNX file, or weights as safetensors, below the folders that sets are read from. It is asked in place "
            "of one that is trained on the set, and believed only where it answers the labels.",
        )  # fmt: skip
        if path.lower().endswith(".safetensors"):
            _field(
                "Architecture", ARCHITECTURE, USUAL,
                "A name of torchvision's, or poisonscope/resnet18 and the like for a network of this program.",
            )  # fmt: skip
        elif path:
            _field("Output", OUTPUT, "found by itself", "The output with a column a class, where several have one.")


def _field(label: str, key: str, placeholder: str, words: str) -> str:
    kept.remember(key)
    written = st.text_input(label, key=key, placeholder=placeholder, help=words)
    kept.hold(key)
    return written.strip()


def _written(key: str) -> str:
    """What stands in a field, or stood there before another screen was visited."""
    return str(st.session_state.get(key, st.session_state.get(kept.HELD + key, "")) or "").strip()
