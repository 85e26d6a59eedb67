"""A run that is stored already against the same run the first time, from the command line.

Both are `python -m core run --json` in a process of its own, on a small digits run in a folder of its
own, so that the ratio holds what a person waits for: interpreter, imports, store, answer.

    python -m benchmarks.cached_start
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

COMMAND = (sys.executable, "-m", "core", "run", "--json", "--dataset", "digits", "--target", "three")


def timed(home: str) -> tuple[float, dict[str, object]]:
    """Seconds of one call, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        COMMAND, env={**os.environ, "POISONSCOPE_HOME": home}, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began, json.loads(done.stdout)


def main() -> None:
    """Run once for real, five times from the store."""
    with tempfile.TemporaryDirectory() as home:
        first, computed = timed(home)
        again = [timed(home) for _ in range(5)]
    assert not computed["cached"]
    assert all(answer["cached"] and answer["asr2"] == computed["asr2"] for _, answer in again)
    cached = sorted(seconds for seconds, _ in again)[2]
    print(json.dumps({"first_seconds": first, "cached_seconds": cached, "times_faster": first / cached}))


if __name__ == "__main__":
    main()
