"""What an audit that runs in the server costs those who look at other screens meanwhile.

Starts the app on the recorded run. One session (by Streamlit's protocol, benchmarks/_client.py) has a set of made-up
photographs audited, with a network trained on it; another goes from screen to screen and moves the budget, first with
no audit, then while it runs. A rerun lasts from the request until the script has run to its end.

    python -m benchmarks.beside_an_audit [images]

prints, in milliseconds, the median and 95% of the reruns, alone and by the audit's stage.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks import _browsing as browsing
from benchmarks import _client
from benchmarks._client import Client
from tests.audits import made
from tests.browser.conftest import AppServer, serving
from tests.detectors.pictures import photographs

IMAGES, CLASSES, STAMPED = 8_000, 10, 80
SCREENS = ("scores", "flagged", "compare", "how", "sensitivity")
ALONE = 40  # reruns before the audit begins
_client.PATIENCE = 120.0  # what is slow is to be seen


def brought(root: Path, count: int) -> Path:
    """Class folders of photographs, a yellow square on some of the first class."""
    images = photographs(count, 32, seed=3)
    labels = np.arange(count) % CLASSES
    images[np.flatnonzero(labels == 0)[:STAMPED], 28:30, 28:30] = (255, 255, 0)
    names = (f"{label}/{row:06d}.png" for row, label in enumerate(labels))
    return made.laid_out(root, {name: made.picture(image) for name, image in zip(names, images, strict=True)})


async def begun(server: AppServer, place: Path) -> Client:
    """A session in which the set is audited."""
    client = Client(server.url)
    await client.open()
    await client.go("audit")
    await client.move("text_input", "Path on", {"string_value": str(place)})
    await client.move("checkbox", "Also train a network", {"bool_value": True})
    button, _ = client.find("button", "Audit")
    await client.move("button", "Audit", {"trigger_value": True})
    del client.states[button.id]
    return client


async def stage(client: Client, fragment: str) -> str:
    """What the audit is at, by its session's bar as it is drawn now; empty once there is none."""
    client.elements = {
        place: one for place, one in client.elements.items() if one[0].WhichOneof("type") not in ("progress", "alert")
    }
    await client._run(fragment)
    for element, _ in client.elements.values():
        if element.WhichOneof("type") == "progress":
            return str(element.progress.text).split(" · ")[1]
        if element.WhichOneof("type") == "alert":
            return "Beginning"
    return ""


async def step(client: Client, chance: random.Random, number: int) -> float:
    """Another screen, or another budget."""
    if number % 3 == 0:
        return await client.go(chance.choice([one for one in SCREENS if one != client.screen]))
    if client.screen != "scores":
        return await client.go("scores")
    value = {"data": [float(chance.randrange(50, 1500))]}
    return await client.move("slider", "Images removed", {"double_array_value": value})


async def measure(count: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "app") as server:
        place = brought(server.sets / "photos", count)
        client, chance, number = Client(server.url), random.Random(0), 0
        await client.open()
        await asyncio.sleep(10.0)  # torch is loaded beside the first answers
        while number < 2 * ALONE:
            took = await step(client, chance, number)
            if number >= ALONE:
                times["alone"].append(took)
            number += 1
            await asyncio.sleep(0.1)
        auditor = await begun(server, place)
        began = time.perf_counter()
        _, fragment = auditor.find("button", "Cancel")
        while at := await stage(auditor, fragment):
            times[at].append(await step(client, chance, number))
            number += 1
            await asyncio.sleep(0.1)
        print(f"the audit took {time.perf_counter() - began:.0f} seconds")
        if troubles := client.troubles + auditor.troubles:
            sys.exit(f"something went wrong: {troubles}")
        await auditor.close()
        await client.close()
    return times


def main() -> None:
    times = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
    found = {
        name: {
            "reruns": len(some),
            "median": round(1000 * statistics.median(some)),
            "95%": round(1000 * sorted(some)[int(0.95 * (len(some) - 1))]),
        }
        for name, some in times.items()
    }
    print(json.dumps({"benchmark": "beside_an_audit", "milliseconds": found, **browsing.machine()}, indent=1))


if __name__ == "__main__":
    main()
