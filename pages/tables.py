"""Tables: the report's two tables with our own measurement beside every figure, while it is being made and after.

Read from the store, else from the record that ships (core.outcomes). What is chosen stands in the address. All but
the choices is one fragment, which asks again every two seconds, and only while a run of the table waits or runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import streamlit as st

import core
from core import Job
from core.reproduction import HEADS, Entry, TableRow
from pages.parts.around import current, cuts, shell, trouble, words
from pages.parts.around.templates import render
from pages.parts.tables import missing, report_csv, report_table, report_words

SEEDS = 3
EVERY = 2.0  # seconds between two looks at the ledger
READINGS = {"of the target class": "target_class", "of the whole set": "training_set"}
BESIDE = {
    "report": "what the report's tables have: ResNet-18 on all 50,000 images; the run is one",
    "ours": "the mean over the seeds that are finished, ± their standard deviation where there are several; below "
    "it how far that is from the report's, by ▲ or ▼, a number and a bar, or ≈ where it is within the spread",
    "random": "poison left by a filter that removes as many images by lot",
    "perfect": "poison left by a filter of the same budget that knows the truth",
    "benign": "how often a network that never met poison gives the target class for the same triggered images: the "
    "rate to which ASR2 should fall",
}
HOW_TO_READ = (
    "A click opens a row to its seeds; a seed's figure opens that run on Compare, the poison that it left on Scores. "
    "As shares of the target class, the report's 5% and 10% are 250 and 500 poisoned images."
)


class Choice(NamedTuple):
    """Which tables are looked at."""

    recipe: str
    detector: str
    reading: str


def main() -> None:
    st.title("Tables")
    if not cuts.truth_shown():
        blind()
        return
    st.markdown("The report's Tables 1 and 2, and what this program measured for the same twelve attacks.")
    choice = choose()
    active = any(job.active for job in asked(wanted(*choice)).values())
    st.fragment(tables, run_every=EVERY if active else None)(choice, active)
    explanations()


def blind() -> None:
    """Every figure here is the attacker's knowledge, and the run under review may be among them."""
    st.info(
        "This screen compares with the truth: what was poisoned, and how often the trigger worked. In blind review it "
        "stays closed.",
        icon=":material/visibility_off:",
    )
    cuts.truth_switch()


def choose() -> Choice:
    """The recipe, the detector and the reading of "ratio"; what an address names that is not there is passed over."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        recipe = st.selectbox(
            "Recipe", recipes(), key="table_recipe", bind="query-params", width=150,
            help="How the networks are trained. Listed are those with a record or with a run.",
        )  # fmt: skip
        detector = st.selectbox(
            "Detector", core.reproduce.DETECTORS, key="table_detector", bind="query-params", width=230,
            help="spectral: the report's Algorithm 1. spectral-released: the original code's score, uncentred. "
            "whitened-spectral: whitened by the other classes, one-sided, refined; at the gap: cut where the groups "
            "part, with no number assumed.",
        )  # fmt: skip
        reading = st.segmented_control(
            "5% and 10% are shares", list(READINGS), default=next(iter(READINGS)), required=True,
            key="table_ratio", bind="query-params",
            help="The report says: of the whole training set. Its figures only fit a share of the target class.",
        )  # fmt: skip
    return Choice(recipe, detector, READINGS[reading])


def recipes() -> list[str]:
    """The recipes that have a committed record, or a run of the ledger that the tables could want."""
    tried = {job.config.training.recipe for job in current.runs() if job.config.dataset.name == missing.CIFAR10}
    known = tried.union(core.outcomes.recorded_recipes())
    return [name for name in core.RECIPES if name in known] or [next(iter(core.RECIPES))]


@st.cache_resource(max_entries=24, show_spinner=False)
def wanted(recipe: str, detector: str, reading: str) -> list[Entry]:
    """The runs that the tables are made of."""
    return core.reproduce.plan(recipe, SEEDS, (reading,), (detector,))


def asked(entries: Sequence[Entry]) -> dict[str, Job]:
    """What the ledger has of these runs, by key."""
    keys = {entry.key for entry in entries}
    return {job.key: job for job in core.jobs.listing(limit=missing.LISTED) if job.kind == "run" and job.key in keys}


# --- the tables, and what is said of them ----------------------------------------------------------------


@trouble.said()
def tables(choice: Choice, was_active: bool) -> None:
    """All that changes while runs go on."""
    entries = wanted(*choice)
    rows = core.outcomes.table(entries)
    jobs = asked(entries)
    if was_active != any(job.active for job in jobs.values()):
        st.rerun()  # the whole page, which then asks as often as there is something to ask
    enlist(rows, jobs)
    pairs = [pair for row in rows for pair in zip(row.entries, row.outcomes, strict=True)]
    absent = [entry for entry, outcome in pairs if outcome is None]
    done = len(absent) < len(entries)
    progress(choice, entries, absent, jobs)
    missing.offer(absent, jobs)
    if done:
        glance(rows)
    report_table.show(rows, jobs)
    st.caption(HOW_TO_READ)
    if done:
        why(rows)
        downloads(choice, rows)


def enlist(rows: Sequence[TableRow], jobs: Mapping[str, Job]) -> None:
    """A run that another process left in the store has no job yet, by which a link would find it."""
    for row in rows:
        for entry, outcome in zip(row.entries, row.outcomes, strict=True):
            if outcome is not None and outcome.stored and entry.key not in jobs:
                core.submit(entry.config, start=False)


def progress(choice: Choice, entries: Sequence[Entry], absent: Sequence[Entry], jobs: Mapping[str, Job]) -> None:
    """How many of the runs are finished, and how the others stand."""
    states = [report_words.state_of(entry, jobs) for entry in absent]
    done = len(entries) - len(absent)
    said = [f"**{done} of {words.count(len(entries), 'run')} finished**"]
    there = [state for state in report_words.STATES if state and state in states]
    said += [f"{report_words.STATES[state][0]} {states.count(state)} {state}" for state in there]
    text = " · ".join(said)
    if "running" in states or "queued" in states:
        begun = sum(jobs[entry.key].fraction for entry in absent if report_words.state_of(entry, jobs) == "running")
        st.progress(min((done + begun) / len(entries), 1.0), text)
    else:
        st.markdown(text)
    if not done and not any(states):
        of = next(name for name, value in READINGS.items() if value == choice.reading)
        st.info(
            f"Nothing is measured yet for recipe *{choice.recipe}*, *{choice.detector}* and a ratio {of}. Queue the "
            f"runs here, or carry them out by `{report_words.command(entries[0])}`.",
            icon=":material/hourglass_empty:",
        )


def glance(rows: Sequence[TableRow]) -> None:
    """The defence in two figures, over the rows that have one: the report's, and ours."""
    there = [row for row in rows if row.mean("poisons_left") is not None]
    left = sum(row.mean("poisons_left") or 0.0 for row in there)
    worst = max(row.mean("asr2") or 0.0 for row in there)
    benign = [rate for row in there if (rate := row.mean("benign_asr")) is not None]
    over = (
        f"in {words.count(len(there), 'row')} of {len(rows)}" if len(there) < len(rows) else f"in all {len(rows)} rows"
    )
    published, asr = max(row.row.asr2 for row in there), words.figure("ASR2").name
    figures = [
        (f"Poison left {over}, report → ours", f"{sum(row.row.poisons_left for row in there):,} → {left:,.1f}"),
        (f"Highest {asr}, report → ours", f"{words.share(published)} → {words.share(worst)}"),
    ]
    if len(benign) == len(there):
        figures.append(("Benign network, highest", words.share(max(benign))))
    st.html(render("tables/glance.html.jinja", figures=figures))


def why(rows: Sequence[TableRow]) -> None:
    """Where ours is further from the report's than the spread, and why; the same reason stands once."""
    reasons: dict[str, dict[str, list[str]]] = {figure: {} for figure in HEADS}
    for row in rows:
        for figure, reason in row.differs().items():
            reasons[figure].setdefault(reason, []).append(report_words.name_of(row).replace("-", " ") + "%")
    said = [
        f"- **{words.figure(HEADS[figure]).name}** ({among(names, len(rows))}): {words.sentence(reason)}"
        for figure, found in reasons.items()
        for reason, names in found.items()
    ]
    st.subheader("Why ours differs")
    if not said:
        st.markdown("Nothing differs from the report by more than the spread.")
        return
    st.caption("Only what is further from the report's figure than our spread over the seeds.")
    st.markdown("\n".join(said))


def among(names: Sequence[str], rows: int) -> str:
    """Which rows, in as few words as will do."""
    if len(names) == rows:
        return f"all {rows} rows"
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} of {rows} rows"


# --- to take away ----------------------------------------------------------------------------------------


def downloads(choice: Choice, rows: Sequence[TableRow]) -> None:
    name = f"poisonscope-tables-{choice.recipe}-{choice.detector}-{choice.reading.replace('_', '-')}"
    with st.container(horizontal=True):
        for label, make, ending, mime in (
            ("Tables as CSV", report_csv.as_csv, "csv", "text/csv"),
            ("Tables as Markdown", core.tables.markdown, "md", "text/markdown"),
        ):
            st.download_button(
                label, partial(_encoded, make, rows), f"{name}.{ending}", mime, icon=":material/download:",
                on_click="ignore",
            )  # fmt: skip


def _encoded(make, rows: Sequence[TableRow]) -> bytes:
    return make(rows).encode()


def explanations() -> None:
    with st.expander("What every column means"):
        figures = [(words.figure(head).name, words.explain(head)) for head in HEADS.values()]
        st.markdown("\n".join(f"- **{name}**: {meaning}" for name, meaning in (*figures, *BESIDE.items())))


shell.ensure()
main()
