"""Being connected to a Ray cluster, with this program's code on its nodes; and a folder that all of them see.

Ray is imported when it is wanted and not before (requirements-cluster.txt).
"""

from __future__ import annotations

import importlib
import io
import logging
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from core.clusters.places import Place
from core.configuration import reading
from core.store import Store
from core.types import BadRequest

GRACE = 15.0  # seconds for a cancelled task to put its things away
log = logging.getLogger(__name__)


@contextmanager
def connected(where: Place) -> Iterator[Any]:
    """Ray, connected to a cluster whose nodes get this program's code; BadRequest where that cannot be."""
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise BadRequest(
            "a cluster needs Ray, which is not installed here; "
            "python -m pip install -r requirements-cluster.txt -c constraints.txt"
        ) from None
    if ray.is_initialized():  # by whoever calls us from a program of their own
        yield ray
        return
    code = {"py_modules": [str(Path(__file__).resolve().parents[1])], "excludes": ["**/__pycache__"]}
    _reachable(where.address)
    with redirect_stdout(_Logged()):
        try:
            with _own_signals():
                ray.init(address=where.address, runtime_env=code, log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BadRequest(f"no Ray cluster can be used at {where.address!r}: {first}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _reachable(address: str) -> None:
    """BadRequest where nobody listens at host:port; Ray itself would try for minutes, and cannot be stopped."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    number = reading.whole(port, 1, 65_535)
    if host and number is None and port.isdigit():
        raise BadRequest(f"no Ray cluster can be used at {reading.shown(address)}: a port lies in [1, 65535]")
    if host and number is not None:
        try:
            socket.create_connection((host.strip("[]"), number), timeout=10.0).close()
        except (OSError, ValueError) as error:  # ValueError: a name that no host can have
            raise BadRequest(f"no Ray cluster can be used at {address!r}: {error}") from None


class _Logged(io.TextIOBase):
    """Where Ray's printing goes: a node's last words shall not stand among the figures that a command prints."""

    def write(self, text: str) -> int:
        """Take a piece of text."""
        if text.strip():
            log.info("%s", text.rstrip())
        return len(text)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the worker's, which stops a job in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, ours)


@contextmanager
def seen_by_all(store: Store) -> Iterator[str]:
    """A file in the store's folder by which a node can tell that it is the same folder."""
    store.folder.mkdir(parents=True, exist_ok=True)
    token = store.folder / f".shared-{secrets.token_hex(8)}"
    token.touch()
    try:
        yield str(token)
    finally:
        token.unlink(missing_ok=True)


def reason(ray: Any, error: BaseException) -> str:
    """Why a task came to nothing, in Ray's words on one line: its nodes died, once too often, or its process did."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raised = isinstance(error, ray.exceptions.RayTaskError)  # by the node, before our code could catch it
    return lines[-1 if raised else 0]


def stop(ray: Any, tasks: Sequence[Any]) -> None:
    """Interrupt tasks, so that they put their things away; end those that do not."""
    left = list(tasks)
    for force in (False, True):
        for task in left:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(task, force=force)
        if left:
            _, left = ray.wait(left, num_returns=len(left), timeout=GRACE)
