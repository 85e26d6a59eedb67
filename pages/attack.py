"""Attack: what is poisoned, how it looks, start, and how the run goes."""

import numpy as np
import streamlit as st

import core
from core import BadRequest, DataUnavailable, Job, PoisonscopeError, RunConfig
from pages.parts import current, live, preview, settings, shell, words


def main() -> None:
    st.title("Poisonscope")
    st.write(
        "Stamp a small trigger on some training images and give them another label: the network learns a backdoor. "
        "Then find those images by their spectral signature, remove them, train again, and compare."
    )
    recall()
    pictures = st.container()
    left, right = st.columns([2, 3], gap="large")
    with left:
        config, trouble = ask()
    here = core.datasets.available(st.session_state["dataset"])
    with pictures:
        if not here:
            offer_data(st.session_state["dataset"])
        elif config is not None:
            preview.show(config)
    with right:
        if config is None:
            st.error(trouble, icon=":material/block:")
        else:
            announce(config)
        start(config if here else None)
        follow(config)


def recall() -> None:
    """Show the settings of the run that the address names, once; from there a person may change them."""
    job = current.current_job()
    if job is not None and st.session_state.get("settings of") != job.key:
        settings.fill(job.config)
        st.session_state["settings of"] = job.key


def ask() -> tuple[RunConfig | None, str]:
    """The request as the widgets hold it, checked as a whole; or None and what does not fit."""
    with st.container(border=True):
        st.subheader("Attack")
        dataset = settings.dataset()
        attack = settings.attack(dataset)
    with st.container(border=True):
        st.subheader("Training")
        training = settings.training(dataset)
        numbers = st.empty()
    with st.container(border=True):
        st.subheader("Defence")
        defence = settings.defence()
    try:
        config = core.configure(dataset=dataset, **attack, **training, **defence)
        check(config)
    except BadRequest as error:
        return None, words.sentence(str(error))
    numbers.markdown(words.training(config))
    return config, ""


def check(config: RunConfig) -> None:
    """What only the data's form can tell: are there enough images, does the trigger fit? BadRequest if not."""
    extent(config)
    blank = np.zeros((1, *core.DATASETS[config.dataset.name].facts["image_shape"]), np.uint8)
    core.triggers.apply(config.attack.trigger, config.attack.parameters, blank)


def extent(config: RunConfig) -> core.poison.Extent:
    sizes = core.datasets.class_sizes(config.dataset)
    return core.poison.extent(np.repeat(np.arange(len(sizes)), sizes), config.attack)


def offer_data(dataset: str) -> None:
    """Fetch the data set here, with progress; or take digits, which need no download."""
    st.warning(
        f"{dataset} is not on this machine yet. Fetch it once (about 140 MB), or choose the data set *digits*, "
        "which needs no download.",
        icon=":material/cloud_download:",
    )
    if not st.button(f"Fetch {dataset}", icon=":material/download:"):
        return
    bar = st.progress(0.0, "Asking its sources …")
    try:
        core.datasets.prepare(dataset, progress=lambda message, done: bar.progress(min(1.0, max(0.0, done)), message))
    except (DataUnavailable, PoisonscopeError, OSError) as error:
        st.error(f"{words.sentence(str(error))} Choose *digits* meanwhile.", icon=":material/cloud_off:")
        return
    st.rerun()


def announce(config: RunConfig) -> None:
    """What this request means: the count and its shares, the time it takes."""
    st.markdown(words.extent(extent(config)))
    if config.attack.ratio == 0:
        st.info("Nothing is poisoned: this is the clean control. A good detector finds nothing.")
    if config.training.flip or config.training.crop:
        st.caption(words.augmentation(config))
    expected = core.estimate(config)
    if expected.cached:
        st.success("This very run is stored already: it opens at once.", icon=":material/bolt:")
    else:
        basis = "measured on this machine" if expected.measured else "a guess; the first run will tell"
        st.caption(f":material/timer: About {words.duration(expected.seconds)} ({basis}).")


def start(config: RunConfig | None) -> None:
    """Start, or join the same request, or open it from the store."""
    pressed = st.button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch", disabled=config is None, key="start"
    )
    if not pressed or config is None:
        return
    try:
        job = core.submit(config)
    except PoisonscopeError as error:
        st.error(words.sentence(str(error)), icon=":material/error:")
        return
    st.session_state["settings of"] = job.key
    st.session_state["from the store"] = job.key if job.status == "done" else None
    current.choose(job)
    st.rerun()


def follow(config: RunConfig | None) -> None:
    """The current run: live while it is active, its headline when it is done."""
    job = current.current_job()
    if job is None:
        return
    st.divider()
    st.subheader(words.heading(job.config))
    if config is not None and config != job.config:
        st.caption("The settings have been changed since: this is the run that was started, not the one described.")
    if job.status == "done":
        headline(job)
    live.show(job)


def headline(job: Job) -> None:
    """Done: the figures that matter most, and where to look closer."""
    result = current.current_result()
    if result is None:
        current.offer_again("this run")
        return
    if job.attempts == 0 or st.session_state.get("from the store") == job.key:
        st.success("From the store, no training.", icon=":material/bolt:")
    else:
        st.success(f"Done in {words.duration(result.summary['seconds'])}.", icon=":material/check_circle:")
    found = result.summary
    with st.container(horizontal=True):
        for name, value in (
            ("ASR, before → after", f"{words.share(found['asr1'], 0)} → {words.share(found['asr2'], 0)}"),
            ("Nat, before → after", f"{words.share(found['nat1'], 0)} → {words.share(found['nat2'], 0)}"),
            (f"#Pois left of {found['poisons']:,}", f"{found['poisons_left']:,}"),
        ):
            st.metric(name, value, width=210)
    link = {current.PARAMETER: job.key[: current.SHORT]}
    scores, compare = st.columns(2)
    scores.page_link("pages/scores.py", label="See how it was found: Scores", query_params=link)
    compare.page_link("pages/compare.py", label="Before and after: Compare", query_params=link)


shell.ensure()
main()
