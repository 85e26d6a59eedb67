"""`python -m core audit`: a training set of one's own, judged where it lies; a network is trained only when asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.cli.terminal import AsJson, out, shown
from core.types import BadRequest, Event

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
    network: Annotated[
        str,
        typer.Option(
            help="none; train: one is trained on the set as its user would, shows what images do not, and proves what "
            "is found (minutes); or your own: a .safetensors file of weights."
        ),
    ] = "none",
    architecture: Annotated[
        str,
        typer.Option(help="Of your own network: a name of torchvision's, or poisonscope/resnet18 and the like."),
    ] = "resnet18",
    control: Annotated[
        bool, typer.Option("--control", help="Also plant known triggers, and say which of them would have been found.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="A folder for audit.csv, keep.txt, report.html; audit.parquet, issues.csv.")
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(help="A new folder for a clean copy: clean/class/…, and what is flagged in quarantine/class/…."),
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="Link to the pictures in the clean copy.")] = False,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="With --network train: train on what is not flagged, too, and compare the two."),
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="Have the files read by a Ray cluster, all of whose nodes see them: auto, host:port."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Is something planted in a training set of one's own? In which class, which images?"""
    from core import audits
    from core.cli.reading import read
    from core.store import check_target

    for folder in (to, clean):
        check_target(folder)
    if retrain and network != "train":
        raise BadRequest("--retrain compares two networks that are trained here; say --network train, too")
    if clean is not None:
        audits.check_copy(audits.recognise(path), clean, links)
    seen = None if features is None else read(features, "features")
    with shown("reading") as watch:

        def watched(done: float, of: str) -> None:
            watch(Event("audit", done, of, {"overall": done}))

        found = audits.audit(
            path, features=seen, level=level, side=side, planting=control, network=network, architecture=architecture,
            tell=watched, cluster=cluster,
        )  # fmt: skip
        able = found.flagged.any() and found.network is not None and found.network.believed
        anew = audits.retrained(found, watched) if retrain and able else None
    written = [] if to is None else audits.write(found, to)
    if as_json:
        compared = {} if anew is None else {"retrained": asdict(anew)}
        print(json.dumps({**audits.document(found), **compared}, allow_nan=False))
    else:
        _say([*audits.sentences(found), *(f"written: {file}" for file in written)])
        _say([] if anew is None else audits.compared(anew))
        if retrain and anew is None:
            _say(["not trained anew: nothing is flagged, or the network knows too little of the set"])
    if clean is not None:
        copied = audits.copy(found.brought, ~found.flagged, clean, links=links)
        if not as_json:
            _say([f"clean copy: {copied.sentence}"])


def _say(sentences: Iterable[str]) -> None:
    for said in sentences:
        out.print(said, markup=False, highlight=False, soft_wrap=True)
