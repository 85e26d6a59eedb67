"""What each plot of the Scores screen shows, in plain words beside it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st


class Panel(NamedTuple):
    """A few sentences, and more for those who ask."""

    says: str
    question: str
    answer: str


PANELS = {
    "histogram": Panel(
        "Each bar counts the images with such a score. What lies right of the dashed line is removed: "
        "**drag the line**, or drag across the bars to look at those images below.",
        "What is an outlier here?",
        "An image whose *representation* inside the trained network lies far from the others of its label, along "
        "the direction that the detector chose. It need not look odd to the eye, and odd but honest images score "
        "high too: a score is a suspicion, no proof.",
    ),
    "curves": Panel(
        "Every possible budget of this class is a point on these curves; the **diamond** is the cut above and moves "
        "with it. Dotted: what guessing would do. The best corner is the upper left one of the ROC curve, the upper "
        "right one of the other.",
        "Why two curves?",
        "Few images are poisoned. A small FPR can still mean more benign than poisoned images among those removed, "
        "which the ROC curve hides and precision shows. The areas under them are AUROC and average precision: they "
        "judge the detector, the diamond judges the budget.",
    ),
    "spectrum": Panel(
        "The SVD takes a class's representations apart into directions; a **singular value** says how much the "
        "class's images differ along one. One that stands far above the next is a hint: a part of the class shares "
        "something that the rest lacks.",
        "Where does the SVD take place, and why does it help?",
        "Not in the pictures: in the network's inside, on one row of numbers for each image of the label, after "
        "their mean is subtracted. To a fooled network the trigger is the strongest evidence there is, so the "
        "poisoned images share a direction of their own. In a benign class the largest values can lie apart as "
        "well, where it has two kinds of pictures.",
    ),
    "scatter": Panel(
        "Every image of the class, seen along its two leading singular directions. The squared distance from the "
        "middle along the **first** is Algorithm 1's outlier score. **Draw a lasso** around a group, and its images "
        "stand below.",
        "Why is the poison sometimes not on the right?",
        "The first direction is the one in which the class differs most. Where the class itself differs more than "
        "the poison does (two kinds of horses, say), the poison shows in a later direction, or in none. Detectors "
        "that whiten the class first look for what the other classes do not have.",
    ),
    "filters": Panel(
        "The cut beside two filters of the same budget: **random** removes as many from each class by lot, **perfect** "
        "knows the truth and removes poison alone. A good cut stands near the second.",
        "Why compare?",
        "A budget caps what any filter can do: a small one cannot find all poison, a large one must remove clean "
        "images. These two say how much of a figure is the detector's doing, and how much the budget's.",
    ),
}


PICKED = (
    "Nothing is picked out yet. Drag across the histogram, draw a lasso in the scatter, or write a range of scores."
)


def show(name: str) -> None:
    """The panel of a plot: what it shows, and one question that it raises."""
    panel = PANELS[name]
    st.markdown(panel.says)
    with st.expander(panel.question, icon=":material/help:"):
        st.markdown(panel.answer)
