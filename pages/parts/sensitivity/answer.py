"""The answer first: five small multiples, each with what stays over one setting and where that breaks.

The poisoning ratio, the trigger, the target and other runs' layers come from known runs that differ from this one in
that alone (known.py); this run's own layers and the assumed ratio from what is stored of it. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

import core
from core import Result
from core.evaluation.breaking import Breaking
from pages.parts.around import colours, cuts, trouble, words
from pages.parts.around.templates import Markup, render
from pages.parts.common import profiles
from pages.parts.images import picked
from pages.parts.sensitivity import known, layers, questions, rivals, sweep_form
from pages.parts.sensitivity.questions import Question

COLUMNS = 3
LAYERS = "Layers"  # the tab that reads them off
_draw = st.components.v2.component(
    "poisonscope_answer",
    html="<div class='answer'></div>",
    css=Path(__file__).with_suffix(".css").read_text("utf-8").replace("REFERENCE", colours.REFERENCE),
    js="export default ({parentElement, data}) => {parentElement.querySelector('.answer').innerHTML = data.markup;};",
)
WIDTH, LEFT, TOP, TALL = 240, 42, 22, 84  # of a picture, in its own units: about as wide as it is in a window of 1280
ROW, ROWS_LEFT = 19, 92
STRENGTHS = ("opacity", "amplitude", "strength", "magnitude", "size")  # a trigger's settings, the first that it has
FURTHEST = 100 * core.sensitivity.MOST_SHARE


class Figure(NamedTuple):
    """What can stay: its name among the known runs' figures, where it breaks, and which side of that is good."""

    column: str
    threshold: float
    higher: bool
    percent: bool
    meaning: str

    def write(self, value: float) -> str:
        return f"{100 * value:.3g}%" if self.percent else f"{value:.3f}"

    @property
    def limit(self) -> str:
        return f"{'at least' if self.higher else 'at most'} {self.write(self.threshold)}"


LEFT_BEHIND = "Poison left"
FIGURES = {
    LEFT_BEHIND: Figure("left", 0.1, False, True, "share of the poisoned images that the filter left; lower is better"),
    "AUROC": Figure("auroc", 0.95, True, False, "how well the scores rank poison above the rest; higher is better"),
    "TPR at 1% FPR": Figure("tpr_at_1", 0.9, True, True, "share of the poison found at 1% FPR; higher is better"),
}  # fmt: skip


class Point(NamedTuple):
    """A level on the picture: its place across, its figure up and its spread as shares, and its words."""

    x: float
    y: float
    low: float
    high: float
    label: str
    says: str
    holds: bool


class Panel(NamedTuple):
    """A small multiple: its points, where the figure breaks, a sentence, and where that comes from."""

    title: str
    figure: str
    said: Sequence[tuple[bool, str]]
    points: Sequence[Point] = ()
    limit: float = 0.0
    ticks_x: Sequence[tuple[str, float]] = ()
    ticks_y: Sequence[tuple[str, float]] = ()
    axis: str = ""
    breaks: float | None = None
    breaks_at: str = ""
    rows: bool = False
    dense: bool = False
    source: str = ""

    @property
    def spoken(self) -> str:
        """The picture for who cannot see it."""
        told = "; ".join(point.says for point in self.points if not self.dense)
        return f"{self.figure} by {self.title.lower()}. {''.join(words for _, words in self.said)} {told}".strip()


@st.fragment
@trouble.said()
def show(result: Result) -> None:
    """The five multiples and the ready questions, in two rows."""
    if not result.poisoned.truth.count:
        st.caption("Without poison there is nothing to stay: choose a run with poison to see where its defence breaks.")
        return
    name = picked.choice("What stays", "stays", list(FIGURES))
    figure = FIGURES[name]
    st.caption(f"{name}: {figure.meaning}. It holds where its median over the seeds is **{figure.limit}** (dashed).")
    made: list[tuple[Panel, Question | None]] = [
        (ratio(result, name), questions.RATIO),
        (strength(result, name), questions.FAINT),
        (target(result, name), questions.TARGET),
        (layer(result, name), questions.LAYER),
        (assumed(result), None),
    ]
    for first in range(0, len(made) + 1, COLUMNS):
        places = st.columns(COLUMNS, gap="medium")
        for place, one in zip(places, [*made, None][first : first + COLUMNS], strict=True):
            with place, st.container(border=True, height="stretch"):
                if one is None:
                    ask(result)
                else:
                    card(result, *one)


def ask(result: Result) -> None:
    """The ready questions, close together."""
    with st.container(gap="xsmall"):
        st.markdown("**Ready questions**", help="Each is a sweep with this run's settings: one click puts it into the "
                    "form, where it can be changed and started.")  # fmt: skip
        questions.show(result, "all")


def card(result: Result, panel: Panel, question: Question | None) -> None:
    """A multiple; where it has nothing to show, the question that would fill it."""
    _draw(key=f"answer {panel.title.split(':')[0]}", data={"markup": str(markup(panel))})
    if question is questions.LAYER and not panel.points:
        st.button("Read the layers off", key="answer layers", on_click=open_tab, args=(LAYERS,), width="stretch")
    if question is not None and not panel.points:
        questions.show(result, "one", [question])


def markup(panel: Panel) -> Markup:
    """A multiple as HTML."""
    left = ROWS_LEFT if panel.rows else LEFT
    height = TOP + TALL + 34 if not panel.rows else ROW * len(panel.points) + 26
    places = dict(height=height, left=left, top=TOP, tall=TALL, wide=WIDTH - 8 - left)
    return render("sensitivity/answer.html.jinja", panel=panel, **places)


def open_tab(name: str) -> None:
    st.session_state[sweep_form.TABS] = name


# --- the five --------------------------------------------------------------------------------------------


def ratio(result: Result, name: str) -> Panel:
    """How few poisoned images are found: known runs by their ratio, from the largest on."""
    free = {"Poisoning ratio"}.__contains__
    found = known.row(result, lambda config: config.attack.ratio, free, FIGURES[name].column)
    return numeric(result, "Poisoning ratio", name, found, words.exact, logarithmic=True)


def strength(result: Result, name: str) -> Panel:
    """How faint a trigger is found: by its strength where runs of several are known, else by its kind."""
    column, own = FIGURES[name].column, result.config.attack
    for setting in STRENGTHS:
        if setting not in own.parameters:
            continue
        free = {f"Trigger's {setting}"}.__contains__
        found = known.row(result, lambda config, setting=setting: config.attack.parameters.get(setting), free, column)
        if found is not None:
            return numeric(result, f"Trigger: {setting}", name, found, lambda value: f"{value:g}", logarithmic=False)
    found = known.row(result, lambda config: config.attack.title, of_the_attack, column)
    return categories(result, "Trigger", name, found)


def of_the_attack(setting: str) -> bool:
    """Whether a setting is the attacker's, and not the target, which is a question of its own."""
    mine = ("Source class", "Labels", "Poisoning ratio", "Covers", "Placement")
    return setting.startswith("Trigger") or setting in mine


def target(result: Result, name: str) -> Panel:
    """Whether the target matters: known runs by the class that they aim at."""
    if result.config.attack.everywhere:
        return nothing("Target class", name, "All-to-all aims at every class: there is no other target.")
    free = {"Target class"}.__contains__
    found = known.row(result, lambda config: config.target_name, free, FIGURES[name].column)
    return categories(result, "Target class", name, found)


def layer(result: Result, name: str) -> Panel:
    """Which layer is read: those of this run's network that are stored, else known runs by their layer."""
    detector, column = result.config.defence.detector, FIGURES[name].column
    levels: dict[Any, list[known.Known]] = {}
    for one in (layers.look(result, layer, detector) for layer in layers.LAYERS):
        figures = of_layer(one, detector) if one.scored else {}
        if column in figures:
            levels[one.name] = [known.Known(one.seen.config, figures, "this run's network")]
    if len(levels) > 1:
        return categories(result, "Layer", name, known.Row(levels, {}), "of this run's network, without a training")
    found = known.row(
        result, lambda config: config.defence.representation, {"Representation"}.__contains__, column
    )  # fmt: skip
    if found is not None:
        return categories(result, "Layer", name, found)
    why = "Only this run's own layer is read off yet. The others need no training, only a look at the images:"
    return nothing("Layer", name, why)


def of_layer(one: layers.Layer, detector: str) -> dict[str, float]:
    """What a detector comes to at a layer of this run's network, under the names that known runs have."""
    found = profiles.of(one.seen, detector)
    if found is None:
        return {}
    left, _ = rivals.cut_of(one.seen, detector, found)
    figures = {
        "auroc": found.auroc,
        "tpr_at_1": found.tpr_at_1,
        "left": left / found.poisons if found.poisons else None,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}


def assumed(result: Result) -> Panel:
    """How much has to be assumed: the poison left at every assumed ratio, from the largest down."""
    title, detector, figure = "Assumed ratio ε", result.config.defence.detector, FIGURES[LEFT_BEHIND]
    found = profiles.of(result, detector) if detector in profiles.stored(result) else None
    if found is None:
        return nothing(title, LEFT_BEHIND, f"No scores of {detector} are stored for this run: Detectors computes them.")
    shares = core.sensitivity.grid()
    times = result.config.defence.multiplier
    at = found.by_budget(core.sensitivity.budgets(result.poisoned.labels, shares, times),
                         cuts.defence_of(result, detector).scope)  # fmt: skip
    left = at.poisons_left / found.poisons
    breaks = core.breaking.point(shares[::-1].tolist(), [[one] for one in left[::-1]], figure.threshold, higher=False)
    points = [
        Point(float(share / shares[-1]), float(one), float(one), float(one), words.exact(float(share)), "", True)
        for share, one in zip(shares, left, strict=True)
    ]
    if breaks.holds is None:
        said = [(True, "Fails at every ratio"), (False, f": even at {FURTHEST:g}% "
                 f"{figure.write(float(left[-1]))} of the poison is left.")]  # fmt: skip
    else:
        clean = int(at.clean_removed[int(np.abs(shares - breaks.holds).argmin())])
        below = "" if breaks.breaks is None else f"; breaks at {words.exact(breaks.breaks)}"
        said = [(True, f"Holds down to {words.exact(breaks.holds)}"),
                (False, f" assumed{below}. There it costs {words.count(clean, 'clean image')}.")]  # fmt: skip
    gap = " The run itself is cut at its gap, which assumes nothing." if result.config.defence.cut == "gap" else ""
    return Panel(
        title, LEFT_BEHIND.lower(), said, points, figure.threshold,
        [(f"{tick}%", tick / FURTHEST) for tick in (0, 10, 20, 30, 40, 50)], ticks(figure), "share of a class",
        None if breaks.at is None else breaks.at / float(shares[-1]),
        "" if breaks.at is None else f"{100 * breaks.at:.2g}%", dense=True,
        source=f"Stored scores of this run by {detector}, {times:g}·ε removed; n = 1: one network, no spread.{gap}",
    )  # fmt: skip


# --- a row of known runs as a panel ----------------------------------------------------------------------


def numeric(
    result: Result, title: str, name: str, found: known.Row | None, write: Callable[[float], str], *, logarithmic: bool
) -> Panel:
    """Over numbers, from the largest down; true logarithms where asked for."""
    if found is None:
        return nothing(title, name)
    figure = FIGURES[name]
    levels = sorted(found.levels, reverse=True)
    values = [of(found, level, figure) for level in levels]
    breaks = core.breaking.point(levels, values, figure.threshold, higher=figure.higher, logarithmic=logarithmic)
    place = placer(levels, logarithmic)
    points = [point(place(level), write(level), one, figure) for level, one in zip(levels, values, strict=True)]
    return Panel(
        title, name if name == "AUROC" else name[0].lower() + name[1:], sentence(breaks, levels, points, write),
        points, figure.threshold, spaced([(write(level), place(level)) for level in levels]), ticks(figure),
        f"{title.lower()}{', log scale' if logarithmic else ''}", None if breaks.at is None else place(breaks.at),
        "" if breaks.at is None else about(breaks.at, write), source=source(found),
    )  # fmt: skip


def categories(
    result: Result, title: str, name: str, found: known.Row | None, more: str = ""
) -> Panel:  # fmt: skip
    """Over names, one line each, this run's own first."""
    if found is None:
        return nothing(title, name)
    figure = FIGURES[name]
    points = []
    for number, level in enumerate(found.levels):
        values = of(found, level, figure)
        points.append(point(ROW * (number + 0.5) + 2, str(level), values, figure))
    good = [one.label for one in points if one.holds]
    bad = [one.label for one in points if not one.holds]
    if not bad:
        said = [(True, f"Holds for all {len(good)}"), (False, f" that are known: {', '.join(good)}.")]
    elif not good:
        said = [(True, f"Fails for all {len(bad)}"), (False, f" that are known: {', '.join(bad)}.")]
    else:
        said = [(True, f"Holds for {', '.join(good)}"), (False, "; "), (True, f"breaks for {', '.join(bad)}"),
                (False, ".")]  # fmt: skip
    return Panel(
        title, name if name == "AUROC" else name[0].lower() + name[1:], said, points, figure.threshold,
        ticks_y=ticks(figure), rows=True, source=source(found, more),
    )  # fmt: skip


def nothing(title: str, name: str, why: str = "") -> Panel:
    """A panel that has nothing to show yet, and says so."""
    why = why or "No two runs are known that differ from this one in it alone. This sweep would fill it:"
    return Panel(title, "", [(False, why)])


def of(found: known.Row, level: Any, figure: Figure) -> list[float]:
    return [one.figures[figure.column] for one in found.levels[level]]


def point(x: float, label: str, values: list[float], figure: Figure) -> Point:
    middle = core.breaking.middle(values)
    assert middle is not None  # a level is known by its figures
    low, high = min(values), max(values)
    spread = f", {figure.write(low)} to {figure.write(high)} over {len(values)} seeds" if len(values) > 1 else ", n = 1"
    says = f"{label}: {figure.write(middle)}{spread}"
    return Point(x, middle, low, high, label, says, core.breaking.holds(middle, figure.threshold, figure.higher))


def sentence(
    breaks: Breaking, levels: Sequence[float], points: Sequence[Point], write: Callable[[float], str]
) -> list[tuple[bool, str]]:
    """Down to where it holds, and where it breaks."""
    if breaks.holds is None:
        if breaks.breaks is None:
            return [(False, "Nothing is known of it.")]
        return [(True, "Fails from the first on"), (False, f": at {points[0].says} already.")]
    if breaks.breaks is None:
        return [(True, f"Holds down to {write(breaks.holds)}"), (False, ", the least that is known.")]
    at = "" if breaks.at is None else f", in between at about {about(breaks.at, write)}"
    return [(True, f"Holds down to {write(breaks.holds)}"), (False, "; "), (True, f"breaks at {write(breaks.breaks)}"),
            (False, f"{at}.")]  # fmt: skip


def about(value: float, write: Callable[[float], str]) -> str:
    """A crossing, no more exact than it is known."""
    return write(float(f"{value:.2g}"))


def source(found: known.Row, more: str = "") -> str:
    """Whose figures these are, of how many seeds, and what else is not as in this run."""
    least, most = found.seeds
    if most == 1:
        seeds = "n = 1: one seed each, no spread"
    else:
        seeds = f"median and range of {most if least == most else f'{least} to {most}'} seeds"
    differs = "".join(f" There: {name.lower()} {value}." for name, value in found.differs.items())
    return f"{more or 'From ' + ' and '.join(found.where)}; {seeds}.{differs}"


def placer(levels: Sequence[float], logarithmic: bool) -> Callable[[float], float]:
    """Where a level stands between the least and the largest, as a share."""
    scale = np.log if logarithmic else float
    low, high = float(scale(min(levels))), float(scale(max(levels)))
    return lambda level: (float(scale(level)) - low) / (high - low)


def spaced(marks: list[tuple[str, float]], least: float = 0.15) -> list[tuple[str, float]]:
    """The marks below an axis that do not run into each other, from the right."""
    kept: list[tuple[str, float]] = []
    for mark in sorted(marks, key=lambda one: -one[1]):
        if not kept or kept[-1][1] - mark[1] >= least:
            kept.append(mark)
    return kept


def ticks(figure: Figure) -> list[tuple[str, float]]:
    return [(f"{share:.0%}" if figure.percent else f"{share:g}", share) for share in (0.0, 0.5, 1.0)]
