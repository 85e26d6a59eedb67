"""Attack: what is poisoned, how it looks, start, and how the run goes."""

import numpy as np
import streamlit as st

import core
from core import BadRequest, DataUnavailable, Job, PoisonscopeError, RunConfig
from pages.parts.around import current, cuts, link, shell, words
from pages.parts.attack import presets
from pages.parts.common import live, noted
from pages.parts.form import fear, preview, settings
from pages.parts.stage import live as stage

ASKED = "how often a link asked for the curves"  # in session state
WATCHED, STARTED = "run that this tab watches", "run that this tab started last, and how many it started"

# The page may be scrolled down to the form: once a run, the browser is asked to show where it stands. A link to the
# curves scrolls to them, and again while what stands above them comes to its height, until a person moves the page.
_JS = """let shown = "";
export default ({ parentElement, data }) => {
  if (!data || data.once === shown) return;
  shown = data.once;
  const host = parentElement.host ?? parentElement;
  const page = host.closest("[data-testid=stMain]") ?? document.documentElement;
  if (!data.here) {
    page.scrollTo({ top: 0 });
    return;
  }
  host.style.scrollMarginTop = "112px";
  const show = () => host.scrollIntoView({ block: "start" });
  const watch = new ResizeObserver(show);
  const end = () => watch.disconnect();
  [...page.children].forEach((part) => watch.observe(part));
  ["wheel", "touchstart", "pointerdown", "keydown"].forEach((kind) => addEventListener(kind, end, { once: true }));
  setTimeout(end, 10000);
  show();
};"""
_reveal = st.components.v2.component("poisonscope_reveal", html="<i></i>", js=_JS)
# Beside the form, what it means and Start stay in sight; in a low window they scroll by themselves.
_STYLE = """<style>
@media (min-width: 1101px) {
  [data-testid="stColumn"]:has(> [data-testid="stVerticalBlock"] .st-key-meaning) {
    position: sticky; align-self: flex-start;
    --above: calc(var(--ps-top, 56px) + var(--ps-head, 0px) + 8px); top: var(--above);
    max-height: calc(100vh - var(--above) - 8px); overflow-y: auto; scrollbar-width: thin;}
}</style>"""


def main() -> None:
    st.title("Attack")
    st.write("Stamp a trigger on some training images, relabel them, train: the network learns a backdoor.")
    if not cuts.truth_shown() and current.current_job() is not None:
        stay_blind()
        return
    recall()
    top, cards = st.container(), st.container()
    left, right = st.columns([2, 3], gap="large")
    with left:
        config, trouble = ask()
    presets.settle(config)
    with cards:
        presets.show()
    with right, st.container(key="meaning"):
        st.html(_STYLE)
        ready = describe(config, trouble)
        start(config if ready else None)
        stage.offer(config if ready else None)
        if config is not None:
            preview.show(config)
            with st.expander("Eight more images", icon=":material/grid_view:"):
                preview.sheets(config)
    with top if watched() else st.container():
        follow(config)


def stay_blind() -> None:
    """This screen is the attacker's: in blind review it says no more than how far the run is."""
    st.info(
        "This screen shows what the attacker does, and this tab is in blind review.", icon=":material/visibility_off:"
    )
    cuts.truth_switch()
    job = current.current_job()
    if job is not None:
        st.subheader(words.label(job, blind=True))
        live.show(job, blind=True)


def recall() -> None:
    """Show the settings that the address names, a preset's or a run's, once; from there a person may change them."""
    job = current.current_job()
    named = presets.recall()
    if job is not None and st.session_state.get(settings.OF) != job.key:
        if not named:
            settings.fill(job.config)
        st.session_state[settings.OF] = job.key


def watched() -> bool:
    """Whether the run stands above the form: while it goes, until it has ended well, and where it ended in this tab."""
    job = current.current_job()
    if job is None:
        return False
    if job.active:
        st.session_state[WATCHED] = job.key
    return job.status != "done" or st.session_state.get(WATCHED) == job.key


def ask() -> tuple[RunConfig | None, str]:
    """The request as the widgets hold it, checked as a whole; or None and what does not fit."""
    with st.container(border=True):
        st.subheader("Attacker")
        dataset = settings.dataset()
        attack = settings.attack(dataset)
    with st.container(border=True):
        st.subheader("Training")
        training = settings.training(dataset)
        numbers = st.empty()
    with st.container(border=True):
        st.subheader("Defender")
        defence = settings.defence()
        feared = st.empty()
    try:
        config = core.configure(dataset=dataset, **attack, **training, **defence)
        check(config)
    except BadRequest as error:
        return None, words.refusal(error)
    numbers.markdown(words.training(config))
    if config.defence.cut == "budget":
        feared.caption(fear.told(config))
    return config, ""


def check(config: RunConfig) -> None:
    """What only the data's form can tell: are there enough images, does the trigger fit? BadRequest if not."""
    extent(config)
    blank = np.zeros((1, *core.DATASETS[config.dataset.name].facts["image_shape"]), np.uint8)
    core.triggers.apply_all(config.attack.triggers, blank)


def extent(config: RunConfig) -> core.poison.Extent:
    sizes = core.datasets.class_sizes(config.dataset)
    return core.poison.extent(np.repeat(np.arange(len(sizes)), sizes), config.attack)


def describe(config: RunConfig | None, trouble: str) -> bool:
    """What the request means, and whether it can start."""
    dataset = st.session_state["dataset"]
    here = core.datasets.available(dataset)
    if not here:
        offer_data(dataset)
    if config is None:
        st.error(trouble, icon=":material/block:")
        return False
    return announce(config) or here


def offer_data(dataset: str) -> None:
    """Fetch the data set here, with progress; or take digits, which need no download."""
    some = "The pictures below come with the recorded run. " if preview.load(dataset) is not None else ""
    st.warning(
        f"{dataset} is not on this machine yet. {some}Fetch it once (about 140 MB), or choose the data set *digits*, "
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


def announce(config: RunConfig) -> bool:
    """What this request means: the count and its shares, the time it takes. Returns whether it is stored."""
    if config.attack.ratio == 0:
        st.info("Nothing is poisoned: this is the clean control. A good detector finds nothing.")
    else:
        st.markdown(words.extent(extent(config), config))
    if config.training.flip or config.training.crop:
        st.caption(words.augmentation(config))
    expected = core.estimate(config)
    if expected.cached:
        st.success("This very run is stored already: it opens at once.", icon=":material/bolt:")
    else:
        st.caption(f":material/timer: Takes {words.expected(expected.seconds, expected.measured)}.")
    return expected.cached


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
    st.session_state[settings.OF] = st.session_state[WATCHED] = job.key
    st.session_state[STARTED] = job.key, st.session_state.get(STARTED, ("", 0))[1] + 1
    st.session_state["from the store"] = job.key if job.status == "done" else None
    current.choose(job)
    st.rerun()


def follow(config: RunConfig | None) -> None:
    """The current run: live while it is active, its headline when it is done."""
    job = current.current_job()
    if job is None:
        return
    above = watched()
    if not above:
        st.divider()
    st.subheader(words.heading(job.config))
    if config is not None and config != job.config.base:
        st.caption("These are this run's figures; the form describes another one.")
    if job.status == "done":
        headline(job, above)
    if st.query_params.pop(link.OPEN, None) == link.CURVES:
        st.session_state[ASKED] = st.session_state.get(ASKED, 0) + 1
    if asked := st.session_state.get(ASKED):
        _reveal(data={"once": f"{job.key} {asked}", "here": True}, key="reveal curves")
    live.show(job, wide=True)
    if above:
        key, times = st.session_state.get(STARTED, ("", 0))
        if key == job.key:
            _reveal(data={"once": f"{key} {times}", "here": False}, key="reveal")
        st.divider()


def headline(job: Job, above: bool) -> None:
    """Done: the figures that matter most, and where to look closer; above the form, the way back to it."""
    result = current.current_result()
    if result is None:
        current.offer_again("this run")
        return
    if job.attempts == 0 or st.session_state.get("from the store") == job.key:
        st.success("From the store, no training.", icon=":material/bolt:")
    else:
        st.success(f"Done in {words.duration(result.summary['seconds'])}.", icon=":material/check_circle:")
    found = result.summary
    noted.show(noted.stored(found))
    with st.container(horizontal=True, gap="large"):
        for name in ("ASR", "Nat"):
            one, (before, after) = words.figure(name), (found[f"{name.lower()}{number}"] for number in (1, 2))
            st.metric(
                f"{one.name}, before → after", f"{one.write(before)} → {one.write(after)}", one.change(before, after),
                delta_color="inverse" if one.good == "lower" else "normal", delta_description=one.better,
                help=one.says, width="content",
            )  # fmt: skip
        left = words.figure("#Pois left")
        st.metric(
            f"{left.name} of {found['poisons']:,}", left.write(found["poisons_left"]), help=left.says, width="content"
        )
    here = {current.PARAMETER: job.key[: current.SHORT]}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "pages/scores.py", label="See how it was found: Scores", icon=":material/bar_chart:", query_params=here
        )
        st.page_link(
            "pages/compare.py", label="Before and after: Compare", icon=":material/compare_arrows:", query_params=here
        )
        if above and st.button("Another attack", icon=":material/tune:", key="another attack"):
            st.session_state[WATCHED] = None
            st.rerun()


shell.ensure()
main()
