"""A set of one's own, by one of three ways: where it lies on the server's machine, one that is here already, an upload.

Nothing is read because an address names it: a path that came by a link waits in its field for a press of *Look*.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import streamlit as st

import core
from core import audits
from pages.parts.around import words
from pages.parts.audit import kept, upload
from pages.parts.audit.kept import Looked

PATH, WAY, SHIPPED, FILE = "path", "audit_from", "audit_set", "audit file"  # the first three are also the address's
LOOKED_FOR = "audit looked for"  # in session state: the path that was asked for last, and how often one was
LOOKS = "audit looks"


class Asked(NamedTuple):
    """What somebody wants looked at: equal keys are one and the same look."""

    key: tuple[str, ...]
    look: Callable[[], Looked]


def choose() -> Asked | None:
    """The ways, and the set that was brought by the chosen one; None while there is none."""
    kept.remember(WAY)
    way = st.segmented_control(
        "Bring a set", list(WAYS), default=next(iter(WAYS)), required=True, key=WAY, bind="query-params"
    )
    kept.hold(WAY)
    return WAYS[way]()


# --- on this machine -------------------------------------------------------------------------------------


def _by_path() -> Asked | None:
    kept.remember(PATH)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input(
            "Path on the server's machine", key=PATH, bind="query-params", on_change=_look,
            placeholder="photos, photos.zip, train.parquet …",
            help="Class folders, a zip or tar of them, a CSV or JSON Lines file beside the images, Parquet, NumPy.",
        )  # fmt: skip
        st.button(
            "Look", icon=":material/search:", on_click=_look, help="Says what lies there. Nothing is audited yet."
        )
    kept.hold(PATH)
    below = audits.allowed_folders()
    if below:
        st.caption(f"Anything below {' or '.join(words.plain(str(one)) for one in below)}.")
    if not path or st.session_state.get(LOOKED_FOR) != path:
        return None
    return Asked(("path", path, str(st.session_state[LOOKS])), partial(_look_at, path))


def _look() -> None:
    st.session_state[LOOKED_FOR] = st.session_state[PATH]
    st.session_state[LOOKS] = st.session_state.get(LOOKS, 0) + 1


def _look_at(path: str) -> Looked:
    place = audits.allowed(path)
    listing = audits.recognise(place)
    return Looked(("path", str(place), _changed_at(place)), listing, partial(_audit_path, str(place)))


def _changed_at(place: Path) -> int:
    """When it was last written to, in nanoseconds; 0 where it is gone by now, which reading it will say."""
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


def _audit_path(place: str, wish: kept.Wish, tell: kept.Tell) -> audits.Audit:
    return core.audit(audits.allowed(place), tell=tell, **wish.settings)  # which may be another folder by now


# --- here already ----------------------------------------------------------------------------------------


def _shipped() -> Asked:
    kept.remember(SHIPPED)
    name = st.selectbox("Set", list(audits.shipped.here()), key=SHIPPED, bind="query-params", width=240)
    kept.hold(SHIPPED)
    st.caption(f"{core.DATASETS[name].summary}. Its training images, as they ship: nothing should be planted in them.")
    return Asked(
        ("shipped", name),
        lambda: Looked(("shipped", name), audits.shipped.listing(name), partial(_audit_shipped, name)),
    )


def _audit_shipped(name: str, wish: kept.Wish, tell: kept.Tell) -> audits.Audit:
    return core.audit(*audits.shipped.arrays(name), tell=tell, **wish.settings)


# --- an upload -------------------------------------------------------------------------------------------


def _uploaded() -> Asked | None:
    file = st.file_uploader(
        "A small set in one file", upload.KINDS, key=FILE, max_upload_size=upload.LARGEST, on_change=_changed,
        help="Kept while it is looked at and audited. What is larger is named by its path instead.",
    )  # fmt: skip
    if file is None:  # after a visit to another screen the field is empty, and what was brought is still known
        before = kept.looked()
        return (
            None if before is None or before.name[0] != "upload" else Asked(("upload", before.name[1]), lambda: before)
        )
    return Asked(
        ("upload", file.file_id),
        lambda: Looked(("upload", file.file_id), upload.recognise(file), partial(upload.audit, file)),
    )


def _changed() -> None:
    if st.session_state[FILE] is None:
        kept.forget()


WAYS: dict[str, Callable[[], Asked | None]] = {
    "By path": _by_path,
    "Here already": _shipped,
    "Upload": _uploaded,
}
