"""The tables of README.md and docs/, written from what assets/, benchmarks/results/ and the registries say.

A page holds a table between two comments that Markdown does not show, and all its prose by hand:

    <!-- table: auroc -->
    ...
    <!-- end of table -->

Only figures that ship count: runs that somebody has made on this machine change no page.
"""

from __future__ import annotations

import json
import re
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from core import sweeps
from core.configuration import ATTACKS, DATASETS, DETECTORS, MODELS, RECIPES, TRIGGERS, Entry, Parameter, class_names
from core.reproduction import outcomes, reproduce
from core.store import Store, writing
from core.sweeps import planning
from core.types import BadRequest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/*.md")
GONE = 0.1  # ASR after cleaning below which a backdoor counts as gone; a benign network's is 1 to 3%
FRONT = {  # the attacks of README's table, in words
    "pixel": "one yellow pixel",
    "blended": "a faint random pattern over the whole image",
    "all-to-all": "a pattern that turns every class into the next",
    "covered": "a pattern, also on as many rightly labelled images",
    "clean-label": "faint stripes, every label left as it was",
    "sinusoid": "faint stripes",
}
TARGET, SET = 7, 20_000  # horse, and how many images the sweeps' sets have before any are added
NAMED = 2  # detectors that README names for an attack; the others are counted
BENCHMARKS = ROOT / "benchmarks" / "results"
PUBLISHED = ROOT / "assets" / "published.json"  # what others print of their detectors, with the source
OURS = {  # the sweep and the attack in it that come nearest to a published one
    "BadNets": ("verdict", "pattern"),
    "Blended": ("verdict", "blended"),
    "SIG, clean-label": ("verdict", "clean-label"),
    "WaNet": ("peers", "warp-noise"),
    "TaCT": ("peers", "tact"),
    "Adap-Blend": ("peers", "adaptive-blend"),
    "BadNets, all-to-all": ("verdict", "all-to-all"),
}

_TABLE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_MARK = re.compile(r"<!-- (?:table: .+?|end of table) -->")

Rows = Sequence[tuple[str, ...]]


def write(*, check: bool = False) -> list[Path]:
    """Fill the tables of all pages; the pages that were (with `check`, would be) changed.

    BadRequest where a page asks for a table that there is not, a table does not end, or a page cannot be written.
    """
    changed = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        try:
            made = filled(text)
        except BadRequest as error:
            raise BadRequest(f"{path.relative_to(ROOT)}: {error}") from None
        if made == text:
            continue
        changed.append(path)
        if not check:
            with writing(path):
                path.write_text(made, encoding="utf-8")
    return changed


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def filled(text: str) -> str:
    """A page's text with every table as the assets have it now. BadRequest as in `write`."""
    found = _TABLE.findall(text)
    if 2 * len(found) != len(_MARK.findall(text)):
        raise BadRequest("a table begins with `<!-- table: name -->` and ends with `<!-- end of table -->`")
    if unknown := sorted({name for _, name, _ in found} - set(TABLES)):
        raise BadRequest(f"unknown tables {unknown}; allowed are {sorted(TABLES)}")
    return _TABLE.sub(lambda mark: f"{mark[1]}{TABLES[mark[2]]()}{mark[3]}", text)


def _rows(head: tuple[str, ...], rows: Rows) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def _shipped(name: str) -> pd.DataFrame:
    """The figures that ship of a sweep of assets/sweeps/, whatever this machine's store has."""
    with tempfile.TemporaryDirectory() as nothing:
        return sweeps.table(sweeps.shipped()[name], Store(Path(nothing)))


# --- the sweeps ------------------------------------------------------------------------------------------


def _panel(name: str) -> pd.DataFrame:
    """The finished runs of a sweep that the panel judged; attacks only."""
    found = _shipped(name).assign(detector="panel")
    return found[(found["status"] == "done") & (found["attack"] != "none")]


def _attacks() -> pd.DataFrame:
    """The runs by attack and detector, the panel's last."""
    found = _shipped("detectors")
    return pd.concat([found[found["attack"] != "none"], _panel("verdict")])


def _before_and_after() -> pd.DataFrame:
    """Those that were cleaned, likewise."""
    return pd.concat([_shipped("cleaning"), _panel("verdict")])


def _learned() -> str:
    every = _shipped("detectors")
    first = every[(every["attack"] != "none") & (every["detector"] == every["detector"].iloc[0])]
    return planning.markdown(first.assign(what="ASR"), "what", "attack", "asr1", 100, 0)


def _left() -> str:
    found = _attacks()
    share = found["poisons_left"].astype(float) / found["poisons"].astype(float)
    return planning.markdown(found.assign(left=share), "detector", "attack", "left", 100, 0)


def _by_detector(figure: str, factor: float, digits: int) -> str:
    return planning.markdown(_attacks(), "detector", "attack", figure, factor, digits)


def _cleaned(figure: str) -> str:
    """A figure of the network trained anew, by detector, and by a filter that draws lots and one that knows."""
    filters = _shipped("filters")
    others = [
        filters.assign(detector=f"{article} {which} filter", **{figure: filters[f"{which}_{figure}"]})
        for article, which in (("a", "random"), ("the", "perfect"))
    ]
    return planning.markdown(pd.concat([_before_and_after(), *others]), "detector", "attack", figure, 100, 0)


def _control() -> str:
    found = _shipped("control").groupby("detector", sort=False)
    rows = [(str(name), str(len(group)), str(group["clean_removed"].sum())) for name, group in found]
    return _rows(("detector", "clean sets", "images flagged"), rows)


def _faint(figure: str, factor: float, digits: int) -> str:
    found = _shipped("faint")
    given = found.assign(named=(found["named"] == "[7]").astype(float))  # horse, the target, and no other
    share = [f"{ratio:.0%} of the class" for ratio in given["ratio"]]
    opacity = [f"opacity {opacity:g}" for opacity in given["trigger.opacity"]]
    return planning.markdown(given.assign(share=share, opacity=opacity), "share", "opacity", figure, factor, digits)


def _front() -> str:
    """By whom the backdoors of six attacks are gone, in every seed, and how often the trigger works then."""
    found = _before_and_after()
    mean, worst = (found.pivot_table("asr2", "detector", "attack", how, sort=False) for how in ("mean", "max"))
    gone = worst < GONE
    order = gone.sum(axis=1).sort_values(ascending=False, kind="stable").index
    rows: list[tuple[str, ...]] = []
    for attack, words in FRONT.items():
        before = found.loc[found["attack"] == attack, "asr1"].mean()
        by = [str(name) for name in order if gone.loc[name, attack]]
        names = [f"`{name}`" for name in by[:NAMED]] + [f"{len(by) - NAMED} more"] * (len(by) > NAMED)
        after = mean.loc[by[0], attack] if by else mean[attack].min()
        told = " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "**none of them**"
        rows.append((words, told, f"{before:.0%}", f"{after:.0%}"))
    return _rows(("trigger", "found by", "ASR before", "ASR after"), rows)


def _verdicts(name: str) -> str:
    """What the panel says and does, attack by attack: shares in percent, counts as means over the seeds."""
    found = _panel(name)
    after = found["asr2"].notna().any()
    head = ("attack", "runs", "ASR", "named alone", "AUROC", "TPR", "FPR", *(("ASR after", "benign") if after else ()))
    rows: list[tuple[str, ...]] = []
    for attack, runs in found.groupby("attack", sort=False):
        alone = sum(_named_right(run) for run in runs.to_dict("records"))
        figures = [f"{_percent(runs['asr1'])}", f"{alone} of {len(runs)}", f"{runs['auroc'].astype(float).mean():.3f}"]
        figures += [f"{_tpr(runs):.1f}", f"{100 * runs['fpr'].astype(float).mean():.2f}"]
        figures += [_percent(runs["asr2"]), _percent(runs["benign_asr"])] if after else []
        rows.append((str(attack), str(len(runs)), *figures))
    return _rows(head, rows)


def _named_right(run: Mapping[str, Any]) -> bool:
    """Whether a run's poisoned classes are named, and no other."""
    everywhere = run["attack"] == "all-to-all"
    return set(json.loads(run["named"] or "[]")) == (set(range(10)) if everywhere else {TARGET})


def _percent(column: pd.Series) -> str:
    return f"{100 * column.astype(float).mean():.1f}"


def _tpr(runs: pd.DataFrame) -> float:
    """The share of the poisoned images that is flagged, in percent, the mean over runs."""
    return float(100 * (1 - runs["poisons_left"].astype(float) / runs["poisons"].astype(float)).mean())


def _published() -> str:
    """Others' TPR/FPR as they print them, and the panel's on the nearest attack of ours."""
    told = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    rows: list[tuple[str, ...]] = []
    for attack, figures in told["attacks"].items():
        ours, rate = "—", "—"
        if attack in OURS:
            name, own = OURS[attack]
            found = _panel(name)
            runs = found[found["attack"] == own]
            if len(runs):
                ours = f"{_tpr(runs):.1f}/{100 * runs['fpr'].astype(float).mean():.2f}"
                rate = f"{runs['poisons'].astype(float).mean() / SET:.0%}"
        rows.append((attack, f"**{ours}**", rate, *figures))
    return _rows(("attack", "`panel`", "of the set", *told["detectors"]), rows)


# --- the report's rows, and benchmarks -------------------------------------------------------------------


def _report() -> str:
    """The report's twelve rows: before, and after by whitened-spectral and by Algorithm 1."""
    with tempfile.TemporaryDirectory() as nothing:
        rows = outcomes.table(reproduce.plan(), Store(Path(nothing)))
    after, heads = ("poisons_left", "nat2", "asr2"), ("#Pois left", "Nat2", "ASR2")
    lines: list[tuple[str, ...]] = [("trigger", "target", "poisons", "Nat1", "ASR1", *heads, "benign", *heads)]
    for ours, plain in zip(rows[::2], rows[1::2], strict=True):
        figures = ((ours, ("nat1", "asr1", *after, "benign_asr")), (plain, after))
        cells = [_spread(row, figure) for row, names in figures for figure in names]
        lines.append((ours.row.trigger, ours.row.target, f"{ours.mean('poisons'):.0f}", *cells))
    head = ("", "", "", "before", "", "`whitened-spectral`", "", "", "", "Algorithm 1", "", "")
    return _rows(head, lines)


def _spread(row: outcomes.TableRow, figure: str) -> str:
    mean, spread, unit = row.mean(figure), row.spread(figure), 1 if figure == "poisons_left" else 100
    return "—" if mean is None or spread is None else f"{unit * mean:.1f} ± {unit * spread:.1f}"


def _seconds() -> str:
    record: dict[str, Any] = json.loads((BENCHMARKS / "detectors.json").read_text(encoding="utf-8"))
    rows = [(f"`{row['detector']}`", f"{row['seconds']:.2g}") for row in record["rows"]]
    return _rows(("detector", "seconds"), rows)


def _recipes_tried() -> str:
    """Variants of `quick`, the most accurate first: each beside `quick` on the seeds that both have."""
    trials: dict[str, Any] = json.loads((BENCHMARKS / "recipes.json").read_text(encoding="utf-8"))["trials"]
    usual, rows = trials["quick"], []
    for name, by_seed in trials.items():
        nat, asr = (statistics.mean(one[rate] for one in by_seed.values()) for rate in ("nat", "asr"))
        pairs = [(one, usual[seed]) for seed, one in by_seed.items() if seed in usual]
        apart = statistics.mean(one["nat"] - known["nat"] for one, known in pairs)
        times = statistics.mean(one["processor"] / known["processor"] for one, known in pairs)
        said = f"{100 * nat:.1f}", f"{100 * apart:+.1f}", f"{100 * asr:.1f}", f"{times:.2f}"
        rows.append((apart, (name, str(len(by_seed)), *said)))
    head = ("variant", "seeds", "Nat, %", "less `quick`'s", "ASR, %", "times `quick`'s processor time")
    return _rows(head, [row for _, row in sorted(rows, reverse=True)])


def _trials() -> dict[str, dict[str, Any]]:
    """By network and trial, what benchmarks/networks.py has measured so far, the penultimate layer at least."""
    record: dict[str, Any] = json.loads((BENCHMARKS / "networks.json").read_text(encoding="utf-8"))
    return {
        network: {name: one for name, one in trials.items() if "panel" in one.get("layers", {}).get("penultimate", {})}
        for network, trials in record["networks"].items()
    }


def _networks_tried() -> str:
    """Each training of each network, with what the panel and Algorithm 1 make of it."""
    head = ("network", "trial", "Nat, %", "ASR, %", "`panel` names", "leaves", "loses", "Algorithm 1 leaves", "loses")
    rows: list[tuple[str, ...]] = []
    for network, trials in _trials().items():
        for name, one in trials.items():
            ours, plain = (one["layers"]["penultimate"][detector] for detector in ("panel", "spectral"))
            named = ", ".join(class_names("cifar10")[label] for label in ours["named"] or ()) or "none"
            counts = [str(found[count]) for found in (ours, plain) for count in ("left", "clean lost")]
            rates = (f"{100 * one[rate]:.1f}" for rate in ("nat", "asr"))
            rows.append((f"`{network}`", name, *rates, named, *counts))
    return _rows(head, rows)


def _auroc_by_layer(network: str) -> str:
    """The AUROC of every detector at every layer of a network, the mean over its poisoned sets."""
    layers = [one["layers"] for one in _trials().get(network, {}).values() if _poisoned(one)]
    names = list(max(layers, key=len, default={}))  # a trial may still lack some
    rows: list[tuple[str, ...]] = []
    for detector in DETECTORS:
        found = [[one[layer][detector]["auroc"] for one in layers if detector in one.get(layer, {})] for layer in names]
        rows.append((f"`{detector}`", *(f"{statistics.mean(areas):.3f}" if areas else "—" for areas in found)))
    return _rows(("detector", *names), rows)


def _poisoned(one: Mapping[str, Any]) -> bool:
    """Whether a trial's set had anything in it to find."""
    return one["layers"]["penultimate"]["spectral"]["auroc"] is not None


# --- what can be chosen ----------------------------------------------------------------------------------


def _entries(registry: Mapping[str, Entry], settings: bool) -> str:
    head = ("name", "what it is", *["settings, their defaults and ranges"] * settings, "from")
    rows = [
        (f"`{name}`", entry.summary, *["; ".join(_settings(entry)) or "—"] * settings, entry.source)
        for name, entry in registry.items()
    ]
    return _rows(head, rows)


def _settings(entry: Entry) -> list[str]:
    return [f"`{name}` {_default(one)}" for name, one in entry.parameters.items()]


def _default(one: Parameter) -> str:
    if one.picture:
        return "a face"
    between = "" if one.low is None or one.high is None else f" ({one.low:,.10g} to {one.high:,.10g})"
    return (f"{one.default:g}" if isinstance(one.default, float) else str(one.default)) + between


def _detector_settings() -> str:
    rows = [
        (f"`{name}`", f"`{setting}`", _default(one), one.help)
        for name, entry in DETECTORS.items()
        for setting, one in entry.parameters.items()
    ]
    return _rows(("detector", "setting", "default (range)", "what it is"), rows)


def _named() -> str:
    """The attacks that have a name; of ten equal classes the whole set is ten times one of them."""
    rows = [
        (f"`{name}`", one.shows, f"`{_flow(one.settings)}`", f"{10 * one.ratio:g}%", one.source)
        for name, one in ATTACKS.items()
    ]
    return _rows(("name", "what it is", "settings", "poisoned of the set", "as in"), rows)


def _flow(settings: Mapping[str, Any]) -> str:
    """Settings as they stand in a sweep's file, on one line."""
    return str(yaml.safe_dump(dict(settings), sort_keys=False, default_flow_style=True, width=1_000)).strip()


def _recipes() -> str:
    rows = [
        (f"`{name}`", recipe.summary, f"`{recipe.numbers['model']}`", str(recipe.numbers["epochs"]))
        for name, recipe in RECIPES.items()
    ]
    return _rows(("name", "for", "network", "epochs on CIFAR-10"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "the panel": partial(_verdicts, "verdict"),
    "the peers": partial(_verdicts, "peers"),
    "beside others": _published,
    "six attacks": _front,
    "the report's rows": _report,
    "learned": _learned,
    "auroc": partial(_by_detector, "auroc", 1, 3),
    "tpr at 1% fpr": partial(_by_detector, "tpr_at_1", 100, 0),
    "left": _left,
    "asr after cleaning": partial(_cleaned, "asr2"),
    "nat after cleaning": partial(_cleaned, "nat2"),
    "clean sets": _control,
    "faint asr": partial(_faint, "asr1", 100, 0),
    "faint named": partial(_faint, "named", 100, 0),
    "seconds": _seconds,
    "recipes tried": _recipes_tried,
    "networks tried": _networks_tried,
    **{f"layers of {name}": partial(_auroc_by_layer, name) for name in ("resnet18", "whitened_cnn")},
    "data sets": partial(_entries, DATASETS, False),
    "triggers": partial(_entries, TRIGGERS, True),
    "named attacks": _named,
    "networks": partial(_entries, MODELS, False),
    "recipes": _recipes,
    "detectors": partial(_entries, DETECTORS, False),
    "detector settings": _detector_settings,
}
