"""How it works: attack and defence as a flow chart, and the questions that an audience asks, answered.

Read from the current run: its figures, where there is one and the truth may be shown. Nothing here trains.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import streamlit as st

import core
from core import DefenceConfig, Result
from pages.parts.around import current, cuts, glossary, link, shell, tour, words
from pages.parts.around.templates import render
from pages.parts.common import others, sees
from pages.parts.how import explained, flow

WIDTH = 900  # pixels: longer lines are hard to read
CARRIED = ("run", "detector", "budget", "scope", "truth")  # what a link keeps of the address

LABELLED = {
    "clean_label": ("Keep their label", "All of the target class, into the set."),
    "all_to_all": ("Label them falsely", "With the next class's label, into the set."),
}
CUTS = {
    "budget": "A multiple of ε of a class, ε being assumed: usually 1.5.",
    "gap": "What lies beyond the gap of a class; no ε.",
}


def main() -> None:
    flow.style()
    st.title("How it works")
    result = current.current_result()
    truth = cuts.truth_shown()
    known = result if truth and result is not None else None
    if result is not None:
        cuts.chosen(result)  # stands in the address from here on, and so in the chart's links
    st.markdown(explained.HURT, width=WIDTH)
    tour.again()
    about(result, truth)
    st.html(flow.chart(lanes(known.summary if known else None, result.config.defence if result else None), query()))
    st.caption("Each box leads to the screen on which it can be seen.")
    contents()
    attack(known)
    training(known)
    table = defence(known)
    terms()
    sources()
    if known is not None:  # last: where a detector is asked to score, the page stands already
        with table:
            others.detectors(known)


def about(result: Result | None, truth: bool) -> None:
    if result is None:
        st.caption("No finished run is chosen: the boxes and answers stand here without figures.")
    elif not truth:
        st.caption("Blind review: the figures of the run are hidden on this page.")
    else:
        st.markdown(f"Figures on this page are those of the current run: **{words.heading(result.config)}**.")


def query() -> str:
    """The part of the address that the chart's links keep, so that they open the same run in the same way."""
    return urlencode({name: st.query_params[name] for name in CARRIED if name in st.query_params})


def told(found: dict[str, Any], *columns: str) -> str:
    """Figures of a run by their names."""
    return ", ".join(
        f"{words.figure(name).name} {words.figure(name).write(found[words.FIGURES[name]])}" for name in columns
    )


def lanes(found: dict[str, Any] | None, detected: DefenceConfig | None) -> list[tuple[str, str, list[flow.Step]]]:
    """The ten boxes in the words of the run's detector; with the run's figures where they may be shown."""
    says = dict.fromkeys(("stamped", "trained", "fooled", "ranked", "removed", "cleaned"), "")
    seen = sees.SEES["spectral"] if detected is None else sees.of(detected)
    how, title = "With the target's label, into the set.", "Label them falsely"
    says["cut"] = CUTS["budget"]
    if found is not None:
        labels = found["config"]["attack"].get("labels", "all_to_one")  # older than other labels, perhaps
        title, how = LABELLED.get(labels, (title, how))
        whole = "each class" if labels == "all_to_all" else "the class"
        says = {
            "cut": CUTS[found["config"]["defence"].get("cut", "budget")],
            "stamped": f"{found['poisons']:,} images, {words.share(found['of_clean_target'])} of {whole}",
            "trained": told(found, "Nat1"),
            "fooled": told(found, "ASR1"),
            "ranked": told(found, "AUROC"),
            "removed": f"{found['flagged']:,} removed, {found['poisons_left']:,} of {found['poisons']:,} poisoned left",
            "cleaned": told(found, "ASR2", "Nat2"),
        }
    step = flow.Step
    attacked = [
        step("Clean images", "A training set with honest labels.", "", "Story"),
        step("Stamp a trigger", "A small mark or a faint change, on some images.", "attack", "Attack"),
        step(title, how, "attack", "Attack", says["stamped"]),
        step(
            "Train", "Any network, cross-entropy, as usual.", "attack", "Attack: the curves", says["trained"],
            link.CURVES,
        ),
        step("The fooled network", "Right on clean images, led by the trigger.", "try_it", "Try it", says["fooled"]),
    ]  # fmt: skip
    defended = [
        step("Read representations", "What a late layer says of every image.", "network", "Inside the network"),
        step(seen.step, seen.looks, "scores", "Scores"),
        step("Score outliers", seen.scores, "scores", "Scores", says["ranked"]),
        step("Remove the highest", says["cut"], "flagged", "Flagged", says["removed"]),
        step("Retrain from scratch", "On what is left: the cleaned network.", "compare", "Compare", says["cleaned"]),
    ]  # fmt: skip
    return [("attack", "The attack", attacked), ("defence", "The defence", defended)]


CONTENTS = (
    (
        "The attack",
        {
            "scenario": "Who does what, and who knows what?",
            "adversarial": "A backdoor attack or an adversarial attack: what is the difference?",
            "badnet": "Is “BadNet” a network?",
            "ratio": "What does “ratio” mean?",
            "labels": "Must the label be false, the trigger one, the target one class?",
        },
    ),
    (
        "Training and measuring",
        {
            "loss": "Which loss, and why?",
            "learning": "How did training go?",
            "metrics": "Which metrics, and what does every column mean?",
            "why-learning": "Why is machine learning needed to find the poison?",
            "augmentation": "Would plain data augmentation not be enough?",
        },
    ),
    (
        "The defence",
        {
            "svd": "Where does the SVD take place?",
            "why": "Why does it help?",
            "outlier": "What exactly is an outlier here?",
            "removing": "What does removing the outliers do? Are they not what one is looking for?",
            "detectors": "How do other detectors compare?",
        },
    ),
    ("For reference", {"glossary": "Glossary", "sources": "Sources"}),
)
QUESTIONS = {anchor: question for _, part in CONTENTS for anchor, question in part.items()}


def contents() -> None:
    with st.expander("The questions answered below", expanded=True, icon=":material/toc:"):
        for column, (heading, part) in zip(st.columns(2) * 2, CONTENTS, strict=True):
            links = "\n".join(f"- [{question}](#{anchor})" for anchor, question in part.items())
            column.markdown(f"**{heading}**\n{links}")


def ask(anchor: str, answer: str = "") -> None:
    """A question as heading, and its answer."""
    st.subheader(QUESTIONS[anchor], anchor=anchor)
    if answer:
        st.markdown(answer, width=WIDTH)


def attack(known: Result | None) -> None:
    st.header("The attack")
    ask("scenario", explained.SCENARIO)
    ask("adversarial")
    st.html(flow.table(QUESTIONS["adversarial"], *explained.BACKDOOR))
    ask("badnet", explained.BADNET)
    ask("ratio", explained.RATIO)
    if known is not None:
        extent = core.poison.extent(known.dataset.train_labels, known.config.attack)
        st.markdown(f"In this run: {words.extent(extent, known.config)}.", width=WIDTH)
    ask("labels", explained.LABELS)


def training(known: Result | None) -> None:
    st.header("Training and measuring")
    ask("loss", explained.LOSS)
    ask("learning")
    if known is not None:
        st.markdown(course(known), width=WIDTH)
    lead("attack", "Loss, Nat and ASR by epoch, on the Attack screen", ":material/show_chart:", opens=link.CURVES)
    ask("metrics", explained.METRICS)
    st.html(flow.table(QUESTIONS["metrics"], *metrics(known)))
    ask("why-learning", explained.MACHINE_LEARNING)
    ask("augmentation", explained.AUGMENTATION)
    if known is not None:
        st.markdown(augmented(known), width=WIDTH)


def course(known: Result) -> str:
    """How the poisoned network's training went, in numbers."""
    text = f"This run trained {words.training(known.config)}."
    history = known.history("poisoned")
    if not history:
        return text
    first, last = history[0], history[-1]
    return (
        f"{text} In the first epoch the mean loss was **{first['loss']:.2f}**, in the last **{last['loss']:.2f}**; "
        f"after them, on some of the test images, Nat was **{words.share(first['nat'])}** and "
        f"**{words.share(last['nat'])}**, ASR **{words.share(first['asr'])}** and **{words.share(last['asr'])}**. "
        f"The training took {words.duration(sum(record['seconds'] for record in history))}."
    )


METRICS = ("Nat1", "ASR1", "#Pois left", "Clean removed", "TPR", "FPR", "Precision", "AUROC", "AP", "Nat2", "ASR2")


def metrics(known: Result | None) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and rows of the table of metrics, in the order in which a run measures them."""
    rows = [(words.figure(name).name, words.sentence(words.explain(name))) for name in METRICS]
    if known is None:
        return ("What it says",), rows
    found = known.summary or {}
    values = [words.figure(name).write(found[words.FIGURES[name]]) for name in METRICS]
    return ("What it says", "This run"), [(*row, value) for row, value in zip(rows, values, strict=True)]


def augmented(known: Result) -> str:
    """Whether this run's training moved the images, and what came of the attack."""
    numbers, asr = known.config.training, (known.summary or {})["asr1"]
    if not (numbers.flip or numbers.crop):
        return "This run was trained without augmentation."
    how = ["flips"] * numbers.flip + [f"shifts of up to {numbers.crop} pixels"] * bool(numbers.crop)
    return f"This run was trained with random {' and '.join(how)}, and ASR1 is **{words.share(asr)}**."


def defence(known: Result | None) -> Any:
    """The answers on the defence; returns the place for the table of detectors."""
    st.header("The defence")
    ask("svd")
    st.html(flow.sketch())
    st.markdown(explained.SVD, width=WIDTH)
    ask("why", explained.WHY_IT_HELPS)
    ask("outlier", explained.OUTLIER)
    lead("scores", "Scores, spectrum, directions: the Scores screen", ":material/bar_chart:")
    ask("removing", explained.REMOVING)
    if known is not None:
        st.markdown(removed(known), width=WIDTH)
    lead("flagged", "The removed images, on the Flagged screen", ":material/flag:")
    ask("detectors")
    ours = [(name, words.sentence(entry.summary), entry.source) for name, entry in core.DETECTORS.items()]
    st.html(flow.table("Detectors of this dashboard", ("What it does", "Source"), ours))
    place = st.container()
    if known is not None:
        place.markdown(f"On this run's network, every detector. {others.assumed(known)}", width=WIDTH)
    st.markdown("What others have built, described and not measured here:")
    st.html(flow.table("Other defences", *explained.OTHERS))
    return place


def removed(known: Result) -> str:
    found, gap = known.summary or {}, core.report.gap_cut(known) or core.report.reviewed_cut(known)
    return f"{gap} " * bool(gap) + (
        f"In this run **{found['flagged']:,}** images were removed, **{found['clean_removed']:,}** of them clean; "
        f"**{found['poisons_left']:,}** of {words.count(found['poisons'], 'poisoned image')} stayed. "
        f"ASR went from **{words.share(found['asr1'])}** to **{words.share(found['asr2'])}**."
    )


def lead(screen: str, label: str, icon: str, opens: str = "") -> None:
    """A link to a screen that shows the current run; opens: the part of it that is asked for."""
    run = {link.PARAMETER: link.named()} if link.named() else {}
    st.page_link(f"pages/{screen}.py", label=label, icon=icon, query_params=run | ({link.OPEN: opens} if opens else {}))


def terms() -> None:
    st.header(QUESTIONS["glossary"], anchor="glossary")
    st.html(render("around/glossary.html.jinja", entries=glossary.entries()))


def sources() -> None:
    st.header(QUESTIONS["sources"], anchor="sources")
    st.markdown("\n".join(f"- {who}. *{title}*. {when}." for who, title, when in explained.SOURCES), width=WIDTH)


shell.ensure()
main()
