"""Long work in a thread of the server, one task after the other: it goes on when its screen is left, until cancelled.

A run is a job of the ledger and outlives the server, since all that it makes lies in the store. An audit holds its
images and a network to ask, which are handed to the screen as they are: so it lives, and ends, with the server.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st
from streamlit.runtime import Runtime, RuntimeState

from core.audits import Outlook
from core.store import NO_SPACE, home, no_space
from core.types import Cancelled, PoisonscopeError

ACTIVE = ("waiting", "running")
MOST_ENDED = 32  # tasks that have ended and are remembered
LAST = 10.0  # seconds that the server's end waits for its next word
GENTLY = 5  # steps of niceness, where a thread has one of its own: the screens' threads come first
log = logging.getLogger(__name__)

Tell = Callable[[float, str], None]


class Owner(NamedTuple):
    """Whose a task is: a tab, and Streamlit's session of it."""

    tab: str
    session: str

    def gone(self) -> bool:
        """Whether the tab was closed, or loaded anew."""
        return st.runtime.exists() and not st.runtime.get_instance().is_active_session(self.session)


class Task:
    """Something asked for: its kind and what of (equal keys are the same), how far it is, and how it ended.

    state: waiting, running, done, failed, cancelled. of: what it is at. trouble: why it failed, in a sentence.
    """

    def __init__(
        self, key: tuple[Any, ...], owner: Owner, work: Callable[[Task], Any], outlook: Callable[[], Outlook]
    ) -> None:
        self.key, self.owner = key, owner
        self.state, self.of, self.trouble = "waiting", "", ""
        self.result: Any = None
        self.outlook: Outlook | None = None
        self._work, self._outlook = work, outlook
        self._cancelled, self._ended = threading.Event(), threading.Event()

    @property
    def clock(self) -> Outlook:
        """How far a task is that has begun."""
        assert self.outlook is not None
        return self.outlook

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def stopping(self) -> bool:
        """Whether it was cancelled, and has not heard of it yet."""
        return self._cancelled.is_set() and self.active

    def wait(self, seconds: float) -> bool:
        """Until it has ended, at most so long; whether it has."""
        return self._ended.wait(seconds)

    def tell(self, done: float, of: str) -> None:
        """The work's word; Cancelled where it is to stop, or the server does."""
        if self._cancelled.is_set() or _server_stops():
            raise Cancelled("it was cancelled")
        self.clock.hear(done, of)
        self.of = of

    def cancel(self) -> None:
        self._cancelled.set()

    def carry_out(self) -> None:
        """The work, once; whatever comes of it is told by the state."""
        if self._cancelled.is_set():
            self._end("cancelled")
            return
        self.state = "running"
        try:
            self.outlook = self._outlook()
            self.result = self._work(self)
            state = "done"
        except Exception as error:
            state = "cancelled" if self._cancelled.is_set() or isinstance(error, Cancelled) else "failed"
            if state == "failed":
                self.trouble = _words(error)
        if self.outlook is not None:
            self.outlook.close()
        self._end(state)

    def _end(self, state: str) -> None:
        del self._work, self._outlook  # and what they hold: an audit, say
        self.state = state
        self._ended.set()


class Line:
    """The tasks of a server, carried out one after the other: two at once would take each other's cores and memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()  # as they came, some that have ended among them
        self._thread: threading.Thread | None = None

    def add(self, task: Task) -> None:
        """Put a task at the end; one with its key that has ended is forgotten."""
        with self._lock:
            kept = [one for one in self._tasks if one.active or (one.key, one.owner) != (task.key, task.owner)]
            ended = [one for one in kept if not one.active]
            for one in ended[: max(0, len(ended) - MOST_ENDED)]:
                kept.remove(one)
            self._tasks = deque([*kept, task])
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audits", daemon=True)
                self._thread.start()

    def find(self, key: tuple[Any, ...], owner: Owner) -> Task | None:
        """The owner's newest task of that key; or one of a tab that is gone, which is the owner's from now on."""
        with self._lock:
            same = [one for one in reversed(self._tasks) if one.key == key]
            own = next((one for one in same if one.owner == owner), None)
            if own is None:
                left = (one for one in same if one.state in (*ACTIVE, "done") and one.owner.gone())
                own = next(left, None)
                if own is not None:
                    own.owner = owner
            return own

    def before(self, task: Task) -> list[Task]:
        """The tasks that a waiting one waits for."""
        with self._lock:
            tasks = [one for one in self._tasks if one.active]
        return tasks[: tasks.index(task)] if task in tasks else []

    def cancel(self, task: Task) -> None:
        """At once where it waits, at its next word where it runs."""
        with self._lock:
            task.cancel()
            if task.state == "waiting":
                task.carry_out()  # which ends it

    def forget(self, task: Task) -> None:
        """One whose end was heard."""
        with self._lock:
            if task in self._tasks:
                self._tasks.remove(task)

    def close(self) -> None:
        """End what runs and what waits. A thread that is in torch when the interpreter goes would abort the process."""
        with self._lock:
            thread = self._thread
            for one in self._tasks:
                one.cancel()
        if thread is not None:
            thread.join(LAST)

    def _run(self) -> None:
        _be_gentle()
        while True:
            with self._lock:
                task = next((one for one in self._tasks if one.state == "waiting"), None)
                if task is None:
                    self._thread = None
                    return
                task.state = "running"
            task.carry_out()
            del task  # nothing of it stays here while the next one runs


@st.cache_resource(max_entries=1, show_spinner=False)
def line() -> Line:
    """The server's."""
    made = Line()
    atexit.register(made.close)
    return made


def _server_stops() -> bool:
    return st.runtime.exists() and Runtime.instance().state in (RuntimeState.STOPPING, RuntimeState.STOPPED)


def _be_gentle() -> None:
    """Linux has a niceness for each thread, and threads that this one begins have it, too."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + GENTLY)


def _words(error: Exception) -> str:
    """What went wrong, and what a person can do about it where there is something."""
    if isinstance(error, PoisonscopeError):
        return str(error)
    log.error("an audit failed", exc_info=error)
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or code == errno.ENOMEM or "allocate memory" in str(error):
        return "the memory of the server does not suffice for this; audit a part of the set, or smaller images"
    if isinstance(error, OSError) and code in NO_SPACE:
        return no_space(home.home(), error)
    return f"{type(error).__name__}: {error}"
