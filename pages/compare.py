"""Compare: what the defence changed, against guessing, against knowing, against the report, against other runs."""

from typing import Any

import pandas as pd
import streamlit as st

import core
from core import Result
from pages.parts import before_after, benign, current, ledger, others, shell, words

HARDLY_LEARNED = 0.5


def main() -> None:
    st.title("Compare")
    result = current.current_result()
    if result is None:
        all_runs()
    result = current.need_run()
    st.markdown(f"**{words.heading(result.config)}**")
    found = result.summary
    warn(found)
    numbers(found)
    picture(result)
    st.markdown(assumption(result.config, found, result.dataset.class_names))
    benign.beside(result, found["asr2"])
    same_budget(found)
    other_detectors(result)
    by_class(result)
    report(result.config, found)
    glossary()
    all_runs()


def warn(found: dict[str, Any]) -> None:
    """A backdoor that was not learned looks like a failed detector."""
    if found["poisons"] == 0:
        st.info("Nothing was poisoned: this is the clean control. What was removed here was clean.")
    elif found["asr1"] < HARDLY_LEARNED:
        st.warning(
            f"The backdoor was hardly learned: only {words.share(found['asr1'])} of the triggered images went to the "
            "target class before the defence. Where there is no backdoor there is no trace of one to find, so a low "
            "TPR here says little about the detector. Try a higher ratio or more epochs.",
            icon=":material/warning:",
        )


def numbers(found: dict[str, Any]) -> None:
    """Before and after in large figures, then how well poisoned and clean were told apart."""
    asr, nat = st.columns(2)
    change(asr, "ASR", found["asr1"], found["asr2"], "inverse")
    change(nat, "Nat", found["nat1"], found["nat2"], "normal")
    with st.container(horizontal=True):
        for name, value in (
            ("#Pois left", f"{found['poisons_left']:,}"),
            ("Clean removed", f"{found['clean_removed']:,}"),
            ("TPR", words.share(found["tpr"])),
            ("FPR", words.share(found["fpr"])),
            ("AUROC", words.score(found["auroc"])),
            ("AP", words.score(found["average_precision"])),
        ):
            st.metric(name, value, help=words.explain(name), width=140)


def change(place: Any, name: str, before: float, after: float, good: str) -> None:
    place.metric(
        f"{name}, before → after", f"{words.share(before)} → {words.share(after)}",
        f"{100 * (after - before):+.1f} points", delta_color=good, help=words.explain(name), border=True,
    )  # fmt: skip


def picture(result: Result) -> None:
    before, after = result.quality("poisoned"), result.quality("clean")
    if before is None or after is None:
        current.offer_again("the networks' answers")
        return
    figure = before_after.rates(before, after, result.quality("benign"))
    st.plotly_chart(figure, key="rates", config={"displayModeBar": False}, alt=before_after.spoken(before, after))
    source = result.config.attack.source
    if source is not None:
        st.caption(
            f"On images of the source class *{words.class_name(result.config, source)}* alone, ASR went from "
            f"{words.share(before.source_asr)} to {words.share(after.source_asr)}."
        )


def assumption(config: core.RunConfig, found: dict[str, Any], names: tuple[str, ...]) -> str:
    """What the defender assumed, and what was removed for it."""
    defence = config.defence
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
    truth = f" In truth the attacker had poisoned {found['poisons']:,}; no detector is told so."
    return text + where + truth


def same_budget(found: dict[str, Any]) -> None:
    st.subheader("Against guessing and against knowing")
    st.caption("The same budget, spent at random and spent by someone who knows which images are poisoned.")
    st.dataframe(others.same_budget(found), hide_index=True, column_config=words.columns(), alt="Three filters")


def other_detectors(result: Result) -> None:
    st.subheader("Other detectors on this network")
    st.caption("The same representations and the same assumed ratio; no training. AUROC and AP need no budget.")
    others.detectors(result)


def by_class(result: Result) -> None:
    before, after = result.quality("poisoned"), result.quality("clean")
    if before is None or after is None:
        return
    st.subheader("Accuracy of each class")
    figure = before_after.per_class(result.dataset.class_names, before, after)
    worst = min(zip(after.per_class, result.dataset.class_names, strict=True))
    alt = f"Accuracy of each class before and after; lowest after: {worst[1]} with {words.share(worst[0])}"
    st.plotly_chart(figure, key="classes", config={"displayModeBar": False}, alt=alt)


def report(config: core.RunConfig, found: dict[str, Any]) -> None:
    """The published figures for the same trigger, target and ratio, where there are any."""
    st.subheader("Beside the report")
    published = core.reference.row(config)
    if published is None:
        st.caption("The report has no row for this setting: it has pixel and pattern towards bird, dog and horse of "
                   "CIFAR-10, at 5% and 10% of the class.")  # fmt: skip
        return
    keys = {"Nat1": "nat1", "ASR1": "asr1", "#Pois left": "poisons_left", "Nat2": "nat2", "ASR2": "asr2"}
    rows = {"this run": found, "the report": published._asdict()}
    table = [{"": name, **{title: _figure(row[key]) for title, key in keys.items()}} for name, row in rows.items()]
    st.dataframe(pd.DataFrame(table), hide_index=True, column_config=words.columns(), alt="This run and the report")
    st.caption(
        f"The report trained ResNet-18 on all 50,000 images, with {round(published.ratio * 5000)} poisoned; "
        f"this run had {found['poisons']:,}."
    )


def _figure(value: float) -> float:
    return value if isinstance(value, int) else 100 * value


def glossary() -> None:
    with st.expander("What every column means"):
        st.markdown("\n".join(f"- **{name}**: {meaning}" for name, meaning in words.COLUMNS.items()))


def all_runs() -> None:
    st.subheader("All runs")
    st.caption("Click the box at a row's left to open that run; click a column's head to sort.")
    ledger.show()


shell.ensure()
main()
