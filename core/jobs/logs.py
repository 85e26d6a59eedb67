"""A job's log: what is logged and printed while it runs, whoever prints it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

from core.jobs.ledger import Job

log = logging.getLogger(__name__)


@contextmanager
def job_log(job: Job) -> Iterator[None]:
    """Python's logging, and what the process prints by any means, go to the job's log for a while.

    Where the log cannot be opened the job runs without.
    """
    with ExitStack() as stack:
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            file = open(job.log, "a", encoding="utf-8")  # noqa: SIM115 - closed by the stack
        except OSError as error:
            log.warning("no log for job %d: %s", job.id, error)
        else:
            stack.callback(_close, file)
            stack.enter_context(_logging(logging.StreamHandler(file)))
            stack.enter_context(_printing(file.fileno()))
        yield


def _close(file: IO[str]) -> None:
    with suppress(OSError):  # a full disk may keep the last lines, but must not end the worker
        file.close()


@contextmanager
def _logging(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) if level else logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


@contextmanager
def _printing(target: int) -> Iterator[None]:
    """Send this process's standard output and error to an open file; native code's too."""
    try:
        saved = [(standard, os.dup(standard)) for standard in (1, 2)]
    except OSError:  # a process without them
        yield
        return
    try:
        for standard, _ in saved:
            os.dup2(target, standard)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        for standard, copy in saved:
            os.dup2(copy, standard)
            os.close(copy)
