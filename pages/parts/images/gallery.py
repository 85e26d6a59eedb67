"""A page of thumbnails as one sprite, drawn by a component that keeps the selection; and what differs in an image.

    id = gallery.show(result, found, ids, truth, key="brushed")

shows the given ids page by page, in their order, and returns the one that is selected. A page is one lossless
WebP picture (gallery.js cuts it up), so thousands of images cost no more than the page that is looked at.
Outside of Python an image goes by its *handle*: its id, or in blind review a shuffled number, since stamped
copies have the highest ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import core
from core import PoisonscopeError, Result
from pages.parts.around import components, pixels, words
from pages.parts.around.cuts import Scored
from pages.parts.around.plots import figure_text

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

COLUMNS = 16  # thumbnails in a row of the sprite
EDGE = 1  # pixels around each, of its own: where a zoom falls between pixels, no neighbour shows
SIZE, PER_PAGE = 64, 96  # pixels, the side of a thumbnail on the screen; how many of them a page has
MISSING = "picture not in the recording"
LEAD = "lead"  # in a grid's state: the page to turn to

_HTML = """<div class="gallery">
<style class="picture"></style>
<div class="bar" role="toolbar" aria-label="Verdict on the selected images">
<button type="button" data-verdict="poisoned">Poisoned<kbd>P</kbd></button>
<button type="button" data-verdict="clean">Clean<kbd>C</kbd></button>
<button type="button" data-verdict="unsure">Unsure<kbd>U</kbd></button>
<button type="button" data-verdict="">Clear<kbd>0</kbd></button>
<button type="button" data-all="1" title="Ctrl A">Select page</button>
<button type="button" data-group="1" title="Once more: the next group">Select group<kbd>G</kbd></button>
<button type="button" data-keys="1" aria-label="Keys and marks" aria-expanded="false"><kbd>?</kbd></button>
<span class="progress"></span>
<span class="said" role="status"></span>
<span class="range"></span>
</div>
<div class="keys" hidden>
<p class="judges"><kbd>P</kbd> <kbd>C</kbd> <kbd>U</kbd> judge what is selected and go on;
<kbd>0</kbd> takes a verdict back.</p>
<p><kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> <kbd>Home</kbd> <kbd>End</kbd> go from image to image, and with
<kbd>Shift</kbd> select all on the way. <kbd>Space</kbd> adds an image to the selection or takes it out of it,
<kbd>Ctrl A</kbd> selects the page. <kbd>Page Down</kbd> <kbd>Page Up</kbd> turn it.</p>
<p class="groups"><kbd>G</kbd> selects the whole group of near images that the image is in, on other pages, too; once
more, the next group.</p>
<p class="judges"><kbd>Ctrl Z</kbd> takes the last verdicts back, step by step.</p>
<p>A line below an image is the truth, where it is shown: <i class="line poisoned">broken</i>, poisoned;
<i class="line benign">solid</i>, benign. A frame is where the cut is contradicted: by the truth
(<i class="poisoned">poisoned</i> but kept, <i class="benign">benign</i> but flagged) or by your
<i class="doubted">verdict</i>.</p>
</div>
<div class="question" role="alertdialog" aria-label="Many verdicts at once" hidden>
<span></span>
<button type="button" data-answer="rest"></button>
<button type="button" data-answer="all"></button>
<button type="button" data-answer="none">Cancel<kbd>Esc</kbd></button>
</div>
<div class="list" role="listbox" aria-multiselectable="true"></div>
<div class="words" aria-hidden="true" hidden></div>
</div>"""
_grid = components.beside(__file__, _HTML)


class Thumbnail(NamedTuple):
    """What is said of an image. In blind review id, made_from, poisoned and cover are left out: they would tell."""

    rank: int
    score: float
    label: str
    id: int | None = None
    made_from: str | None = None
    poisoned: bool | None = None
    flagged: bool | None = None
    pictured: bool = True
    cover: bool = False

    @property
    def says(self) -> list[str]:
        """What is said of it, part by part."""
        parts = ["an image" if self.id is None else f"image {self.id}", f"labelled {self.label}", f"rank {self.rank}"]
        parts.append(f"score {figure_text(self.score)}")
        if self.made_from is not None:
            parts.append(f"made from {self.made_from}")
        if self.poisoned is not None:
            benign = "a cover: stamped, true label" if self.cover else "benign"
            parts.append("poisoned" if self.poisoned else benign)
        if self.flagged is False:
            parts.append("not flagged")
        return parts if self.pictured else [*parts, MISSING]

    @property
    def alt(self) -> str:
        return ", ".join(self.says)

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


def show(result: Result, found: Scored, ids: Ids, truth: bool, *, key: str) -> int | None:
    """The given ids page by page, in their order; returns the one selected, or None where there are none."""
    if not len(ids):
        return None
    return board(result, found, np.asarray(ids, np.int64), truth, key=key, pager=f"{key} page")


def board(
    result: Result,
    found: Scored,
    ids: Ids,
    truth: bool,
    *,
    key: str,
    pager: str,
    per_page: int = PER_PAGE,
    size: int = SIZE,
    flagged: Mask | None = None,
    reviewing: Reviewing | None = None,
    address: str = "",
    bind: Any = None,
    groups: Ids | None = None,
) -> int:
    """A page of thumbnails and the pager below it; returns the id that is selected.

    ids: all that there are to turn through, one or more. pager: the key of the pager, whose page is bound to the link
    by `bind`. With `address` the link names the selected image so; a tab that comes by it comes to that image's page.
    groups: the group of each of ids, by number, where they stand group by group; each can then be selected at once.
    """
    handles = handles_of(result, truth)
    state = st.session_state.get(f"{key} board")
    if arrived := state is None:
        named = st.query_params.get(address, "") if address else ""
        linked = id_of(handles, core.reading.whole(named, 0, len(handles) - 1))
        state = st.session_state[f"{key} board"] = {"current": linked, "done": {}, "trouble": ""}
    if LEAD in state:
        st.session_state[pager] = state.pop(LEAD)
    grid = st.container()  # above the pager, which is asked first
    page, pages = turn_pages(len(ids), per_page, pager, bind=bind)
    first = (page - 1) * per_page
    shown = ids[first : first + per_page]
    if arrived and state["current"] in ids and state["current"] not in shown:
        state[LEAD] = int(np.flatnonzero(ids == state["current"])[0]) // per_page + 1
        st.rerun()  # in its first run a tab takes the page that its address names
    if state["current"] not in shown:
        state["current"] = int(shown[0])
    verdicts = {} if reviewing is None else reviewing.verdicts
    judged = np.isin(ids, list(verdicts))
    book = f"{key} {core.run_key(result.config)[:16]} {truth} {'' if reviewing is None else reviewing.reviewer}"
    # As the grid has it: what is selected does not outlast the page that it is on, but for a group that goes beyond it.
    there = ids if state.get("group") is not None else shown
    kept = np.array(state.get("chosen", []) if state.get("book") == book else [], np.int64)
    kept = kept[np.isin(kept, there)]
    state.update(book=book, chosen=kept.tolist() if len(kept) > 1 else [])

    def group(id: int) -> list[int]:
        return [] if groups is None else ids[groups == groups[ids == id]].tolist() if id in ids else []

    def hear() -> None:
        carry_out(st.session_state[key].get("board"), state, handles, reviewing, pager, pages, group)

    with grid:
        _grid(
            key=key,
            data={
                "name": f"{words.count(len(shown), 'image')}, page {page} of {pages}",
                "range": f"{first + 1:,} to {first + len(shown):,} of {len(ids):,}",
                "sprite": sprite(result, shown),
                "side": int(result.poisoned.images.shape[1]),
                "edge": EDGE,
                "columns": COLUMNS,
                "size": size,
                "page": page,
                "pages": pages,
                "address": address,
                "book": book,
                "judging": reviewing is not None,
                "back": state.get("back"),
                "elsewhere": int(judged.sum() - judged[first : first + per_page].sum()),
                "all": len(ids),
                "current": int(handles[state["current"]]),
                "done": state["done"],
                "tiles": tiles(result, found, shown, truth, handles, verdicts, flagged),
                "groups": None if groups is None else grouped(ids, groups, first, per_page, handles, verdicts),
            },
            on_board_change=hear,
        )
        if state["trouble"]:
            st.error(f"Not everything was kept, and is tried again with the next key: {state['trouble']}")
    return int(state["current"])


def turn_pages(count: int, per_page: int, key: str, *, bind: Any = None) -> tuple[int, int]:
    """The pager, where there is more than one page: the page shown and the number of pages, both from 1."""
    pages = -(-count // per_page)
    if st.session_state.get(key, 1) > pages:
        st.session_state[key] = pages
    return (st.pagination(pages, key=key, bind=bind) if pages > 1 else 1), pages


def tiles(
    result: Result,
    found: Scored,
    shown: Ids,
    truth: bool,
    handles: Ids,
    verdicts: Mapping[int, str],
    flagged: Mask | None,
) -> list[dict[str, Any]]:
    """What the grid is told of each image: its handle, its place in the sprite (-1: none), and what is said of it."""
    seen = [thumbnail(result, found, int(id), truth, flagged) for id in shown]
    places = np.cumsum([one.pictured for one in seen]) - 1
    return [
        {
            "id": int(handles[id]),
            "place": int(place) if one.pictured else -1,
            "says": one.says,
            "kind": one.kind,
            "flagged": one.flagged,
            "verdict": verdicts.get(int(id), ""),
        }
        for id, one, place in zip(shown, seen, places, strict=True)
    ]


def grouped(
    ids: Ids, groups: Ids, first: int, per_page: int, handles: Ids, verdicts: Mapping[int, str]
) -> list[dict[str, Any]]:
    """What the grid is told of the groups on its page, in their order, those of one image, too.

    From where to where each has places on the page, how large it is, which verdicts its images on other pages have
    (by number), and of the one behind it the page on which it begins and its first image.
    """
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    ends = np.append(begins[1:], len(ids))
    last = min(first + per_page, len(ids))  # the first place behind the page
    found = []
    for place in np.flatnonzero((ends > first) & (begins < last)):
        begin, end = int(begins[place]), int(ends[place])
        off = [*ids[begin : min(first, end)], *ids[max(last, begin) : end]]
        found.append(
            {
                "from": max(begin - first, 0),
                "to": min(end, last) - first,
                "size": end - begin,
                "off": Counter(verdicts.get(int(id), "") for id in off),
                "next": None if end == len(ids) else [end // per_page + 1, int(handles[ids[end]])],
            }
        )
    return found


def carry_out(
    told: Any,
    state: dict[str, Any],
    handles: Ids,
    reviewing: Reviewing | None,
    pager: str,
    pages: int,
    group: Callable[[int], list[int]] = lambda id: [],
) -> None:
    """What the grid told: the image that is selected, and acts, each carried out once and in their order.

    The grid repeats an act until `done` has its number, so one that fails is tried again. group: the images that are in
    one group with an image; a selection, or an act, that names an image as its `group` means all of those.
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
                    meant = together(handles, act["ids"], act.get("group"), group)
                    reviewing.judge(meant, str(act["verdict"]), bool(act.get("over", True)))
        except PoisonscopeError as error:
            state["trouble"] = words.sentence(str(error))
            break
        done = act["number"]
    state["done"][name] = done
    state["current"] = id_of(handles, told.get("current"))
    state["group"] = id_of(handles, told.get("group"))
    state["chosen"] = together(handles, told.get("chosen") or [], told.get("group"), group)


def together(handles: Ids, told: Iterable[Any], named: Any, group: Callable[[int], list[int]]) -> list[int]:
    """The ids that handles stand for, and those of the group of the one that is named, if one is."""
    ids, member = ids_of(handles, told), id_of(handles, named)
    return ids if member is None else list(dict.fromkeys([*ids, *group(member)]))


def chosen(key: str) -> list[int]:
    """The ids that are selected in a grid that was drawn, where there are several."""
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
        flagged=None if flagged is None else bool(flagged[id]),
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


@st.cache_resource(max_entries=8, show_spinner=False)  # handed out as they are, not copied: nobody changes them
def _handles(run: str, _result: Result) -> Ids:
    return core.export.handles(_result)


def sprite(result: Result, shown: Ids) -> str:
    """The pictured ones of the given images as a data URL, COLUMNS in a row; empty where none is."""
    rows = np.asarray(shown)[result.pictured[shown]]
    return _sprite(core.run_key(result.config), rows.tobytes(), result, rows) if len(rows) else ""


@st.cache_data(max_entries=64, show_spinner=False)  # a page of 96 takes 230 kB
def _sprite(run: str, ids: bytes, _result: Result, _rows: Ids) -> str:
    edges = ((0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0))
    return pixels.sprite(np.pad(_result.poisoned.images[_rows], edges, "edge"), COLUMNS)


def amplified(factor: float) -> str:
    """How many times a difference is drawn stronger than it is; nothing where it is drawn as it is."""
    return f", amplified {factor:.1f} times" if factor > 1.05 else ""
