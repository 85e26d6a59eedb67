"""An audit, or a training on what is kept, as it goes: started, watched, cancelled, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.audits import Outlook
from pages.parts.around import warm, words
from pages.parts.audit import background, plainly
from pages.parts.audit.background import Owner, Task

TAB = "audit tab"  # in session state: what tells this tab from all others
PATIENCE = 0.3  # seconds that an end is waited for, so that what is quick shows no bar


def owner() -> Owner:
    """This tab."""
    context = get_script_run_ctx()
    if TAB not in st.session_state:
        st.session_state[TAB] = uuid4().hex
    return Owner(st.session_state[TAB], "" if context is None else context.session_id)


def start(key: tuple[Any, ...], work: Callable[[Task], Any], outlook: Callable[[], Outlook]) -> None:
    """Have something done in the background; the screen is drawn again."""
    ready = warm.loading()

    def when_loaded(task: Task) -> Any:
        if ready is not None:
            ready.join()
        return work(task)

    task = Task(key, owner(), when_loaded, outlook)
    background.line().add(task)
    task.wait(PATIENCE)
    st.rerun()


def asked(key: tuple[Any, ...]) -> Task | None:
    """What this tab asked for, or a tab that is gone."""
    return background.line().find(key, owner())


def heard(task: Task) -> None:
    """Its end is known by now."""
    background.line().forget(task)


def show(task: Task | None) -> None:
    """How far it is, drawn again every second; how it ended, where nothing came of it."""
    if task is None:
        return
    if task.active:
        st.fragment(_watch, run_every=1.0)(task)
    elif task.state == "failed":
        plainly.notice(f"It failed: {task.trouble}")
    elif task.state == "cancelled":
        plainly.notice("It was cancelled. Asked for again, it goes on from what is kept of it.", "stopped")


def _watch(task: Task) -> None:
    if not task.active:
        st.rerun()  # the whole screen, which then no longer asks
    line = background.line()
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    with bar:
        if task.stopping:
            st.warning("Stopping at its next step.", icon=":material/stop_circle:")
        elif task.state == "waiting" or task.outlook is None:
            st.info(_waits(line.before(task)), icon=":material/hourglass_empty:")
        else:
            st.progress(*_far(task.outlook, task.of))
            st.caption("It goes on when you leave this screen; come back to see it.")
    if stop.button("Cancel", icon=":material/stop_circle:", disabled=task.stopping, key=f"{task.key[0]} cancel"):
        line.cancel(task)
        st.rerun()


def _far(outlook: Outlook, of: str) -> tuple[float, str]:
    done = min(outlook.fraction(), 0.99)
    at = f"{of[:1].upper()}{of[1:]}" if of else "Beginning"
    return done, f"**{words.share(done, 0)}** · {at} · about {words.between(*outlook.left())} left"


def _waits(others: list[Task]) -> str:
    """What a task waits for, and about how long."""
    if not others:
        return "It begins …"
    many = "another audit is running" if len(others) == 1 else f"{len(others)} others come first"
    running = others[0].outlook
    left = "" if running is None else f" (about {words.between(*running.left())} left of the one that runs)"
    return f"It waits for its turn: {many}{left}. Two at once would slow each other down."
