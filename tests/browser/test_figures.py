"""Names at the ends of curves are legible: none is cut off, none is written over another."""

from __future__ import annotations

import json
from itertools import combinations, product

from playwright.sync_api import Page
from plotly.offline import get_plotlyjs

from pages.parts.common import live

# A chart drawn anew, in the place of the one before.
_DRAW = """async ({data, layout}) => {
  Plotly.purge("chart");
  await Plotly.newPlot("chart", data, layout, {displayModeBar: false});
}"""


ENDS = {
    "both at the top": [(1.0, 0.99, 0.01)],
    "side by side": [(0.44, 0.43, 0.9), (0.438, 0.441, 0.4)],
    "six epochs, the last two alike": [(0.5 + 0.08 * n, 1.0, 1 / (n + 1)) for n in range(6)],
    "all at the bottom": [(0.01, 0.0, 1.0), (0.02, 0.02, 0.02)],
    "nat in the loss's way": [(0.3, 0.9, 0.8), (0.5, 0.9, 0.4)],
}


def test_names_at_the_ends_of_curves_stay_apart_and_inside(page: Page) -> None:
    page.set_content("<div id='chart'></div>")
    page.add_script_tag(content=get_plotlyjs())
    for case, ends in ENDS.items():
        history = [{"epoch": n + 1, "nat": nat, "asr": asr, "loss": loss} for n, (nat, asr, loss) in enumerate(ends)]
        for width, last in product((380, 620, 900), (len(history), 2 * len(history))):
            figure = live.curves(history, last)
            figure.update_layout(width=width)
            page.evaluate(_DRAW, json.loads(figure.to_json()))
            boxes = [text.bounding_box() for text in page.locator(".annotation-text").all()]
            assert len(boxes) == 3
            for one, other in combinations(boxes, 2):
                apart = one["y"] + one["height"] <= other["y"] + 1 or other["y"] + other["height"] <= one["y"] + 1
                assert apart, (case, width, one, other)
            left, top = (page.locator("#chart").bounding_box()[side] for side in ("x", "y"))
            for box in boxes:
                assert left <= box["x"], (case, width, box)
                assert box["x"] + box["width"] <= left + width, (case, width, box)
                assert top <= box["y"], (case, width, box)
                assert box["y"] + box["height"] <= top + live.HEIGHT, (case, width, box)
