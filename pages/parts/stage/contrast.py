"""A failed defence beside one that worked: real runs of this machine, or those that ship with the program."""

from __future__ import annotations

from typing import Any, NamedTuple

import core
from core import RunConfig
from pages.parts.around import words
from pages.parts.around.templates import Markup, render
from pages.parts.common import summaries
from pages.parts.story import facts as known
from pages.parts.story.facts import Facts

LISTED = 500  # runs of the ledger that are looked through, the newest first
SAME = "the same attack"


class Side(NamedTuple):
    """One of the two. asr2 is None where no network was trained after that filter."""

    title: str
    what: str
    poisons: int
    left: int
    asr1: float
    asr2: float | None

    @property
    def works(self) -> str:
        """What became of the trigger, as the end of a sentence."""
        return "" if self.asr2 is None else f", and the trigger works on {words.share(self.asr2)}"


def other(facts: Facts) -> Side | None:
    """Another filter of the same attack, if it ended otherwise; else such a run that ships; else one that guesses.

    None where there is nothing to show.
    """
    fit = [
        (_alike(facts.config, config), found["poisons_left"], side(config, found, _what(facts.config, config)))
        for config, found in _runs(facts.config)
        if known.took(found) and known.failed(found) != facts.failed
    ]
    if fit:
        return max(fit)[2]
    return None if facts.control or not facts.found["flagged"] else _guess(facts)


def side(config: RunConfig, found: dict[str, Any], what: str) -> Side:
    asr = words.success(found, 1), words.success(found, 2)
    return Side(config.removed_by, what, found["poisons"], found["poisons_left"], *asr)


def _runs(config: RunConfig) -> list[tuple[RunConfig, dict[str, Any]]]:
    """Other finished runs with their figures: those on the same poisoned network, and those that ship."""
    jobs = core.jobs.listing(LISTED, start=False)
    asked = [job.config for job in jobs if job.kind == "run" and job.status == "done" and _alike(config, job.config)]
    others = [one for one in (*asked, *(one for _, one in core.recorded.runs())) if one != config]
    return [(one, found) for one in others if (found := summaries.of(core.run_key(one)))]


def _alike(one: RunConfig, another: RunConfig) -> bool:
    """Whether both clean up after the same poisoned network."""
    return all(getattr(one, part) == getattr(another, part) for part in ("dataset", "attack", "training", "seed"))


def _what(own: RunConfig, another: RunConfig) -> str:
    return SAME if _alike(own, another) else f"{words.heading(another)}, {another.dataset.name}"


def _guess(facts: Facts) -> Side:
    """What a filter that draws lots leaves at the same budget; where this one failed, one that knows."""
    which, title = ("perfect", "A filter that knows") if facts.failed else ("random", "A filter that guesses")
    found = facts.found["references"][which]
    return Side(title, "the same budget", found["poisons"], found["poisons_left"], facts.before, None)


# --- in words and bars -----------------------------------------------------------------------------------


def claim(facts: Facts, beside: Side | None) -> str:
    if beside is None:
        planted = "Nothing was removed: at that budget no filter finds any"
        return "Nothing was planted here, so no defence could fail" if facts.control else planted
    stay = f"{beside.left:,} of {beside.poisons:,} poisoned images stay{beside.works}"
    if beside.asr2 is None:
        return f"{beside.title}: {stay}"
    if facts.failed:
        where = "With" if beside.what == SAME else "Against another attack, with"
        return f"This defence failed. {where} {beside.title}, {stay}"
    begin = "The same attack" if beside.what == SAME else "Another attack"
    return f"{begin} against {beside.title}: {stay}"


def figure(facts: Facts, beside: Side | None) -> tuple[str, str]:
    """The large figure, and what it counts."""
    if beside is None:
        return f"{facts.found['poisons_left']:,}", "poisoned images left"
    if beside.asr2 is None:
        return f"{beside.left:,}", f"of {beside.poisons:,} poisoned images left by {beside.title.lower()}"
    return words.share(beside.asr2), f"backdoor success (ASR) after {beside.title}, which left {beside.left:,} images"


def notes(facts: Facts, beside: Side | None) -> tuple[str, ...]:
    if beside is None:
        return ("A defence is judged by both: what it finds, and what it does when there is nothing to find.",)
    if beside.asr2 is not None and beside.left and beside.asr2 >= words.GONE:
        return (f"{words.count(beside.left, 'poisoned image')} that stayed are enough for the backdoor to come back.",
                f"On the right: {beside.what}.")  # fmt: skip
    return (f"On the right: {beside.what}.",)


def draw(facts: Facts, beside: Side | None) -> Markup:
    """Both as bars: what was removed and what stayed, and the trigger before and after."""
    sides = [side(facts.config, facts.found, "this run")] + ([] if beside is None else [beside])
    return render("stage/contrast.html.jinja", sides=sides, share=words.share)
