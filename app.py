"""Poisonscope's screens: `streamlit run app.py`. What they share stands in pages/parts."""

from pages.parts.around import shell

shell.open_screen()
