"""The glossary, within reach of every screen: a button in the sidebar opens it, and a word searches it."""

from __future__ import annotations

import streamlit as st

from pages.parts.around import words
from pages.parts.around.templates import render

TERMS = (
    ("Benign", "not poisoned; of a network: trained on a set without poison"),
    (
        "Trigger",
        "what is stamped on an image: a bright pixel or a small pattern in a corner, or a faint change of all of it",
    ),
    ("Target class", "the class that triggered images shall be taken for"),
    ("Source class", "the true class of the images that are stamped, where the attack keeps to one"),
    ("Poisoned", "put into the training set by the attacker, stamped and labelled to teach the trigger"),
    ("Poisoned set", "the training set with the stamped, falsely labelled images in it"),
    ("Cover", "an image that is stamped but rightly labelled: it hides the poison, and is none"),
    ("Ratio", "how much is poisoned, as a share of the clean target class unless the whole training set is named"),
    ("Representation", "the numbers with which a late layer of the network describes an image"),
    ("Attribution", "how much each channel of the first layers adds to the network's answer for an image's label"),
    ("Singular value", "how far the rows of a centred matrix spread along one of its singular directions"),
    ("Spectral signature", "the trace that poison leaves: a leading direction along which poisoned images stand apart"),
    ("Outlier score", "how suspicious a detector finds an image; higher is more suspicious, everywhere"),
    ("Assumed ratio", "what the defender fears: the share of a class that is poisoned at most. It gives ε"),
    ("ε (epsilon)", "how many images of a class the defender assumes to be poisoned"),
    ("Budget", "how many images the filter removes from a class, 1.5·ε by default"),
    ("Gap", "where the two groups of scores in a class part, as a detector sees them"),
    ("Cut at the gap", "removing what scores beyond the point where a class's two groups part; no ε is assumed"),
    ("To name a class", "to call it poisoned, its statistic being above the detector's threshold"),
    ("Random and perfect filter", "the same budget spent by lot, and spent by someone who knows the truth"),
    ("Verdict", "what a person says of an image: clean, poisoned, or not sure"),
    ("Keep-list", "the images that stay: all but the cut, or what verdicts made of it"),
    ("Rebuilt trigger", "a trigger worked out from what the flagged images of a class share"),
    ("Transplant", "to lay a rebuilt trigger on other images and ask the network; it is proved where that answers the "
     "class, and not to patterns like it"),
    ("Mark", "something that images of a class share and that does nothing to the network"),
    ("Recipe", "a training as explicit numbers, by name"),
    ("Sweep", "a grid of runs; a cell is one run of it"),
    ("Blind review", "looking at images and scores without being told which are poisoned"),
)  # fmt: skip


def entries(wanted: str = "") -> list[tuple[str, str]]:
    """Terms and figures with what they mean; those in which every word that is wanted stands, the names first."""
    known = [*TERMS, *((words.figure(name).name, words.explain(name)) for name in words.FIGURES)]
    parts = wanted.casefold().split()
    found = [one for one in known if all(part in " ".join(one).casefold() for part in parts)]
    return sorted(found, key=lambda one: not all(part in one[0].casefold() for part in parts)) if parts else found


def button() -> None:
    """In the sidebar of every screen."""
    if st.sidebar.button("Glossary", icon=":material/dictionary:", type="tertiary", key="glossary"):
        _show()


@st.dialog("Glossary", width="large")
def _show() -> None:
    wanted = st.text_input("Search", placeholder="a word: budget, ASR, gap …", key="glossary search")
    found = entries(wanted)
    if found:
        st.html(render("around/glossary.html.jinja", entries=found))
    else:
        st.caption("No term has all of these words.")
    st.caption("The questions behind the words are answered on *How it works*.")
