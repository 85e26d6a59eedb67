"""A page of thumbnails as one sprite, drawn by a component that keeps the selection; and images enlarged.

    id = gallery.show(result, found, ids, truth, key="brushed")

shows the given ids page by page, in their order, and returns the one that is selected. A page is one lossless
WebP picture (gallery.js cuts it up), so thousands of images cost no more than the page that is looked at.
Outside of Python an image goes by its *handle*: its id, or in blind review a shuffled number, since stamped
copies have the highest ids.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

import core
from core import PoisonscopeError, Result
from pages.parts.around import presenter, words
from pages.parts.around.cuts import Scored
from pages.parts.around.plots import figure_text

Pixels = NDArray[np.uint8]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

DETAIL = 224  # pixels, the side of an image in detail
COLUMNS = 16  # thumbnails in a row of the sprite
MISSING = "picture not in the recording"
COVER = "○ cover: stamped, true label"

_HERE = Path(__file__).parent
_HTML = """<div class="gallery">
<div class="bar" role="toolbar" aria-label="Verdict on the selected images" hidden>
<button type="button" data-verdict="poisoned">Poisoned<kbd>P</kbd></button>
<button type="button" data-verdict="clean">Clean<kbd>C</kbd></button>
<button type="button" data-verdict="unsure">Unsure<kbd>U</kbd></button>
<button type="button" data-verdict="">Clear<kbd>0</kbd></button>
<button type="button" data-all="1">Select page<kbd>Ctrl A</kbd></button>
<button type="button" data-undo="1" disabled>Undo<kbd>Ctrl Z</kbd></button>
<span class="said" role="status"></span>
</div>
<div class="question" role="alertdialog" aria-label="Many verdicts at once" hidden>
<span></span>
<button type="button" data-answer="rest"></button>
<button type="button" data-answer="all"></button>
<button type="button" data-answer="none">Cancel<kbd>Esc</kbd></button>
</div>
<div class="list" role="listbox" aria-multiselectable="true"></div>
</div>"""
_grid = st.components.v2.component(
    "poisonscope_gallery",
    html=_HTML,
    css=(_HERE / "gallery.css").read_text("utf-8"),
    js=(_HERE / "gallery.js").read_text("utf-8"),
)


class Thumbnail(NamedTuple):
    """What is said of an image. In blind review id, made_from, poisoned and cover are left out: they would tell."""

    rank: int
    score: float
    label: str
    id: int | None = None
    made_from: str | None = None
    poisoned: bool | None = None
    flagged: bool = True
    pictured: bool = True
    cover: bool = False

    @property
    def alt(self) -> str:
        name = "an image" if self.id is None else f"image {self.id}"
        text = f"{name}, labelled {self.label}, rank {self.rank}, score {figure_text(self.score)}"
        if self.poisoned is not None:
            text += ", poisoned" if self.poisoned else ", a cover" if self.cover else ", benign"
        return text + ("" if self.flagged else ", not flagged") + ("" if self.pictured else f", {MISSING}")

    @property
    def lines(self) -> list[str]:
        """What stands below the picture."""
        lines = [f"#{self.rank} · {figure_text(self.score)}", f"label {self.label}"]
        if self.made_from is not None:
            lines.append(f"from {self.made_from}")
        if self.id is not None:
            lines.append(f"id {self.id}")
        if self.poisoned is not None:
            lines.append("✕ poisoned" if self.poisoned else COVER if self.cover else "● benign")
        return lines if self.flagged else [*lines, "not flagged"]

    @property
    def kind(self) -> str:
        return "" if self.poisoned is None else "poisoned" if self.poisoned else "benign"


@dataclass
class Reviewing:
    """What the Flagged screen adds to a grid: who judges, verdicts by id, what carries one out and takes it back.

    judge(ids, verdict, over): over says whether other verdicts of the reviewer may go. undo() answers with the ids.
    """

    reviewer: str
    verdicts: Mapping[int, str] = field(default_factory=dict)
    judge: Callable[[list[int], str, bool], None] = lambda ids, verdict, over: None
    undo: Callable[[], list[int]] = list
    undoable: int = 0


def show(
    result: Result, found: Scored, ids: Ids, truth: bool, *, key: str, per_page: int = 48, size: int = 96
) -> int | None:
    """The given ids page by page, in their order; returns the one selected, or None where there are none."""
    if not len(ids):
        return None
    page, pages = turn_pages(len(ids), per_page, f"{key} page")
    shown = np.asarray(ids, np.int64)[(page - 1) * per_page : page * per_page]
    return board(result, found, shown, truth, key=key, size=size, pager=f"{key} page", page=page, pages=pages)


def turn_pages(count: int, per_page: int, key: str, *, bind: Any = None) -> tuple[int, int]:
    """The pager, and how far it is: the page shown and the number of pages, both from 1."""
    pages = -(-count // per_page)
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(pages, key=key, bind=bind) if pages > 1 else 1
        first, last = (page - 1) * per_page + 1, min(page * per_page, count)
        st.caption(f"{first:,} to {last:,} of {words.count(count, 'image')}", width="content")
    return page, pages


def board(
    result: Result,
    found: Scored,
    shown: Ids,
    truth: bool,
    *,
    key: str,
    size: int,
    pager: str,
    page: int,
    pages: int,
    flagged: Mask | None = None,
    reviewing: Reviewing | None = None,
    address: str = "",
) -> int:
    """One page of thumbnails; returns the id that is selected in it. With `address` the link names it so."""
    handles = handles_of(result, truth)
    named = st.query_params.get(address, "") if address else ""
    linked = id_of(handles, core.reading.whole(named, 0, len(handles) - 1))
    state = st.session_state.setdefault(f"{key} board", {"current": linked, "done": {}, "trouble": ""})
    if state["current"] not in shown:
        state["current"] = int(shown[0])
    seen = [thumbnail(result, found, int(id), truth, flagged) for id in shown]
    places = np.cumsum([one.pictured for one in seen]) - 1
    verdicts = {} if reviewing is None else reviewing.verdicts
    book = f"{key} {core.run_key(result.config)[:16]} {truth} {'' if reviewing is None else reviewing.reviewer}"

    def hear() -> None:
        carry_out(st.session_state[key].get("board"), state, handles, reviewing, pager, pages)

    _grid(
        key=key,
        data={
            "name": f"{words.count(len(shown), 'image')}, page {page} of {pages}",
            "sprite": sprite(result, shown),
            "side": int(result.poisoned.images.shape[1]),
            "columns": COLUMNS,
            "size": size,
            "page": page,
            "pages": pages,
            "turning": not presenter.on(),  # whose remote control has the same keys
            "address": address,
            "book": book,
            "judging": reviewing is not None,
            "undoable": 0 if reviewing is None else reviewing.undoable,
            "back": state.get("back"),
            "current": int(handles[state["current"]]),
            "done": state["done"],
            "tiles": [
                {
                    "id": int(handles[id]),
                    "place": int(place) if one.pictured else -1,
                    "alt": one.alt,
                    "lines": one.lines,
                    "kind": one.kind,
                    "verdict": verdicts.get(int(id), ""),
                }
                for id, one, place in zip(shown, seen, places, strict=True)
            ],
        },
        on_board_change=hear,
    )
    if state["trouble"]:
        st.error(f"Not everything was kept, and is tried again with the next key: {state['trouble']}")
    return int(state["current"])


def carry_out(
    told: Any, state: dict[str, Any], handles: Ids, reviewing: Reviewing | None, pager: str, pages: int
) -> None:
    """What the grid told: the image that is selected, and acts, each carried out once and in their order.

    The grid repeats an act until `done` has its number, so one that fails is tried again.
    """
    if not isinstance(told, dict):
        return
    name = str(told.get("name"))
    done = state["done"].get(name, 0)
    state["trouble"] = ""
    for act in told.get("acts", []):
        if act["number"] <= done:
            continue
        try:
            if "page" in act:
                st.session_state[pager] = min(max(int(act["page"]), 1), pages)
            elif reviewing is not None:
                if "undo" in act:
                    back = reviewing.undo()
                    if back:
                        state["back"] = {"name": name, "number": act["number"], "id": int(handles[back[0]])}
                else:
                    reviewing.judge(ids_of(handles, act["ids"]), str(act["verdict"]), bool(act.get("over", True)))
        except PoisonscopeError as error:
            state["trouble"] = words.sentence(str(error))
            break
        done = act["number"]
    state["done"][name] = done
    state["current"] = id_of(handles, told.get("current"))
    state["chosen"] = ids_of(handles, told.get("chosen") or [])


def chosen(key: str) -> list[int]:
    """The ids that are selected in a grid where there are several."""
    return list(st.session_state.get(f"{key} board", {}).get("chosen", ()))


def ids_of(handles: Ids, told: Iterable[Any]) -> list[int]:
    """The ids that handles stand for; what is no handle is passed over."""
    return [id for handle in told if (id := id_of(handles, handle)) is not None]


def id_of(handles: Ids, handle: Any) -> int | None:
    """The id that a handle stands for; None for what is no handle."""
    known = isinstance(handle, int) and 0 <= handle < len(handles)  # numpy compares no more than 64 bits
    found = np.flatnonzero(handles == handle) if known else []
    return int(found[0]) if len(found) else None


def thumbnail(result: Result, found: Scored, id: int, truth: bool, flagged: Mask | None = None) -> Thumbnail:
    """What is said of one image."""
    poisoned = result.poisoned
    seen = Thumbnail(
        int(found.ranks[id]),
        float(found.scores[id]),
        words.class_name(result.config, int(found.labels[id])),
        flagged=flagged is None or bool(flagged[id]),
        pictured=bool(result.pictured[id]),
    )
    if not truth:
        return seen
    stamped = bool(poisoned.truth.poisoned[id])
    origin = words.class_name(result.config, int(poisoned.source_labels[id]))
    cover = bool(poisoned.truth.covers[id])
    return seen._replace(id=id, made_from=origin if stamped else None, poisoned=stamped, cover=cover)


def handles_of(result: Result, truth: bool) -> Ids:
    """What an image is called outside of Python, [n]: its id, or in blind review a shuffled number."""
    return np.arange(len(result.poisoned)) if truth else _handles(core.run_key(result.config), result)


@st.cache_data(max_entries=8, show_spinner=False)
def _handles(run: str, _result: Result) -> Ids:
    return core.export.handles(_result)


def sprite(result: Result, shown: Ids) -> str:
    """The pictured ones of the given images as a data URL, COLUMNS in a row; empty where none is."""
    rows = np.asarray(shown)[result.pictured[shown]]
    return _sprite(core.run_key(result.config), rows.tobytes(), result, rows) if len(rows) else ""


@st.cache_data(max_entries=64, show_spinner=False)  # a page of 48 takes 110 kB
def _sprite(run: str, ids: bytes, _result: Result, _rows: Ids) -> str:
    images = _result.poisoned.images[_rows]
    side = images.shape[1]
    lines = -(-len(images) // COLUMNS)
    sheet = np.zeros((lines * COLUMNS, *images.shape[1:]), np.uint8)
    sheet[: len(images)] = images
    sheet = sheet.reshape(lines, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(lines * side, COLUMNS * side, 3)
    buffer = io.BytesIO()
    # Lossless, and for photographs both faster and a fifth smaller than PNG at level 1.
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, method=0, quality=0)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def enlarged(pixels: Pixels) -> Pixels:
    """An image as large as the detail view wants it, every pixel a square."""
    factor = max(1, DETAIL // pixels.shape[0])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def difference(before: Pixels, after: Pixels) -> tuple[Pixels, float]:
    """What changed, as bright as the picture allows, and how many times it was amplified."""
    change = np.abs(after.astype(np.int64) - before.astype(np.int64))
    top = int(change.max())
    if not top:
        return change.astype(np.uint8), 1.0
    return np.rint(change * (255 / top)).astype(np.uint8), 255 / top


def amplified(factor: float) -> str:
    """How many times a difference is drawn stronger than it is; nothing where it is drawn as it is."""
    return f", amplified {factor:.1f} times" if factor > 1.05 else ""
