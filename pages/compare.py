"""Compare: what the defence changed, against guessing, against knowing, against the report, against other runs."""

from typing import Any

import pandas as pd
import streamlit as st

import core
from core import Job, Result, RunConfig
from pages.parts.around import address, current, cuts, link, shell, trouble, words
from pages.parts.common import noted, others, proof, sections
from pages.parts.compare import before_after, benign, confusion, kept, ledger, side_by_side

HARDLY_LEARNED = 0.5
BY_CLASS, FILTERS, REPORT, RUNS = "By class", "Other filters", "The report", link.ALL_RUNS
BESIDE = link.ANOTHER_RUN
PROOF = "The trigger"
TABS = "show"  # the open tab's name in the address


def main() -> None:
    st.title("Compare")
    if not cuts.truth_shown():
        blind()
        return
    if current.current_result() is None:
        all_runs()
    result = current.need_run()
    found = result.summary
    head(result)
    warn(result.config, found)
    if sections.opened(TABS) != RUNS:  # a list of all runs is not about this one
        numbers(result.config, found)
        noted.show(noted.stored(found))
        picture(result, found)
        st.html(before_after.figures(found))
    tabs = {
        BY_CLASS: lambda: by_class(result, found),
        FILTERS: lambda: filters(result, found),
        REPORT: lambda: report(result.config, found),
        BESIDE: lambda: side_by_side.show(result),
        PROOF: lambda: proof.own(result, truth=True),
        RUNS: lambda: ledger.show(compare=beside),
    }
    sections.show(tabs, TABS)
    glossary()


def blind() -> None:
    """ASR, the target class and every figure here are the attacker's knowledge: nothing of it is shown."""
    st.info(
        "This screen compares with the truth: what was poisoned, towards which class, and how often the trigger "
        "worked. In blind review it stays closed.",
        icon=":material/visibility_off:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        cuts.truth_switch()
        result = current.current_result()
        if result is not None:
            download(result, truth=False)
    all_runs()


def head(result: Result) -> None:
    """What the run is about, and its report to take away."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{words.heading(result.config)}** · {result.config.removed_by}", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            cuts.truth_switch()
            download(result, truth=True)


def download(result: Result, truth: bool) -> None:
    """The HTML report, made when it is asked for."""
    scored = cuts.scored(result, result.config.defence.detector)
    st.download_button(
        "Report as HTML",
        lambda: core.report.html(result, truth=truth, verdicts=core.report.verdicts_of(result)).encode(),
        f"poisonscope-report-{core.run_key(result.config)[:8]}.html",
        "text/html",
        icon=":material/description:",
        on_click="ignore",
        help="One file with figures, pictures and settings: opens offline, prints well."
        + ("" if truth else " It holds only what a defender knows."),
        disabled=scored is None,  # nothing to report where the scores are gone
    )


def warn(config: RunConfig, found: dict[str, Any]) -> None:
    """A backdoor that was not learned looks like a failed detector."""
    if found["poisons"] == 0:
        st.info("Nothing was poisoned: this is the clean control. What was removed here was clean.")
    elif words.success(found, 1) < HARDLY_LEARNED:
        images = f"triggered images{words.plain(words.whose(config))}"
        st.warning(
            f"The backdoor was hardly learned: only {words.share(words.success(found, 1))} of the {images} went to "
            f"{words.aimed(config)} before the defence. Where there is no backdoor there is no trace of one to find, "
            "so a low TPR here says little about the detector. Try a higher ratio or more epochs.",
            icon=":material/warning:",
        )


# What a figure says may take two lines in a narrow window, where Streamlit would cut it off.


def numbers(config: RunConfig, found: dict[str, Any]) -> None:
    """Before and after in large figures, each with what it says."""
    asr, nat = st.columns(2)
    says = f"of the triggered test images are taken for {words.aimed(config)}"
    change(asr, "ASR", found["asr1"], found["asr2"], says)
    change(nat, "Nat", found["nat1"], found["nat2"], "of the clean test images are classified right")


def change(place: Any, name: str, before: float, after: float, says: str) -> None:
    one = words.figure(name)
    place.metric(
        f"{one.name}, before → after", f"{one.write(before)} → {one.write(after)}", one.change(before, after),
        delta_color="inverse" if one.good == "lower" else "normal", delta_description=f"{says}; {one.better}",
        help=one.says, border=True,
    )  # fmt: skip


def picture(result: Result, found: dict[str, Any]) -> None:
    figure = before_after.rates(found, kept.quality(result, "benign"))
    st.plotly_chart(figure, key="rates", config={"displayModeBar": False}, alt=before_after.spoken(found))
    source = result.config.attack.source
    if source is not None:
        name = words.plain(words.class_name(result.config, source))
        st.caption(
            f"On images of the source class *{name}* alone, ASR went from "
            f"{words.share(found['source_asr1'])} to {words.share(found['source_asr2'])}."
        )


# --- the tabs --------------------------------------------------------------------------------------------


@st.fragment
@trouble.said()
def by_class(result: Result, found: dict[str, Any]) -> None:
    confusion.show(result)
    st.subheader("Accuracy of each class")
    names = result.dataset.class_names
    worst = min(zip(found["per_class2"], names, strict=True))
    alt = f"Accuracy of each class before and after; lowest after: {worst[1]} with {words.share(worst[0])}"
    st.plotly_chart(before_after.per_class(names, found), key="classes", config={"displayModeBar": False}, alt=alt)
    if len(names) > before_after.MOST_CLASSES:
        st.caption(f"The {before_after.MOST_CLASSES} of {len(names):,} classes whose accuracy changed most.")


def filters(result: Result, found: dict[str, Any]) -> None:
    gap = result.config.defence.cut == "gap"
    st.markdown(assumption(result, found))
    st.subheader("Against guessing and against knowing")
    same = "As many images, taken at random and taken" if gap else "The same budget, spent at random and spent"
    st.caption(f"{same} by someone who knows which images are poisoned.")
    st.dataframe(others.same_budget(found), hide_index=True, column_config=words.columns(), alt="Three filters")
    st.subheader("Against a network that never met poison")
    benign.beside(result, found["asr2"])
    st.subheader("Other detectors on this network")
    st.caption(f"The same representations; no training. {others.assumed(result)} AUROC and AP need no budget.")
    others.detectors(result)


def assumption(result: Result, found: dict[str, Any]) -> str:
    """What the defender assumed, and what was removed for it."""
    defence, names = result.config.defence, result.dataset.class_names
    truth = f" In truth the attacker had poisoned {found['poisons']:,}; no detector is told so."
    if result.config.keep is not None:
        return f"{core.report.reviewed_cut(result)} {words.count(found['flagged'], 'image')} went in all.{truth}"
    if defence.cut == "gap":
        return core.report.gap_cut(result) + truth
    text = (
        f"The defender assumed **ε = {found['epsilon']:,}** poisoned images ({words.share(defence.assumed_ratio)} of a "
        f"class of median size); **{defence.multiplier:g}·ε = {found['budget']:,}** with the highest scores were "
        "removed from "
    )
    if defence.scope == "every_class":
        where = f"**every class**: {words.count(found['flagged'], 'image')} in all."
    elif found["suspicious_classes"]:
        named = ", ".join(names[number] for number in found["suspicious_classes"])
        where = f"the classes that the detector calls suspicious, **{named}**: {found['flagged']:,} in all."
    else:
        where = "the classes that the detector calls suspicious: **none**. Nothing was removed."
    return text + where + truth


def report(config: core.RunConfig, found: dict[str, Any]) -> None:
    """The published figures for the same trigger, target and ratio, and our own measurement of it."""
    published, measured = core.reference.row(config), core.reference.measured(config)
    if published is None and measured is None:
        st.caption("The report has no row for this setting: it has pixel and pattern towards bird, dog and horse of "
                   "CIFAR-10, at 5% and 10% of the class.")  # fmt: skip
        return
    rows = {"this run": [_written(name, found[name]) for name in core.reference.FIGURES]}
    said = [f"This run had {found['poisons']:,} poisoned images."]
    if published is not None:
        rows["the report"] = [_written(name, getattr(published, name)) for name in core.reference.FIGURES]
        said.append(f"The report had {round(published.ratio * 5000)}, and trained ResNet-18 on all 50,000 images.")
    if measured is not None:
        several, seeds = measured.runs > 1, words.count(measured.runs, "seed")
        rows[f"recipe quick, {seeds}"] = [
            _written(name, measured.mean[name], measured.spread[name] if several else None)
            for name in core.reference.FIGURES
        ]
        said.append(
            f"Recipe *quick* had {measured.poisons:,} poisoned images on top of 2,000 of the class: **measured** on "
            f"{words.device(measured.machine)} with the default trigger, "
            f"{f'mean ± standard deviation over {seeds}' if several else 'one seed so far'}. "
            f"A benign network takes {words.share(measured.mean['benign_asr'])} for the target class."
        )
    heads = ("Nat1", "ASR1", "#Pois left", "Nat2", "ASR2")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=heads).rename_axis("").reset_index()
    help = {name: st.column_config.TextColumn(words.figure(name).label, help=words.explain(name)) for name in heads}
    st.dataframe(table, hide_index=True, column_config=help, alt="This run, the report, and our measurement")
    st.caption(" ".join(said))


def _written(name: str, value: float, spread: float | None = None) -> str:
    """A figure as every screen writes it; with its spread where it was measured more than once."""
    one = core.figures.FIGURES[name]
    return one.write(value) if spread is None else core.figures.mean(one, value, spread)


def all_runs() -> None:
    st.subheader("All runs")
    ledger.show(blind=not cuts.truth_shown())


def beside(one: Job, other: Job) -> None:
    """Two runs of the list beside each other: the first becomes this tab's run."""
    current.choose(one)
    address.put(side_by_side.PARAMETER, other.key[: current.SHORT])
    st.session_state[TABS] = BESIDE


def glossary() -> None:
    with st.expander("What every column means"):
        st.markdown(words.glossary())


shell.ensure()
main()
