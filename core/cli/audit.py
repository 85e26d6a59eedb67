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
            "is found (minutes); or your own: a .safetensors file of weights, or an .onnx file."
        ),
    ] = "none",
    architecture: Annotated[
        str,
        typer.Option(help="Of your own weights: a name of torchvision's, or poisonscope/resnet18 and the like."),
    ] = "resnet18",
    output: Annotated[
        str | None, typer.Option(help="Of an .onnx file: the output with a column a class, where several have one.")
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="Of an .onnx file: the value that is judged; by default what goes into its last layer."),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Also plant known triggers, and say which of them would have been found.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="A folder for audit.csv, keep.txt, report.html; audit.parquet, issues.csv, labels.json."),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(help="A new folder for a clean copy: clean/class/…, and what is flagged in quarantine/class/…."),
    ] = None,
    flagged: Annotated[
        Path | None, typer.Option(help="A new folder for the flagged images, in class folders, and flagged.csv.")
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="With --clean or --flagged: link to the pictures.")] = False,
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

    for folder in (to, clean, flagged):
        check_target(folder)
    audits.check_apart(clean, flagged, to)
    if retrain and network != "train":
        raise BadRequest("--retrain compares two networks that are trained here; say --network train, too")
    if (output is not None or layer is not None) and network in ("none", "train"):
        raise BadRequest("--output and --layer are of your own network; say --network FILE.onnx, too")
    copies = [folder for folder in (clean, flagged) if folder is not None]
    if copies:
        listing = audits.recognise(path)
        for folder in copies:
            audits.check_copy(listing, folder, links)
    seen = None if features is None else read(features, "features")
    with shown("reading") as watch:

        def watched(done: float, of: str) -> None:
            watch(Event("audit", done, of, {"overall": done}))

        found = audits.audit(
            path, features=seen, level=level, side=side, planting=control, network=network, architecture=architecture,
            output=output, layer=layer, tell=watched, cluster=cluster,
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
    said = []
    if clean is not None:
        said.append(f"clean copy: {audits.copy(found.brought, ~found.flagged, clean, links=links).sentence}")
    if flagged is not None:
        said.append(audits.set_aside(found, flagged, links=links))
    _say([] if as_json else said)


def _say(sentences: Iterable[str]) -> None:
    for said in sentences:
        out.print(said, markup=False, highlight=False, soft_wrap=True)
