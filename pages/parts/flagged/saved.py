"""Views saved by a name: what is filtered, in which order, at which cut. A link with the name opens one anywhere.

They lie beside the reviews (core.saved_views). Opening one sets the filters, which then stand in the address as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

import core
from core import PoisonscopeError, Result
from core.results.saved_views import SavedView
from pages.parts.around import cuts, link, words

PARAMETER = "view"  # in the address
ASKED, TROUBLE, MENU = "view to open", "view trouble", "views"  # in session state
TRUTH, CUT = "truth", ("detector", "budget", "scope")


def open_asked(result: Result, usual: Mapping[str, Any]) -> bool:
    """Open the view that the address or a button named, if any; before anything else of the screen is read.

    usual: the names of what a view holds, with what each is where the view does not say. Says whether one was opened.
    """
    name = st.session_state.pop(ASKED, None) or st.query_params.get(PARAMETER)
    if not name:
        return False
    cuts.truth_shown()  # the screen is entered by it, and what belonged to another run let go of
    cuts.forget_other_runs(result)
    st.query_params.pop(PARAMETER, None)
    view = next((one for one in _stored(result) if one.name == name), None)
    if view is None:
        st.warning("The saved view of this link is not here: it was deleted, or made on another machine.")
        return False
    if view.view.get(TRUTH) == "0":
        cuts.show_truth(False)
    for key, value in usual.items():
        st.session_state[key] = _typed(view.view.get(key), value)
    cuts.choose(result, cuts.written(result, *(view.view.get(one, "") for one in CUT)))
    st.session_state["flagged view"] = {"run": core.run_key(result.config)}
    cuts.settle("flagged view")
    return True


def current(result: Result, usual: Mapping[str, Any]) -> dict[str, str]:
    """What this tab looks at, as a view: all that differs from the usual."""
    view = {key: str(st.session_state[key]) for key in usual if st.session_state.get(key, usual[key]) != usual[key]}
    own, cut = cuts.usual(result, result.config.defence.detector), cuts.chosen(result)
    if cut != own:
        view |= dict(zip(CUT, (cut.detector, cut.address, cut.scope), strict=True))
    return view if cuts.truth_shown() else view | {TRUTH: "0"}


def menu(result: Result, usual: Mapping[str, Any]) -> None:
    """The saved views, a field to save this one, and the link of the one that is open; read only where it is open."""
    drawer = st.popover("Views", icon=":material/bookmark:", key=MENU, on_change="rerun")
    if drawer.open:
        with drawer:
            _listed(result, usual)


def _listed(result: Result, usual: Mapping[str, Any]) -> None:
    views, now = _stored(result), current(result, usual)
    opened = next((one.name for one in views if one.view == now), None)
    for one in views:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                words.plain(one.name), key=f"open view {one.name}", disabled=one.name == opened, width="stretch",
                icon=":material/check:" if one.name == opened else ":material/bookmark:",
            ):  # fmt: skip
                st.session_state[ASKED] = one.name
                st.rerun()
            st.button(
                "Delete", key=f"forget view {one.name}", icon=":material/delete:", type="tertiary",
                on_click=_told(core.saved_views.forget), args=(core.reviews.desk(result.config), one.name),
            )  # fmt: skip
    if opened is not None:
        st.caption("A link to it, for any browser that reaches this server:")
        st.code(address(result, opened), language=None, wrap_lines=True)
    _save(result, views, now)


def address(result: Result, name: str) -> str:
    """The link that opens a view, with this reviewer's verdicts: a view may filter by them."""
    here = urlsplit(st.context.url or "")
    asked = {link.PARAMETER: core.run_key(result.config)[: link.SHORT], PARAMETER: name}
    if "reviewer" in st.query_params:
        asked["reviewer"] = st.query_params["reviewer"]
    return f"{here.scheme}://{here.netloc}{here.path}?{urlencode(asked, quote_via=quote)}"


def _save(result: Result, views: list[SavedView], now: dict[str, str]) -> None:
    name = st.text_input(
        "Save this view as", key="view name", max_chars=core.saved_views.NAME_LIMIT, placeholder="doubtful birds …"
    )
    taken = " ".join((name or "").split()) in {one.name for one in views}

    def save() -> None:
        desk = core.reviews.desk(result.config)
        if _told(core.saved_views.save)(desk, st.session_state["view name"] or "", now, replace=taken):
            st.session_state["view name"] = ""

    st.button(
        "Replace" if taken else "Save", key="save view", icon=":material/bookmark_add:", disabled=not name,
        on_click=save, help="There is a view of this name: it would be replaced." if taken else None,
    )  # fmt: skip
    trouble = st.session_state.pop(TROUBLE, None)
    if trouble:
        st.error(words.plain(trouble), icon=":material/error:")


def _told(do: Any) -> Any:
    """Does it; what kept it from being done is said with the next drawing of the menu."""

    def tried(*args: Any, **options: Any) -> Any:
        try:
            return do(*args, **options)
        except PoisonscopeError as error:
            st.session_state[TROUBLE] = words.sentence(str(error))
            return None

    return tried


def _stored(result: Result) -> list[SavedView]:
    try:
        return core.saved_views.of(core.reviews.desk(result.config))
    except PoisonscopeError as error:
        st.error(f"The saved views cannot be read: {words.sentence(str(error))}", icon=":material/error:")
        return []


def _typed(written: str | None, usual: Any) -> Any:
    """A value of a view as its field has it: numbers as numbers, what cannot be read as usual."""
    if written is None:
        return usual
    if isinstance(usual, str):
        return written
    found = core.reading.real(written, -1e300, 1e300)
    return usual if found is None else int(found) if isinstance(usual, int) else found
