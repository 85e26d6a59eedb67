"""The accessibility check: axe-core over a page as it stands, its serious and critical findings as text.

The script is axe-core's own, as the package axe-playwright-python carries it; it is read from disk, so nothing is
fetched. `EXCLUDED` names what is Streamlit's or plotly's own and cannot be set from here: the rule, the elements
it is excused for, and why. All else counts.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

from playwright.sync_api import Page

COUNTED = ("serious", "critical")


class Excluded(NamedTuple):
    """A finding that is not ours: by axe's rule, and a selector that the element or one around it must match."""

    rule: str
    within: str
    reason: str


EXCLUDED: tuple[Excluded, ...] = ()

# Axe names an element by selectors, one for each shadow root on the way in.
_RUN = """async ([counted, excluded]) => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
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


@cache
def script() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def serious(page: Page) -> list[str]:
    """What axe finds serious or critical, each finding with the first few elements that it is about."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    found: list[str] = page.evaluate(_RUN, [list(COUNTED), [[one.rule, one.within] for one in EXCLUDED]])
    return found
