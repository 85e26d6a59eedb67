"""The questions that an audience asks about the defence, answered in plain words."""

import streamlit as st

SIGNATURES = """
**Where does the SVD take place?** Not in the pictures. Every training image is shown to the trained network,
and its *representation* is read off inside it (by default the pooled layer before the last one). For each
label, these rows form a matrix; their mean is subtracted, and the singular value decomposition of that matrix
gives the one direction in which the images of this label differ most.

**Why does it help?** To a network that learned the backdoor, the trigger is the strongest evidence of all for
the target class. Images that carry it get a part in their representation that the others lack. If there are
enough of them, that part is the direction in which the class differs most: the *spectral signature*. In the
pixels it could not be seen.

**What is an outlier here?** An image that lies far along that direction. The score is its squared distance
along it from the mean of its label. It is no proof: odd but honest images score high too, and where a class
has two kinds of pictures, the top direction may be theirs.

**What does removing do?** The highest scores of each label are left out, and a new network is trained from
scratch on the rest. Where few poisoned images remain, it does not learn the trigger. The clean images that
went with them are the price.
"""


def signatures() -> None:
    with st.expander("What happens here, in plain words", icon=":material/help:"):
        st.markdown(SIGNATURES)
