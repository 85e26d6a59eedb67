"""Which run this tab looks at: named in the address (`?run=…`), so that a link reopens it on the same screen.

Where the address names none it is the recorded run, so that every screen has something to show.

A screen that needs a finished run begins with

    result = need_run()

and gets it, or the page ends there with what is missing and what to do about it. `current_job()` and
`current_result()` answer with None instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

import core
from core import Job, PoisonscopeError, Result
from pages.parts.around import address, cuts, glossary, presenter, tour, words
from pages.parts.around.link import ALL_RUNS, OPEN, PARAMETER, SHORT, named

ATTACK, COMPARE = "pages/attack.py", "pages/compare.py"
_SCREEN = "run's screen"  # in session state: where the address was completed last
PATIENCE = 1.0  # seconds between two looks at a run that is waited for


def prepare() -> None:
    """Once a server: the recorded run goes into store and ledger. A screen must open without it too."""
    trouble = _install(str(core.home.home()))
    if trouble:
        st.warning(f"The recorded run cannot be shown: {trouble}", icon=":material/build:")


@st.cache_resource(max_entries=8, show_spinner="Unpacking the recorded run …")
def _install(home: str) -> str:
    try:
        core.install_recorded()
    except (PoisonscopeError, OSError) as error:
        return words.sentence(str(error))
    return ""


def current_job() -> Job | None:
    """The job that the address names, whatever its state, or the recorded one where it names none; else None."""
    wanted = named() or recorded_key()
    return core.jobs.named(wanted) or _from_tables(wanted)


def _from_tables(key: str) -> Job | None:
    """A run behind the report's tables that ships with the program and was never opened here."""
    try:
        return core.open_recorded(key)
    except (PoisonscopeError, OSError) as error:
        st.warning(f"The recorded run cannot be shown: {words.sentence(str(error))}", icon=":material/build:")
        return None


def recorded_key() -> str:
    """The key of the recorded run; empty where none ships."""
    return next(iter(core.recorded.run_keys()), "")


def is_recorded(job: Job) -> bool:
    return job.key in (*core.recorded.run_keys(), *core.recorded.run_keys(core.recorded.TABLES))


def current_result() -> Result | None:
    """The stored result of the current run, or None where it is unfinished or damaged."""
    job = current_job()
    return None if job is None or job.status != "done" else _stored(job)


def need_run(title: str = "") -> Result:
    """The current run's result; where there is none, says why, offers what helps, and ends the page.

    title: the heading of a screen that has none yet, so that it has one all the same. While the run goes the page
    watches it, and turns into the finished screen when it ends.
    """
    job = current_job()
    result = _stored(job) if job is not None and job.status == "done" else None
    why = "" if result is None else _without_images(result)
    if result is None or why:
        if title:
            st.title(title)
        _say_why(job, result, why)
        st.stop()
    return result


def _say_why(job: Job | None, result: Result | None, why: str) -> None:
    """What is missing, and the way on."""
    if job is None:
        _offer_choice()
    elif job.status != "done":
        st.fragment(_offer_patience, run_every=PATIENCE if job.active else None)(job.key, job.active)
    elif result is None:
        offer_again("this run")
    else:
        _offer_images(why)


def offer_again(what: str = "a part of this run") -> None:
    """Says that something stored was damaged or is missing; but in front of an audience, offers to compute it again."""
    if presenter.on():
        st.info(f"What was stored of {what} is damaged or missing.", icon=":material/build:")
        return
    job = current_job()
    st.warning(
        f"What was stored of {what} is damaged or missing. It has been set aside; nothing else is lost, and "
        "only what is missing will be computed again.",
        icon=":material/build:",
    )
    if job is not None and st.button("Run again", type="primary", icon=":material/replay:", key=f"again {what}"):
        core.Store().delete("run", job.key)  # or the request would be answered by the summary alone
        choose(core.submit(job.config))
        st.switch_page(ATTACK, query_params={PARAMETER: job.key[:SHORT]})


def choose(job: Job) -> None:
    """Make this run the tab's, in session and address."""
    _remember(job.key[:SHORT])


def runs() -> list[Job]:
    """The ledger's runs, newest first (benign references are no runs of their own)."""
    return [job for job in core.jobs.listing(limit=500) if job.kind == "run"]


def keep_address() -> None:
    """Streamlit empties the address when the screen changes: write the run into it again.

    On the same screen the address is right: one without a run is where somebody went back to.
    """
    if st.session_state.get(_SCREEN) == address.screen():
        st.session_state[PARAMETER] = address.get(PARAMETER)
    elif named():
        _remember(named())
    st.session_state[_SCREEN] = address.screen()


def come_back() -> None:
    """The browser's history led here: an address without a run means the recorded one, on another screen, too."""
    st.session_state[_SCREEN] = address.screen()


def picker() -> None:
    """The sidebar's list of runs."""
    job, blind = current_job(), not cuts.truth_shown()  # first: a run behind the tables enters the ledger by it
    known = {job.key[:SHORT]: job for job in runs()}
    labels = words.labels(known, blind)
    st.session_state["picked run"] = None if job is None else job.key[:SHORT]
    st.sidebar.selectbox(
        "Run",
        list(known),
        format_func=lambda key: labels.get(key, key),
        key="picked run",
        placeholder="Choose a run" if known else "No run yet",
        disabled=not known,
        on_change=lambda: _remember(st.session_state["picked run"]),
        help="All runs, newest first. The address of this page names the chosen one: share it as a link.",
    )
    glossary.button()
    tour.show()


def _remember(short: str | None) -> None:
    st.session_state[PARAMETER] = short
    address.put(PARAMETER, short or None)


def _stored(job: Job) -> Result | None:
    """The run as the store keeps it, or None where reading it found damage. What was recorded is unpacked again."""
    known = str(core.home.home()), job.key, job.finished, core.datasets.available(job.config.dataset.name)
    result = _opened(*known, job.config)
    if result.summary is None and is_recorded(job):
        _install.clear()
        _opened.clear(*known)
        prepare()
        _from_tables(job.key)
        result = _opened(*known, job.config)
    if result.summary is None:
        _opened.clear(*known)
        return None
    return result


@st.cache_resource(max_entries=3, show_spinner=False)
def _opened(home: str, key: str, finished: float | None, data_here: bool, _config: core.RunConfig) -> Result:
    """A result loads images, features and scores once; three are kept, since each may hold 300 MB."""
    return core.Result(_config)


def _without_images(result: Result) -> str:
    """Why the run's images are not at hand, as a sentence; empty where they are."""
    try:
        return "" if result.dataset.name == result.config.dataset.name else "They are another data set's."
    except PoisonscopeError as error:
        return words.sentence(str(error))


def _offer_images(why: str) -> None:
    st.warning(
        f"This run is stored, but the images that it is about are not at hand. {why}", icon=":material/cloud_download:"
    )
    out = presenter.out()
    st.page_link(ATTACK, label="Fetch them on the Attack screen", icon=":material/arrow_forward:", query_params=out)


def _offer_choice() -> None:
    if named():
        st.warning(f"No run here is called {words.plain(named())}: it was deleted, or made on another machine.")
    else:
        st.info("No run is chosen yet. Start one on the Attack screen, or choose a finished one in the sidebar.")
    with _ways_out():
        st.page_link(ATTACK, label="Start a run: Attack", icon=":material/arrow_forward:", query_params=presenter.out())


def _offer_patience(key: str, was_active: bool) -> None:
    say_progress(looked_at_again(key, was_active), "What it found will stand here.")


def looked_at_again(key: str, was_active: bool) -> Job:
    """A run that is drawn again while it goes; once it has ended, or is gone from the list, the page is drawn."""
    job = core.jobs.named(key)
    if job is None or (was_active and not job.active):
        st.rerun()
    return job


def say_progress(job: Job, further: str) -> None:
    """How far a run is that has not come to its end, and where to watch it or resume it."""
    st.info(f"{words.state(job)} {further}", icon=words.icon(job))
    if job.status == "running":
        st.progress(job.fraction)
    with _ways_out():
        st.page_link(
            ATTACK,
            label="Watch it on the Attack screen" if job.active else "See what happened, and resume it",
            icon=":material/arrow_forward:",
            query_params={PARAMETER: job.key[:SHORT], **presenter.out()},
        )


@contextmanager
def _ways_out() -> Iterator[None]:
    """Beside what a screen offers: the recorded run on this screen, and the list of all runs."""
    recorded, found = recorded_key(), runs()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        yield
        if recorded and not recorded.startswith(named() or "no run"):
            st.button(
                "Show the recorded run", icon=":material/history:", type="tertiary", key="recorded run",
                on_click=lambda: _remember(recorded[:SHORT]),
            )  # fmt: skip
        if found:
            query = {OPEN: ALL_RUNS, **presenter.out()}
            st.page_link(COMPARE, label="All runs", icon=":material/list:", query_params=query)
