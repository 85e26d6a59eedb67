"""What the command line's files share: where they write, and a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.jobs import estimates
from core.types import NOTES, Event, Watcher

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

out, err = Console(), Console(stderr=True)


def bar() -> Progress:
    """A progress bar that goes when it is full."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=err, transient=True)


def about(seconds: float, measured: bool) -> str:
    """How long something takes, and how we know."""
    basis = "measured on this machine" if measured else "a guess; the first run will tell"
    low, high = estimates.span(seconds, measured)
    unit, size = ("minutes", 60) if high >= 120 else ("seconds", 1)
    return f"{low / size:.0f} to {high / size:.0f} {unit} ({basis})"


@contextmanager
def shown(begins: str) -> Iterator[Watcher]:
    """A progress bar, and the watcher that moves it; what a training notes stands above it, once."""
    noted: set[str] = set()
    with bar() as drawn:
        task = drawn.add_task(begins, total=1.0)

        def watch(event: Event) -> None:
            for note in event.data.get(NOTES, ()):
                if note not in noted:
                    noted.add(note)
                    err.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
            drawn.update(task, description=event.message or event.stage, completed=event.data.get("overall"))

        yield watch
