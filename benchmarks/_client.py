"""A visitor without a browser: speaks Streamlit's own protocol, so that a machine can hold twenty of them.

It asks for screens, moves widgets and waits until the script has run, as the page in a browser does; what it leaves
out is the drawing, which in life happens on the visitor's machine.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 20.0  # seconds after which an interaction has failed


class Client:
    """One session: where it is, what stands there, and what its widgets hold."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.screen, self.query = "", ""
        self.hashes: dict[str, str] = {}  # of the screens, by their name in the address
        self.elements: dict[tuple[int, ...], tuple[Any, str]] = {}  # by place: the element and its fragment
        self.states: dict[str, WidgetState] = {}
        self.troubles: list[str] = []
        self.received = 0  # bytes
        self._socket: ClientConnection | None = None

    async def open(self) -> float:
        """Connect and take in the first screen; seconds until it stands."""
        begun = time.perf_counter()
        address = f"ws://{urlsplit(self.server).netloc}/_stcore/stream"
        self._socket = await connect(address, subprotocols=["streamlit"], max_size=None, origin=self.server)  # type: ignore[list-item, arg-type]
        await self._run("")
        return time.perf_counter() - begun

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def go(self, screen: str) -> float:
        """To another screen, as by the sidebar."""
        self.screen, self.query = screen, ""
        self.elements.clear()
        self.states.clear()
        return await self._run("")

    async def move(self, kind: str, label: str, state: dict[str, Any]) -> float:
        """Give the widget of this kind whose label begins so a value; its fragment alone reruns, if it has one."""
        element, fragment = self.find(kind, label)
        self.states[element.id] = WidgetState(id=element.id, **state)
        return await self._run(fragment)

    def find(self, kind: str, label: str = "") -> tuple[Any, str]:
        for element, fragment in self.elements.values():
            if element.WhichOneof("type") == kind:
                found = getattr(element, kind)
                if getattr(found, "label", "").startswith(label):
                    return found, fragment
        raise LookupError(f"no {kind} {label!r} on {self.screen or 'the first screen'}")

    async def _run(self, fragment: str) -> float:
        begun = time.perf_counter()
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.fragment_id = self.query, fragment
        run.page_script_hash = self.hashes.get(self.screen, "")
        if not run.page_script_hash:
            run.page_name = self.screen
        run.context_info.url = f"{self.server}/{self.screen}?{self.query}"
        run.widget_states.widgets.extend(self.states.values())
        assert self._socket is not None
        await self._socket.send(message.SerializeToString())
        async with asyncio.timeout(PATIENCE):
            while not await self._take(fragment):
                pass
        return time.perf_counter() - begun

    async def _take(self, fragment: str) -> bool:
        """One message; whether it says that the script has run to its end."""
        assert self._socket is not None
        content = await self._socket.recv()
        assert isinstance(content, bytes)
        self.received += len(content)
        message = ForwardMsg.FromString(content)
        kind = message.WhichOneof("type")
        if kind == "delta":
            place, delta = tuple(message.metadata.delta_path), message.delta
            if delta.WhichOneof("type") == "new_element":
                self.elements[place] = delta.new_element, delta.fragment_id
                if delta.new_element.WhichOneof("type") == "exception":
                    self.troubles.append(f"{self.screen}: {delta.new_element.exception.message[:200]}")
        elif kind == "navigation":
            self.hashes = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                self.troubles.append(f"{self.screen}: the script does not compile")
            return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return False
