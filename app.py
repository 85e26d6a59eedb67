"""Poisonscope's screens: `streamlit run app.py`. What they share stands in pages/parts."""

import streamlit as st

from pages.parts import current

st.set_page_config("Poisonscope", page_icon="assets/icon.svg", layout="wide")
st.logo("assets/icon.svg", size="large")
screen = st.navigation(
    [
        st.Page("pages/attack.py", title="Attack", icon=":material/coronavirus:", default=True),
        st.Page("pages/scores.py", title="Scores", icon=":material/bar_chart:"),
        st.Page("pages/flagged.py", title="Flagged", icon=":material/flag:"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
    ]
)
current.keep_address()
current.picker()
screen.run()
