"""What it costs the browser to draw the Flagged screen, in seconds of the processor that are its own.

The run and the way are those of benchmarks/slider.py's `gallery`: from Scores to Flagged by the menu. Of each turn are
told, until a third of a second after the first page of pictures is drawn:

    script, style, layout, task   milliseconds of the processor that the page's main thread spent on JavaScript, on
                                  styles, on layout and on all (the browser's own Performance metrics in thread time)
    layouts, styles               how often layout and styles were worked out
    nodes                         elements on the screen, those in shadow roots too
    deltas, bytes                 pieces that the server sent to be put on the page, and bytes in all

    python -m benchmarks.drawing

prints a line for each and a JSON object. Compare versions by turns on one machine; wall-clock times are the other
program's.
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from playwright.sync_api import CDPSession, Page, WebSocket
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import core
from benchmarks import slider

TURNS, WARM_UP = 12, 3
METRICS = {
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
    "task": "TaskDuration",
    "layouts": "LayoutCount",
    "styles": "RecalcStyleCount",
}
DIGITS = {"script": 1, "style": 1, "layout": 1, "task": 1}  # milliseconds; the others are counts

_NODES = """() => {
  const count = (root) => [...root.querySelectorAll("*")].reduce(
    (sum, element) => sum + 1 + (element.shadowRoot ? count(element.shadowRoot) : 0), 0);
  return count(document);
}"""


def measure(address: str, run: str) -> dict[str, list[float]]:
    """What each turn cost, by what is told of it."""
    with slider.tab() as page:
        frames: list[bytes] = []
        page.on("websocket", lambda socket: listen(socket, frames))
        slider.opened(page, f"{address}/scores?run={run}&budget={slider.BUDGET}")
        browser = page.context.new_cdp_session(page)
        browser.send("Performance.enable", {"timeDomain": "threadTicks"})
        turns = [turn(page, browser, frames) for _ in range(WARM_UP + TURNS)][WARM_UP:]
    return {name: [one[name] for one in turns] for name in turns[0]}


def listen(socket: WebSocket, frames: list[bytes]) -> None:
    socket.on("framereceived", lambda frame: frames.append(frame if isinstance(frame, bytes) else frame.encode()))


def turn(page: Page, browser: CDPSession, frames: list[bytes]) -> dict[str, float]:
    """From Scores to Flagged, and back."""
    page.evaluate(slider.WATCH_GALLERY)
    frames.clear()
    before = metrics(browser)
    slider.screen(page, "Flagged").click()
    slider.waited(page, "the gallery")
    after = metrics(browser)
    found = {name: after[name] - before[name] for name in METRICS}
    sent = [ForwardMsg.FromString(frame) for frame in frames]
    found |= {
        "nodes": float(page.evaluate(_NODES)),
        "deltas": float(sum(message.WhichOneof("type") == "delta" for message in sent)),
        "bytes": float(sum(map(len, frames))),
    }
    slider.screen(page, "Scores").click()
    page.locator(".histogram .bar").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    return found


def metrics(browser: CDPSession) -> dict[str, float]:
    """The page's metrics so far; durations in milliseconds."""
    told = {one["name"]: one["value"] for one in browser.send("Performance.getMetrics")["metrics"]}
    return {name: told[its] * (1000 if its.endswith("Duration") else 1) for name, its in METRICS.items()}


def summary(found: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "benchmark": "drawing",
        "turns": TURNS,
        **{name: round(statistics.median(values), DIGITS.get(name, 0)) for name, values in found.items()},
    }


def main() -> None:
    with slider.served() as (address, config):
        found = summary(measure(address, core.run_key(config)[:16]))
    for name in (*METRICS, "nodes", "deltas", "bytes"):
        print(f"{name:8} {found[name]:10,.{DIGITS.get(name, 0)}f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
