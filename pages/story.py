"""Poisonscope."""

import streamlit as st

from pages.parts import shell


def main() -> None:
    st.title("Poisonscope")


shell.ensure()
main()
