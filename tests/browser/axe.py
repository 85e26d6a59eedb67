"""The accessibility check: axe-core over a page as it stands, its serious and critical findings as text.

The script is axe-core's own, as the package axe-playwright-python carries it; it is read from disk, so nothing is
fetched. `EXCLUDED` names what is Streamlit's or plotly's own and cannot be set from here: the rule, the elements
it is excused for, and why. All else counts.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from playwright.sync_api import Page

COUNTED = ("serious", "critical")


class Excluded(NamedTuple):
    """A finding that is not ours: by axe's rule, and a selector that the element or one around it must match."""

    rule: str
    within: str
    reason: str


EXCLUDED: tuple[Excluded, ...] = ()

# Axe names an element by selectors, one for each shadow root on the way in.
_RUN = """async ([counted, excluded, asked]) => {
  const found = await axe.run(document, {resultTypes: ["violations"], ...asked});
  const element = (target) => [target].flat(9).reduce((root, selector) => {
    const hit = (root.shadowRoot ?? root).querySelector(selector);
    return hit ?? root;
  }, document);
  const ours = (rule, node) => !excluded.some(([name, within]) => {
    const hit = element(node.target);
    return name === rule && hit.closest && hit.closest(within);
  });
  return found.violations.filter((one) => counted.includes(one.impact)).flatMap((one) => {
    const nodes = one.nodes.filter((node) => ours(one.id, node));
    if (!nodes.length) return [];
    const shown = nodes.slice(0, 3).map((node) => {
      const why = [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ");
      return `\\n      ${[node.target].flat(9).join(" >>> ")}\\n        ${node.html.slice(0, 200)}\\n        ${why}`;
    });
    return [`${one.impact} ${one.id}: ${one.help} (${nodes.length})${shown.join("")}`];
  });
}"""


# Axe leaves out what is drawn: words in a picture, by their contrast with the page's ground. Those on a heat map's
# cells stand on another ground, and are black or white by it (pages/parts/sensitivity/sweep_pictures.py).
_FAINT = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const bright = (colour) => numbers(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [.2126, .7152, .0722][n], 0);
  const ground = bright(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor);
  const found = new Set();
  for (const words of document.querySelectorAll("[data-testid=stPlotlyChart] svg text")) {
    const cells = words.closest("[data-testid=stPlotlyChart]").querySelector(".heatmaplayer *");
    if (cells && words.matches(".annotation-text") || !words.textContent.trim()) continue;
    if (!words.checkVisibility({opacityProperty: true})) continue;
    const {fill, fontSize, fontWeight} = getComputedStyle(words), ink = bright(fill);
    const contrast = (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
    const large = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
    if (contrast < (large ? 3 : 4.5)) found.add(`${contrast.toFixed(1)} to 1: “${words.textContent}”, ${fill}`);
  }
  return [...found];
}"""


# What another theme may change, and what another width may: contrast takes axe two thirds of its time.
EVERYTHING: dict[str, Any] = {}
COLOURS = {"runOnly": ["color-contrast"]}
STRUCTURE = {"rules": {"color-contrast": {"enabled": False}}}


@cache
def script() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def serious(page: Page, asked: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe finds serious or critical by the rules asked for, each with the first few elements it is about."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    found: list[str] = page.evaluate(_RUN, [list(COUNTED), [[one.rule, one.within] for one in EXCLUDED], asked])
    return found


def faint(page: Page) -> list[str]:
    """Words of charts that have too little contrast (WCAG 2.2, 1.4.3) with the page that they stand on."""
    found: list[str] = page.evaluate(_FAINT)
    return found
