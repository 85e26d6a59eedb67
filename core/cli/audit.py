"""`python -m core audit`: a training set of one's own, judged where it lies; nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from core.cli.terminal import AsJson, out, shown
from core.types import Event

LEVEL = 0.01


def audit(
    path: Annotated[
        str,
        typer.Argument(
            help="A folder of class folders, a zip or tar of one, a CSV or JSON Lines manifest, Parquet, .npz, or "
            "images.npy beside labels.npy."
        ),
    ],
    features: Annotated[
        str | None,
        typer.Option(help="Features [n, d] of its images, in their order, by a network that was trained on the set."),
    ] = None,
    level: Annotated[float, typer.Option(min=1e-12, max=0.5, help="Share of classes named wrongly, at most.")] = LEVEL,
    side: Annotated[
        int | None, typer.Option(min=8, max=512, help="Working size in pixels; chosen if left out.")
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Also plant known triggers, and say which of them would have been found.")
    ] = False,
    to: Annotated[Path | None, typer.Option(help="A folder for audit.csv, keep.txt and report.html.")] = None,
    as_json: AsJson = False,
) -> None:
    """Is something planted in a training set of one's own? In which class, which images?"""
    from core import audits
    from core.cli.reading import read
    from core.store import check_target

    if to is not None:
        check_target(to)
    seen = None if features is None else read(features, "features")
    with shown("reading") as watch:
        found = audits.audit(
            path, features=seen, level=level, side=side, planting=control,
            tell=lambda done, of: watch(Event("audit", done, of, {"overall": done})),
        )  # fmt: skip
    written = [] if to is None else audits.write(found, to)
    if as_json:
        print(json.dumps(audits.document(found), allow_nan=False))
        return
    for said in audits.sentences(found):
        out.print(said, markup=False, highlight=False, soft_wrap=True)
    for file in written:
        out.print(f"written: {file}", markup=False, highlight=False, soft_wrap=True)
