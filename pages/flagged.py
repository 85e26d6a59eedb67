"""Flagged: the images that the cut removes, the most suspicious first, and whether they really were poisoned.

The cut is the run's own until the Scores screen changes it (pages/parts/around/cuts.py). Filters, order, page, image
and reviewer stand in the address, so that a link reopens the view. In blind review ids are not shown either:
stamped copies have ids behind those of the clean images, so an id would tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import Result
from pages.parts.around import current, cuts, shell, trouble, words
from pages.parts.around.cuts import Cut, Scored
from pages.parts.common import findings, proof
from pages.parts.flagged import chips, choosing, detail, saved, staying, strip, taking, verdicts
from pages.parts.flagged.choosing import View
from pages.parts.images import gallery, picked

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

PAGE_SIZES = [24, 48, gallery.PER_PAGE, 192]
PAGE = "page"  # the pager's key
LIMITS = ("score from", "score to")  # on the scale of one detector
# What the address holds, with what is usual: kept whatever the run, and what belongs to one.
LASTING = {"reviewer": verdicts.ANYONE, "size": gallery.SIZE, "page size": gallery.PER_PAGE, "order": choosing.HIGHEST}
FILTERS = {
    **dict.fromkeys(("show", "part"), choosing.ALL),
    **{"verdict": verdicts.ANY, "label": choosing.EVERY, "origin": choosing.EVERY},
    **dict.fromkeys(LIMITS),
    PAGE: 1,
}
OWNERS = ("run", "detector")  # whose the view is
VIEW = {name: usual for name, usual in {**LASTING, **FILTERS}.items() if name not in ("reviewer", PAGE)}


def page() -> None:
    st.title("Flagged images")
    result = current.need_run()
    if saved.open_asked(result, VIEW):
        first_page()
    cut = cuts.chosen(result)
    found = picked.need_scores(result)
    flagged = cuts.flag(found, cut)
    truth = say_cut(result, cut, found, flagged)
    findings.show(result, found)
    if not flagged.any():
        nothing(cut, found)
    review(result, found, cut, flagged, truth)
    say_recorded(result)
    proof.show(result, found, flagged, truth)


def say_cut(result: Result, cut: Cut, found: Scored, flagged: Mask) -> bool:
    """Which cut this is, whether it is what the run removed, and whether the truth is shown."""
    own_cut = cuts.usual(result, result.config.defence.detector)
    own = cut == own_cut if result.config.keep is not None else bool((result.flagged == flagged).all())
    what = "This is what the run removed" if own else "**Tried on**, not what the run removed"
    if own and result.config.keep is not None:
        what = core.report.reviewed_cut(result).rstrip(".")
    st.markdown(
        f"{words.count(int(flagged.sum()), 'image')} flagged by **{cut.detector}**: {picked.taken(cut)} of "
        f"{picked.in_scope(result, found, cut)}. {what}."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        truth = cuts.truth_switch()
        st.page_link("pages/scores.py", label="Change the cut on the Scores screen", icon=":material/bar_chart:")
        if not own:
            st.button("Back to the run's own cut", on_click=lambda: cuts.choose(result, own_cut))
    return truth


def say_recorded(result: Result) -> None:
    if not result.pictured.all():
        st.info(
            f"This is the recorded run, with the pictures of {int(result.pictured.sum()):,} of "
            f"{words.count(len(result.poisoned), 'image')}; the scores are those of all. "
            "`make data`, or Fetch on the Attack screen, brings every picture.",
            icon=":material/movie:",
        )


def nothing(cut: Cut, found: Scored) -> None:
    """Nothing found is an answer too."""
    if cut.at == "budget" and not cut.budget:
        reason = "the budget is 0, so no image is flagged"
    elif cut.at == cuts.GAP and len(found.in_scope(cut.scope)):
        reason = "no image lies beyond the gap of a class"
    else:
        reason = "the detector names no class as poisoned" if found.names_classes else "no class is in scope"
    st.info(f"Nothing found: {reason}.", icon=":material/search_off:")


# --- looking at them -------------------------------------------------------------------------------------


@st.fragment
@trouble.said()
def review(result: Result, found: Scored, cut: Cut, flagged: Mask, truth: bool) -> None:
    """Filter, grid and detail; reruns alone."""
    recall(result, cut.detector)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = ask(result, found, truth)
        saved.menu(result, VIEW)
        reviewer = verdicts.reviewer()
        book = verdicts.book(result, reviewer)
        if book is not None and book.reviewer:
            verdicts.undo_button(book)
    remember()
    wanted = choosing.fitting(result, found, flagged, asked)
    with st.container():  # always one place on the page, or the grid below would be put on it anew
        if book is not None:
            verdicts.tally(result, book, truth)
        groups = choosing.groups(result, found, wanted, asked.order)
        chosen = choosing.select(result, found, wanted, asked, book, groups)
        chips.show(active(asked, truth), len(chosen), int(flagged.sum()), clear)
    with st.container():  # likewise
        scores(result, found, cut, asked, wanted, truth)
    with st.container():  # likewise
        look(result, found, flagged, chosen, book, truth, groups)
    made = core.keeping.decided(flagged, {} if book is None else book.verdicts)
    staying.show(result, made, book is not None and bool(book.verdicts), truth)
    taking.show(result, found, made, truth, chosen, gallery.chosen("grid") if len(chosen) else [])


def scores(result: Result, found: Scored, cut: Cut, asked: View, wanted: Mask, truth: bool) -> None:
    """The scores of what the filter may show, to be brushed."""

    def change(*ends: float | None) -> None:
        if ends != tuple(st.session_state[limit] for limit in LIMITS):
            st.session_state.update(zip(LIMITS, ends, strict=True))
            first_page()

    shown = asked.kind, asked.label, asked.origin
    strip.show(result, found, cut, shown, wanted, truth, (asked.low, asked.high), change)


def look(
    result: Result, found: Scored, flagged: Mask, chosen: Ids, book: verdicts.Book | None, truth: bool,
    groups: Ids | None,
) -> None:  # fmt: skip
    """The grid of what the filter lets through, and beside it one image in detail."""
    if not len(chosen):
        if flagged.any() or truth:
            st.info("No image fits this filter.", icon=":material/filter_alt_off:")
        return
    left, right = st.columns([7, 3], gap="medium")
    with left:
        id = gallery.board(
            result, found, chosen, truth, key="grid", pager=PAGE, per_page=st.session_state["page size"],
            size=st.session_state["size"], flagged=flagged, reviewing=verdicts.reviewing(book), address="image",
            bind="query-params", groups=None if groups is None else groups[chosen],
        )  # fmt: skip
    with right, st.container(key="detail"):
        detail.show(result, found, id, truth, bool(flagged[id]))
        verdicts.note(book, id, int(gallery.handles_of(result, truth)[id]))


def recall(result: Result, detector: str) -> None:
    """Streamlit forgets widgets and empties the address when the page changes: bring back what this tab had.

    Without what belongs to another run, or, of the limits of the score, to another detector.
    """
    run = core.run_key(result.config)
    view = st.session_state.setdefault("flagged view", {"run": run})
    if view["run"] != run:
        for name in FILTERS:
            view.pop(name, None)
            st.session_state.pop(name, None)
        view |= {"run": run, "detector": detector}
    if view.setdefault("detector", detector) != detector:
        view["detector"] = detector
        if not cuts.by_history("flagged view"):
            drop_limits(view)
    missing = {name: value for name, value in view.items() if name not in OWNERS and name not in st.query_params}
    if missing and cuts.fresh("flagged view"):
        cuts.settle("flagged view")
        st.session_state["flagged recall"] = True
        st.rerun()  # in a run that "back" began, Streamlit takes nothing but the address
    cuts.settle("flagged view")
    if st.session_state.pop("flagged recall", False):
        st.session_state.update(missing)


def drop_limits(view: dict[str, Any]) -> None:
    for name in LIMITS:
        view.pop(name, None)
        if st.session_state.get(name) is not None:
            st.session_state[name] = None


def remember() -> None:
    view = {owner: st.session_state["flagged view"][owner] for owner in OWNERS}
    for name, usual in {**LASTING, **FILTERS}.items():
        if st.session_state.get(name, usual) != usual:
            view[name] = st.session_state[name]
    st.session_state["flagged view"] = view


def ask(result: Result, found: Scored, truth: bool) -> View:
    """The filters; what only the attacker knows is asked only with the truth."""
    names = core.class_names(result.config.dataset.name)
    present = [choosing.EVERY, *(names[label] for label in np.flatnonzero(found.sizes))]
    origin = choosing.EVERY
    covers = bool(result.poisoned.truth.covers.any())
    kinds = choosing.kinds(truth, covers)
    if truth:
        signs = "✕ marks poisoned images, ● benign ones." + (" ○ covers: stamped, true label." if covers else "")
        kind = menu("Show", kinds, "show", width=165, help=signs)
    else:
        kind = menu("Show", kinds, "part", width=150)
    order = menu("Order by", choosing.orders(truth), "order", width=170)
    verdict = menu("Verdict", verdicts.CHOICES, "verdict", width=120)
    with st.popover("More", icon=":material/tune:"):
        label = menu("Label", present, "label")
        if truth:
            origin = menu("Original class", [choosing.EVERY, *names], "origin")
        low, high = (score_limit(limit.capitalize(), limit) for limit in LIMITS)
        st.selectbox(
            "Images on a page",
            PAGE_SIZES,
            index=PAGE_SIZES.index(gallery.PER_PAGE),
            key="page size",
            bind="query-params",
        )
        st.slider("Thumbnail size", 32, 192, gallery.SIZE, step=32, key="size", bind="query-params")
    return View(kind, label, origin, verdict, low, high, order)


def menu(label: str, options: list[str], key: str, **look: Any) -> str:
    """One of the filters' menus; what a saved view left that is not offered here is passed over."""
    if st.session_state.get(key, options[0]) not in options:
        del st.session_state[key]
    return st.selectbox(label, options, key=key, bind="query-params", on_change=first_page, **look)


def active(asked: View, truth: bool) -> dict[str, str]:
    """The filters that hide images, by their keys, in words."""
    said = {
        "show" if truth else "part": asked.kind,
        "verdict": asked.verdict,
        "label": asked.label,
        "origin": asked.origin,
    }
    named = {"show": "", "part": "", "verdict": "verdict ", "label": "label ", "origin": "originally "}
    found = {key: f"{named[key]}{value}" for key, value in said.items() if value != FILTERS[key]}
    limits = zip(LIMITS, ("at least", "at most"), (asked.low, asked.high), strict=True)
    return found | {key: f"score {side} {end:.4g}" for key, side, end in limits if end is not None}


def clear(*keys: str) -> None:
    """Take filters back to what is usual."""
    for key in keys:
        st.session_state[key] = FILTERS[key]
    first_page()


def score_limit(name: str, key: str) -> float | None:
    return st.number_input(
        name, value=None, key=key, bind="query-params", on_change=first_page, format="%.4g", placeholder="any"
    )


def first_page() -> None:
    """Another filter begins at its first page."""
    if st.session_state.get(PAGE, 1) != 1:
        st.session_state[PAGE] = 1


shell.ensure()
page()
