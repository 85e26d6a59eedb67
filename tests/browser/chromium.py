"""Finds the Chromium that the browser tests drive, and installs one where there is none.

Run as a program (`make chromium`) it prints the path; as a module it only looks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

# The shell draws the same without a window, and takes an eighth less of the processor.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = "Install Chromium or Google Chrome, or name one: CHROMIUM=/path/to/chromium make test"


def candidates() -> Iterator[str]:
    """Paths in the order of preference; whether anything works there is not known yet."""
    for name in NAMES:
        if found := shutil.which(name):
            yield found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).exists():
        yield own


def version(path: str) -> str | None:
    """What the browser says it is; None where it does not start.

    A file is not enough: Playwright's own needs libraries that a bare system lacks, and Ubuntu puts a
    script in chromium's place.
    """
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def find() -> str | None:
    """The path of a Chromium that starts; a CHROMIUM in the environment is taken or refused, never passed over."""
    if chosen := os.environ.get("CHROMIUM"):
        path = shutil.which(chosen)
        if path is None or version(path) is None:
            raise SystemExit(f"CHROMIUM={chosen} does not start. {HELP}")
        return path
    return next((path for path in candidates() if version(path) is not None), None)


def install() -> None:
    """Tries Playwright's download, then the system's package where we may install one."""
    attempts = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        attempts += [[["apt-get", "update", "-qq"], [*install, name]] for name in NAMES[:2]]
    for commands in attempts:
        print("No Chromium yet; trying:", " && ".join(" ".join(command) for command in commands), flush=True)
        try:
            for command in commands:
                subprocess.run(
                    command, check=True, timeout=600, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
                )
        except (OSError, subprocess.SubprocessError) as error:
            print(error, file=sys.stderr)
        if find() is not None:
            return


def main() -> None:
    if find() is None:
        install()
    path = find()
    if path is None:
        raise SystemExit(f"There is no Chromium for the browser tests. {HELP}")
    print(f"Chromium: {path} ({version(path)})")


if __name__ == "__main__":
    main()
