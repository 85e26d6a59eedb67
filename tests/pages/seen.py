"""What a screen shows, as tests read it: its words, figures and buttons, and what its components were given."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest


def fine(app: AppTest) -> AppTest:
    """The screen, which has raised nothing."""
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    """Its paragraphs, captions and notices."""
    kinds = (app.markdown, app.caption, app.warning, app.info)
    return "\n".join(element.value for elements in kinds for element in elements)


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def table(app: AppTest, first_column: str) -> pd.DataFrame:
    """The one table that begins with this column."""
    (found,) = [frame.value for frame in app.dataframe if frame.value.columns[0] == first_column]
    return found.set_index(first_column)


def pictures(app: AppTest) -> list[dict[str, Any]]:
    """Its charts, as plotly has them."""
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def values(given: Any) -> list[float]:
    """The values of a chart's trace: plotly writes numpy arrays as base64."""
    if isinstance(given, dict):
        return np.frombuffer(base64.b64decode(given["bdata"]), given["dtype"]).tolist()
    return list(given)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def press(app: AppTest, label: str) -> AppTest:
    """The screen after a click on the first button of this name."""
    return fine(next(button for button in app.button if button.label == label).click().run())


def opened(app: AppTest, drawer: str) -> AppTest:
    """With a drawer open: what is in it is drawn then."""
    app.session_state[drawer] = True
    return fine(app.run())


# --- the gallery -----------------------------------------------------------------------------------------


def grid(app: AppTest) -> dict[str, Any]:
    """What the gallery's component was given; nothing where there is none."""
    boards = [board for board in app.get("bidi_component") if board.proto.component_name == "poisonscope_gallery"]
    return json.loads(boards[0].proto.json) if boards else {"tiles": []}


def ids(app: AppTest) -> list[int]:
    """The images on its page, in their order."""
    return [tile["id"] for tile in grid(app)["tiles"]]
