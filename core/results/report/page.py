"""The whole page: what it begins with, its sections in order, the settings, and where it comes from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from markupsafe import Markup

from core.configuration import MODELS, RunConfig, stages
from core.evaluation.figures import share
from core.results import markup, reviews
from core.results.report import figures, histograms, images, proof, words
from core.results.result import Result
from core.results.templates import render
from core.types import NOTES, BadRequest

PACKAGES = ("torch", "numpy", "scikit-learn", "pandas")

Verdicts = Mapping[int, str]


def html(result: Result, *, truth: bool = True, verdicts: Verdicts | None = None) -> str:
    """A finished run as a self-contained page, under 1.5 MB.

    `verdicts` gives a reviewer's word on images by id. BadRequest where the run is not finished or its scores are gone.
    """
    config, summary, found = result.config, result.summary, result.detection()
    removed = result.flagged
    if summary is None or found is None or removed is None:
        raise BadRequest("this run is not finished, or a part of it is gone; there is nothing to report yet")
    before = [figures.rates(result, summary), images.attack(result, summary)]
    shared = [
        histograms.scores(result, found, removed, truth),
        images.thumbnails(result, found, removed, truth, verdicts or {}, words.reviewers(result) if verdicts else []),
        *proof.proof(result, found, removed, truth),
        figures.answers(result, summary, truth),
    ]
    after = [figures.filters(config, summary), figures.published(config, summary)]
    last = [_settings(config, truth), _provenance(result, summary, truth)]
    page = render(
        "report/page.html.jinja", title=words.title_of(config, truth), patterns=markup.PATTERNS,
        matrix_style=markup.MATRIX_STYLE, head=_head(result, summary, truth),
        sections=[*before, *shared, *after, *last] if truth else [*shared, *last],
    )  # fmt: skip
    return f"{page!s}\n"


def verdicts_of(result: Result) -> dict[int, str]:
    """What reviewers said of a run's images, by id: a word of each who gave one, with the name."""
    said: dict[int, list[str]] = {}
    for review in reviews.of(reviews.desk(result.config)):
        if review.verdict is not None:
            said.setdefault(review.image, []).append(f"{review.verdict} ({review.reviewer})")
    return {image: ", ".join(given) for image, given in said.items()}


def _head(result: Result, found: dict[str, Any], truth: bool) -> Markup:
    config = result.config
    gone = f"{words.count(found['flagged'], 'image')} of {len(result.poisoned):,} were removed from the training set."
    removed = " ".join(filter(None, (gone, words.gap_cut(result), words.reviewed_cut(result))))
    return render(
        "report/head.html.jinja", title=words.title_of(config, truth), truth=truth, poisons=found["poisons"],
        removed=removed, target=config.target_name,
        stood=f"{words.count(found['poisons'], 'image')} with {_trigger(config)} and the label {_label(config)}",
        covers=words.covers(found), left=found["poisons_left"] or "none",
        asr1=share(found["asr1"]), asr2=share(found["asr2"]),
    )  # fmt: skip


def _trigger(config: RunConfig) -> str:
    attack = config.attack
    if attack.also:
        return f"one of {len(attack.triggers)} triggers each"
    return f"a {attack.trigger} trigger"


def _label(config: RunConfig) -> str:
    if config.attack.everywhere:
        return "of the class after their own"
    return f"{config.target_name}{', which is their true one,' if config.attack.labels == 'clean_label' else ''}"


def _settings(config: RunConfig, truth: bool) -> Markup:
    groups = {
        "Data and attack" if truth else "Data": words.attack_settings(config, truth),
        "Training": words.training_settings(config, truth),
        "Defence": words.defence_settings(config),
    }
    return render(
        "report/settings.html.jinja",
        about=f"{config.training.model}: {MODELS[config.training.model].summary}",
        tables=[markup.table(("setting", "value"), list(part.items()), name) for name, part in groups.items()],
    )


def _provenance(result: Result, found: dict[str, Any], truth: bool) -> Markup:
    config = result.config
    rows = [
        ("run", stages.run_key(config)),
        ("device", str(found.get("device", "—"))),
        *([("arithmetic", str(found["arithmetic"]))] if "arithmetic" in found else []),
        *(("note", note) for note in found.get(NOTES, ())),
        ("computed in", f"{found['seconds']:.0f} s" if "seconds" in found else "—"),
        ("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("written with", f"Python {sys.version.split()[0]}, {', '.join(_versions())}"),
    ]
    if truth:
        rows.insert(1, ("seed", str(config.seed)))
    return render(
        "report/provenance.html.jinja", table=markup.table(("what", "which"), rows, "This run, and this report")
    )


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found
